"""Windows of series: samples that are successive rows of a file."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from fields import AUTO, csv_of, error_of, read, target, wanted
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from dlc.compiler.definitions.sections import ColumnField, Columns, Csv, GroupsSplit, Parquet
from dlc.compiler.definitions.series import Ahead
from dlc.compiler.dims.dim import free
from dlc.runtime.data.rows.dataset import InMemoryRows
from dlc.runtime.open_rows import source_from


def numbered(folder, rows, **settings):
    """Column `a` counts the rows, `b` is 100 more."""
    text = "a,b\n" + "".join(f"{i},{i + 100}\n" for i in range(rows))
    return csv_of(folder, text, **settings)


def arrays(rows):
    [batch] = rows.batches([rows.count])
    return batch


@pytest.mark.parametrize("step", [1, 2, 5])
def test_windows_are_those_of_numpy(tmp_path, step):
    source = numbered(tmp_path, 17, window=4, step=step)
    x = wanted("x", "float", 4, 2, source=Columns(columns=("a", "b")))
    y = target("y", source=ColumnField(column="b"))
    found = arrays(read(source, x, y, folder=tmp_path).train)
    every = np.stack([np.arange(17), np.arange(17) + 100], axis=1)
    np.testing.assert_array_equal(
        found["x"], sliding_window_view(every, 4, axis=0).swapaxes(1, 2)[::step].astype(np.float32)
    )
    np.testing.assert_array_equal(found["y"], np.arange(17)[3::step][: len(found["y"])] + 100)


def test_values_ahead_are_those_of_the_rows_behind_the_window(tmp_path):
    source = numbered(tmp_path, 12, window=4)
    fields = (
        wanted("past", "float", 4, source=ColumnField(column="a")),
        wanted("calendar", "float", 3, 2, source=Ahead(columns=("a", "b"), n=3)),
        target("next", source=Ahead(columns=("a",), n=1)),
        target("many", "float", 2, source=Ahead(columns=("b",), n=2)),
        target("same", "float", 4, source=ColumnField(column="a")),
        target("pair", "float", 2, source=Columns(columns=("a", "b"))),
    )
    found = arrays(read(source, *fields, folder=tmp_path).train)
    assert found["past"].tolist() == [[i, i + 1, i + 2, i + 3] for i in range(6)]
    assert found["calendar"][1].tolist() == [[5, 105], [6, 106], [7, 107]]
    assert found["next"].tolist() == [4, 5, 6, 7, 8, 9]
    assert found["many"][-1].tolist() == [109, 110]
    assert found["same"].tolist() == found["past"].tolist()
    assert found["pair"].tolist() == [[i + 3, i + 103] for i in range(6)]


def test_fields_of_one_column_share_its_classes(tmp_path):
    from dlc.compiler import Source, compile
    from dlc.runtime.data import load

    (tmp_path / "rows.csv").write_text("sky\n" + "\n".join(["sun", "rain", "fog"] * 4))
    text = """
    input  past: class(auto)[4]
    output next: class(auto)
    past -> embedding(2) -> flatten -> dense(next.classes) -> next
    data {
      source = csv("rows.csv", window=4)
      past   = column("sky")
      next   = ahead("sky", 1)
    }
    """
    dataset = load(compile(Source("sky.dl", text)), tmp_path)
    assert dataset.classes["past"].labels == ("fog", "rain", "sun") and [*dataset.classes] == ["past"]
    found = arrays(dataset.train)
    assert found["past"][0].tolist() == [2, 1, 0, 2] and found["next"][:2].tolist() == [1, 0]


@pytest.mark.parametrize(
    "shape", [(4, 2), (free("T"), 2), (2, free("T"))], ids=["fixed", "free", "channels first"]
)
def test_a_free_dimension_takes_the_length_of_the_window(tmp_path, shape):
    x = wanted("x", "float", *shape, source=Columns(columns=("a", "b")))
    dataset = read(numbered(tmp_path, 6, window=4), x, folder=tmp_path)
    found = arrays(dataset.train)["x"]
    assert found.shape == (3, *(size if size == 2 else 4 for size in shape))
    first = found[0] if shape[-1] == 2 else found[0].T
    assert first.tolist() == [[i, i + 100] for i in range(4)] and dataset.lengths == frozenset()


def test_one_column_may_have_an_axis_of_its_own(tmp_path):
    for shape in ((4,), (4, 1), (free("T"),)):
        x = wanted("a", "float", *shape)
        found = arrays(read(numbered(tmp_path, 5, window=4), x, folder=tmp_path).train)["a"]
        assert found.reshape(2, 4).tolist() == [[0, 1, 2, 3], [1, 2, 3, 4]]
        assert found.shape[1:] == (4, 1)[: len(shape)]


def shuffled(tmp_path, kind, seed=0):
    """Three series of other lengths, their rows shuffled, as the file and the frame."""
    rng = np.random.default_rng(seed)
    made = [
        pd.DataFrame({"id": name, "time": np.arange(size), "v": rng.normal(size=size).astype(np.float32)})
        for name, size in (("u", 9), ("w", 3), ("z", 7))
    ]
    frame = pd.concat(made).sample(frac=1, random_state=seed)
    if kind == "csv":
        frame.to_csv(tmp_path / "rows.csv", index=False)
        return Csv, "rows.csv", frame
    if kind == "dates":
        frame["time"] = pd.Timestamp("2024-02-27") + pd.to_timedelta(frame.time, "D")
    if kind == "dates as text":
        frame["time"] = (pd.Timestamp("2024-02-27") + pd.to_timedelta(frame.time, "D")).dt.strftime(
            "%Y-%m-%d"
        )
    frame.to_parquet(tmp_path / "rows.parquet")
    return Parquet, "rows.parquet", frame


@pytest.mark.parametrize("kind", ["csv", "numbers", "dates", "dates as text"])
def test_no_window_has_rows_of_two_series(tmp_path, kind):
    source, path, frame = shuffled(tmp_path, kind)
    given = source(path=path, series="id", order="time", window=4, step=2)
    dataset = read(given, wanted("v", "float", 4), target("id", "class", classes=AUTO), folder=tmp_path)
    expected, names = [], []
    for name in frame.id.unique():
        values = frame[frame.id == name].sort_values("time").v.to_numpy()
        if len(values) >= 4:
            windows = sliding_window_view(values, 4)[::2]
            expected += [*windows]
            names += [name] * len(windows)
    found = arrays(dataset.train)
    np.testing.assert_array_equal(found["v"], np.array(expected, np.float32))
    assert [dataset.classes["found"].labels[k] for k in found["id"]] == names
    (note,) = dataset.notes
    assert note.startswith(f"1 of the 3 series of {path} left out: ") and "the 4 rows" in note


def test_a_frame_is_read_with_the_settings_of_the_spec(tmp_path):
    from dlc.runtime.data import open_rows, read_rows

    _, _, frame = shuffled(tmp_path, "dates")
    like = Csv(path="", series="id", order="time", window=7)
    rows = read_rows(source_from(frame), [wanted("v", "float", 7)], like)
    expected = [w for name in frame.id.unique()
                for v in [frame[frame.id == name].sort_values("time").v.to_numpy()] if len(v) >= 7
                for w in sliding_window_view(v, 7)]  # fmt: skip
    np.testing.assert_array_equal(arrays(rows)["v"], np.array(expected))
    opened = open_rows(tmp_path / "rows.parquet", like)
    assert opened.sequences is not None and opened.sequences.window == 7


def test_columns_without_names_and_columns_of_one_name(tmp_path):
    (tmp_path / "rows.csv").write_text("".join(f"{i},{i + 100},{i % 2}\n" for i in range(6)))
    fields = (wanted("x", "float", 4, 2), target("y"))
    plain = read(Csv(path="rows.csv", header=False, window=4), *fields, folder=tmp_path)
    assert arrays(plain.train)["x"][1].tolist() == [[i, i + 100] for i in range(1, 5)]
    assert arrays(plain.train)["y"].tolist() == [1, 0, 1]
    (tmp_path / "rows.csv").write_text("x,x,y\n" + (tmp_path / "rows.csv").read_text())
    named = read(Csv(path="rows.csv", window=4), *fields, folder=tmp_path)
    assert named.fingerprint == plain.fingerprint
    last = read(Csv(path="rows.csv", window=4), wanted("x", "float", 2), folder=tmp_path)
    assert arrays(last.train)["x"][0].tolist() == [3, 103]
    error = error_of(read, Csv(path="rows.csv", window=4), wanted("y", "float", 3), folder=tmp_path)
    assert error.code == "E0704" and error.help == "`y = ahead(...)` takes rows behind the window"


# --- the split --------------------------------------------------------------------------------------------


def rows_in(rows, ahead):
    """The rows of the file that are in the windows of `x` or behind them."""
    batch = arrays(rows)
    return {
        int(v)
        for v in np.concatenate([batch["x"].ravel(), (batch["x"][:, -1:] + np.arange(1, ahead + 1)).ravel()])
    }


@settings(max_examples=40)
@given(sizes=st.lists(st.integers(0, 60), min_size=1, max_size=4), window=st.integers(1, 6),
       ahead=st.integers(0, 3), step=st.integers(1, 5), test=st.sampled_from([0, 0.1, 0.3, 2]),
       validation=st.sampled_from([0, 0.2, 3]))  # fmt: skip
def test_parts_of_windows_share_no_row(tmp_path_factory, sizes, window, ahead, step, test, validation):
    from dlc.compiler import CompileError

    folder = tmp_path_factory.mktemp("rows")
    text = "id,a\n" + "".join(f"s{s},{1000 * s + i}\n" for s, size in enumerate(sizes) for i in range(size))
    source = csv_of(folder, text, series="id", window=window, step=step)
    x = wanted("x", "float", window, source=ColumnField(column="a"))
    y = target("y", "float", max(ahead, 1), source=Ahead(columns=("a",), n=max(ahead, 1)))
    fields = (x, y) if ahead else (x,)
    try:
        data = read(source, *fields, folder=folder, test=test, validation=validation)
    except CompileError as error:
        assert {d.code for d in error.diagnostics} <= {"E0708", "E0709"}
        return
    parts = {name: rows_in(rows, ahead) for name, rows in data.parts()}
    names = [*parts]
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            assert not parts[one] & parts[other]
    for early, late in pairwise(parts[name] for name in ("train", "validation", "test") if name in parts):
        for series in {row // 1000 for row in early} & {row // 1000 for row in late}:
            assert max(r for r in early if r // 1000 == series) < min(r for r in late if r // 1000 == series)


def test_a_fraction_is_of_the_windows_and_those_at_borders_are_counted(tmp_path):
    source = numbered(tmp_path, 103, window=4)
    data = read(source, wanted("a", "float", 4), folder=tmp_path, test=0.2, validation=10)
    assert [rows.count for _, rows in data.parts()] == [64, 10, 20]
    assert data.notes == ("6 windows of rows.csv cross a border of the split, and are in no part",)
    assert arrays(data.test)["a"][0].tolist() == [80, 81, 82, 83]
    assert arrays(data.validation)["a"][-1].tolist() == [76, 77, 78, 79]


def test_too_few_windows_for_the_parts(tmp_path):
    source = numbered(tmp_path, 12, window=6)
    error = error_of(read, source, wanted("a", "float", 6), folder=tmp_path, test=0.5)
    assert error.code == "E0709" and "none is left for training" in error.message


def test_groups_are_whole_series(tmp_path):
    text = "id,site,v\n" + "".join(f"{s},{'nsn'[s]},{10 * s + i}\n" for s in range(3) for i in range(5))
    source = csv_of(tmp_path, text, series="id", window=3)
    split = GroupsSplit(column="site")
    data = read(source, wanted("v", "float", 3), folder=tmp_path, test=0.3, split=split)
    assert {int(v) // 10 for v in arrays(data.test)["v"].ravel()} == {1}
    assert {int(v) // 10 for v in arrays(data.train)["v"].ravel()} == {0, 2}
    mixed = csv_of(tmp_path, text.replace("0,n,3", "0,s,3"), series="id", window=3)
    error = error_of(read, mixed, wanted("v", "float", 3), folder=tmp_path, test=0.3, split=split)
    assert error.code == "E0709" and "row 4 (line 5)" in error.message


# --- missing and strange values ---------------------------------------------------------------------------


def test_a_missing_value_is_told_by_its_row_and_drop_leaves_out_its_windows(tmp_path):
    text = "t,a,y\n" + "".join(f"{9 - i},{'' if i == 4 else i},{i}\n" for i in range(10))
    fields = (wanted("a", "float", 3), target("y"))
    source = csv_of(tmp_path, text, order="t", window=3)
    error = error_of(read, source, *fields, folder=tmp_path)
    assert error.code == "E0706" and 'rows.csv, row 5 (line 6), column "a"' in error.message
    data = read(source, *fields, folder=tmp_path, drop="missing")
    assert arrays(data.train)["a"].tolist() == [[9, 8, 7], [8, 7, 6], [7, 6, 5], [3, 2, 1], [2, 1, 0]]
    assert data.notes == ("3 of 8 windows of rows.csv left out (`drop = missing`): they miss `a`",)


def test_values_that_no_window_reads_may_be_missing(tmp_path):
    """The target is read in the last row of each window, what is ahead behind it."""
    text = "a,y\n" + "".join(f"{i},{i if i % 4 == 3 else ''}\n" for i in range(10)) + ",99\n"
    source = csv_of(tmp_path, text, window=4, step=4)
    data = read(source, wanted("a", "float", 4), target("y"), folder=tmp_path)
    assert arrays(data.train)["y"].tolist() == [3, 7]


def test_an_ignored_target_may_miss_values_that_no_window_reads(tmp_path):
    from dataclasses import replace

    text = "a,y\n" + "".join(f"{i},{'' if i < 2 else 9 if i == 3 else i % 2}\n" for i in range(6))
    source = csv_of(tmp_path, text, window=3)
    plain = target("y", "class", classes=2)
    y = replace(plain, declared=replace(plain.declared, ignore=(9,)))
    data = read(source, wanted("a", "float", 3), y, folder=tmp_path)
    assert arrays(data.train)["y"].tolist() == [0, -1, 0, 1]
    error = error_of(read, csv_of(tmp_path, text, window=2), wanted("a", "float", 2), y, folder=tmp_path)
    assert error.code == "E0706" and "row 2 (line 3)" in error.message


@pytest.mark.parametrize("times", [
    ("9", "10", "100"),
    ("-1.5", "0", "1e2"),
    ("1700000000000000001", "1700000000000000002", "1700000000000000003"),
    ("2024-09-30", "2024-10-01", "2025-01-01"),
    ("2024-03-01 09:00", "2024-03-01 10:00:30", "2024-03-01T11:00"),
    ("2024-10-27T02:30:00+02:00", "2024-10-27T02:15:00+01:00", "2024-10-27T03:00:00+01:00"),
    ("2023-12", "2024-01", "2024-02"),
    ("2023Q4", "2024Q1", "2024Q3"),
])  # fmt: skip
def test_the_order_is_that_of_numbers_and_times(tmp_path, times):
    text = "t,a\n" + "".join(f"{times[k]},{k}\n" for k in (1, 0, 2))
    source = csv_of(tmp_path, text, order="t", window=3)
    assert arrays(read(source, wanted("a", "float", 3), folder=tmp_path).train)["a"].tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("odd", ["31.12.2024", "2024-1-3", "Jan 2024", "step 10", "5:00 pm"])
def test_text_that_is_no_time_has_no_order(tmp_path, odd):
    source = csv_of(tmp_path, f"t,a\n2024-01-01,1\n{odd},0\n", order="t", window=2)
    error = error_of(read, source, wanted("a", "float", 2), folder=tmp_path)
    assert error.code == "E0705" and error.message.startswith('rows.csv, row 2 (line 3), column "t"'), error


def test_order_alone_sorts_the_rows(tmp_path):
    source = csv_of(tmp_path, "t,a\n3,30\n1,10\n2,20\n", order="t")
    rows = read(source, wanted("a"), folder=tmp_path).train
    assert rows["a"].tolist() == [10, 20, 30] and rows.place(0) == "rows.csv, row 2 (line 3)"


def test_a_model_of_sorted_rows_answers_rows_as_they_stand(tmp_path):
    from dlc.runtime.data import read_rows

    csv_of(tmp_path, "a\n3\n1\n2\n")
    rows = read_rows(tmp_path / "rows.csv", [wanted("a")], Csv(path="", order="t"))
    assert rows["a"].tolist() == [3, 1, 2]


def test_rows_of_one_time_are_counted(tmp_path):
    source = csv_of(tmp_path, "t,a\n1,10\n2,20\n2,21\n3,30\n", order="t", window=2)
    data = read(source, wanted("a", "float", 2), folder=tmp_path)
    assert arrays(data.train)["a"].tolist() == [[10, 20], [20, 21], [21, 30]]
    (note,) = data.notes
    assert note.startswith('1 row of rows.csv has the value of "t" of another row')


@pytest.mark.parametrize(("how", "text", "code", "message"), [
    ({"window": 5}, "a\n1\n2\n", "E0708", "rows.csv has 2 rows, and a window of 5 takes 5"),
    ({"window": 2, "series": "id"}, "id,a\nu,1\n,2\n", "E0706",
     'rows.csv, row 2 (line 3), column "id": the row belongs to no series'),
    ({"window": 2, "order": "t"}, "t,a\n1,1\n,2\n", "E0706",
     'rows.csv, row 2 (line 3), column "t": the row has no place in the order'),
    ({"window": 2, "series": "who"}, "id,a\nu,1\nu,2\n", "E0703",
     'rows.csv has no column "who", which `series=` takes'),
])  # fmt: skip
def test_what_cannot_be_is_told(tmp_path, how, text, code, message):
    source = csv_of(tmp_path, text, **how)
    error = error_of(read, source, wanted("a", "float", how["window"]), folder=tmp_path)
    assert (error.code, error.message) == (code, message)


def test_a_column_of_lists_has_another_shape_than_its_windows(tmp_path):
    pd.DataFrame({"a": [[1.0, 2.0]] * 5}).to_parquet(tmp_path / "rows.parquet")
    source = Parquet(path="rows.parquet", window=3)
    assert arrays(read(source, wanted("a", "float", 3, 2), folder=tmp_path).train)["a"].shape == (3, 3, 2)
    error = error_of(read, source, wanted("a", "float", 4, 2), folder=tmp_path)
    assert error.code == "E0704" and "[3, 2]" in error.message


@pytest.mark.parametrize("key", ["series", "order"])
@pytest.mark.parametrize("cells", [[[1, 2], [3, 4]], [[1], [2, 3]]], ids=["vectors", "sequences"])
def test_a_column_of_lists_tells_no_series_apart(tmp_path, key, cells):
    pd.DataFrame({"id": cells, "a": [1.0, 2.0]}).to_parquet(tmp_path / "rows.parquet")
    source = Parquet(path="rows.parquet", window=1, **{key: "id"})
    error = error_of(read, source, wanted("a", "float", 1), folder=tmp_path)
    assert error.code == "E0704" and "it has several values a row" in error.message


# --- memory -----------------------------------------------------------------------------------------------


def test_overlapping_windows_share_their_rows(tmp_path):
    source = numbered(tmp_path, 3000, window=1000)
    rows = read(source, wanted("a", "float", 1000), folder=tmp_path, test=100).train
    assert isinstance(rows, InMemoryRows)
    assert rows["a"].values.nbytes == 3000 * 4 and rows["a"].nbytes == rows.count * 1000 * 4
    batch = next(rows.batches(64, order=np.arange(rows.count)[::-1]))["a"]
    assert batch[0].tolist() == [*range(rows.count - 1, rows.count + 999)]
