"""Samples that are whole series: long tables with `series=`, and lists that differ in length."""

import numpy as np
import pandas as pd
import pytest
from fields import AUTO, csv_of, error_of, read, target, wanted

from dlc.compiler.definitions.sections import Columns, Parquet, TableSource
from dlc.compiler.dims.dim import free
from dlc.runtime.data.sequences.ragged import Ragged, distinct_steps
from dlc.runtime.open_rows import source_from

T = free("T")
LONG = "id,t,a,b,kind\n" + "".join(
    f"{name},{t},{10 * k + t},{-t},{kind}\n"
    for t in range(4)
    for k, (name, size, kind) in enumerate([("v", 3, "xen"), ("u", 1, "yak"), ("w", 4, "xen")])
    if t < size
)
PAIR = wanted("pair", "float", T, 2, source=Columns(columns=("a", "b")))
KIND = target("kind", "class", classes=AUTO)


def rows_of(rows, name):
    """The samples of a field, each with its own length."""
    values = rows[name]
    return [
        values[np.array([i])].padded()[0] if isinstance(values, Ragged) else values[i]
        for i in range(rows.count)
    ]


def test_rows_of_one_series_are_one_sample(tmp_path):
    data = read(csv_of(tmp_path, LONG, series="id", order="t"), PAIR, KIND, folder=tmp_path)
    pairs = [pair.tolist() for pair in rows_of(data.train, "pair")]
    assert pairs == [[[t, -t] for t in range(3)], [[10, 0]], [[20 + t, -t] for t in range(4)]]
    assert data.train["kind"].tolist() == [0, 1, 0] and data.lengths == {"T"}


def test_a_long_table_and_a_column_of_lists_are_the_same(tmp_path):
    frame = pd.read_csv(pd.io.common.StringIO(LONG)).groupby("id", sort=False)
    lists = pd.DataFrame({"pair": [g[["a", "b"]].to_numpy(float).tolist() for _, g in frame],
                          "kind": [g.kind.iloc[0] for _, g in frame]})  # fmt: skip
    lists.to_parquet(tmp_path / "lists.parquet")
    long = read(csv_of(tmp_path, LONG, series="id"), PAIR, KIND, folder=tmp_path)
    pair = wanted("pair", "float", T, 2)
    arrays = {"pair": [np.array(p) for p in lists.pair], "kind": list(lists.kind)}
    for source in (Parquet(path="lists.parquet"), source_from(lists), source_from(arrays)):
        other = read(source, pair, KIND, folder=tmp_path)
        assert other.fingerprint == long.fingerprint and other.lengths == long.lengths


def test_series_of_one_length_are_an_array(tmp_path):
    text = "id,a\n" + "".join(f"{s},{s * 10 + t}\n" for s in range(3) for t in range(2))
    for size in (2, T):
        data = read(csv_of(tmp_path, text, series="id"), wanted("a", "float", size), folder=tmp_path)
        assert data.train["a"].tolist() == [[0, 1], [10, 11], [20, 21]] and not data.lengths
    error = error_of(read, csv_of(tmp_path, LONG, series="id"), wanted("a", "float", 3), folder=tmp_path)
    assert error.code == "E0704" and "its length is 1, and 3 is wanted" in error.message


def test_rows_have_a_length_that_their_size_can_have():
    source = TableSource(columns=("a",), rows=(([1.0, 2.0, 3.0, 4.0],), ([1.0, 2.0, 3.0],)))
    error = error_of(read, source, wanted("a", "float", 2 * T))
    assert error.code == "E0704" and "row 2" in error.message
    assert "its length is 3, which `2 * T` never is" in error.message


def test_a_target_may_have_a_value_for_each_step(tmp_path):
    steps = target("kind", "class", T, classes=AUTO)
    data = read(csv_of(tmp_path, LONG, series="id"), PAIR, steps, folder=tmp_path)
    assert [v.tolist() for v in rows_of(data.train, "kind")] == [[0, 0, 0], [1], [0, 0, 0, 0]]


def test_channels_may_stand_first(tmp_path):
    pair = wanted("pair", "float", 2, T, source=Columns(columns=("a", "b")))
    data = read(csv_of(tmp_path, LONG, series="id"), pair, folder=tmp_path)
    assert rows_of(data.train, "pair")[0].tolist() == [[0, 1, 2], [0, -1, -2]]


def test_parts_have_whole_series(tmp_path):
    text = "id,a\n" + "".join(f"s{s},{s}\n" for s in range(20) for _ in range(1 + s % 3))
    data = read(csv_of(tmp_path, text, series="id"), wanted("a", "float", T), folder=tmp_path, test=0.25,
                split=None)  # fmt: skip
    parts = {name: {float(v[0]) for v in rows_of(rows, "a")} for name, rows in data.parts()}
    assert len(parts["test"]) == 5 and not parts["test"] & parts["train"] and len(parts["train"]) == 15
    error = error_of(
        read, csv_of(tmp_path, text, series="id"), wanted("a", "float", T), folder=tmp_path, test=20
    )
    assert error.message == "rows.csv has 20 series, and 20 for test leave none for training"


def test_a_missing_step_is_told_by_its_row_and_drop_leaves_its_series_out(tmp_path):
    text = LONG.replace("w,2,22,-2,xen", "w,2,,-2,xen")
    source = csv_of(tmp_path, text, series="id", order="t")
    error = error_of(read, source, PAIR, KIND, folder=tmp_path)
    assert error.code == "E0706" and error.message.startswith('rows.csv, row 7 (line 8), column "a"')
    data = read(source, PAIR, KIND, folder=tmp_path, drop="missing")
    assert data.train.count == 2 and data.lengths == {"T"}
    assert data.notes == ("1 of 3 series of rows.csv left out (`drop = missing`): they miss `pair`",)


def test_lists_of_text_are_sequences(tmp_path):
    pd.DataFrame({"w": [["b", "a"], [], ["c"]]}).to_parquet(tmp_path / "rows.parquet")
    words = wanted("w", "class", T, classes=AUTO)
    data = read(Parquet(path="rows.parquet"), words, folder=tmp_path)
    assert data.classes["found"].labels == ("a", "b", "c")
    words = data.train["w"]
    assert words.lengths.tolist() == [2, 0, 1] and distinct_steps(words).tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("rows", "where"),
    [([[[1.0, 2.0]], [[3.0]]], "row 2"), ([[1.0], None, [2.0, 3.0]], "row 2")],
    ids=["steps of two shapes", "a missing list"],
)
def test_lists_that_are_no_sequences_are_told_by_their_row(tmp_path, rows, where):
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({"x": rows}), tmp_path / "rows.parquet")
    error = error_of(read, Parquet(path="rows.parquet"), wanted("x", "float", T), folder=tmp_path)
    assert error.code in ("E0711", "E0706") and f'rows.parquet, {where}, column "x"' in error.message


def test_steps_of_two_shapes_in_an_array(tmp_path):
    given = source_from({"x": [np.zeros((2, 3)), np.zeros((1, 2))]})
    error = error_of(read, given, wanted("x", "float", T, 3))
    assert error.code == "E0702" and "its steps are not all of one shape" in error.message


def test_a_table_of_the_spec_may_have_lists_that_differ(tmp_path):
    source = TableSource(rows=(((1, 2, 3), 0), ((4,), 1)), columns=("x", "y"))
    data = read(source, wanted("x", "float", T), target("y"), folder=tmp_path)
    assert [v.tolist() for v in rows_of(data.train, "x")] == [[1, 2, 3], [4]]
