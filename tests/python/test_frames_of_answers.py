"""`predict` answers a frame with a frame of its kind, and `evaluate` measures a model on rows of any kind."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import dlc
from dlc.cli import commands
from dlc.runtime.artifact.export import export

if TYPE_CHECKING:
    from pathlib import Path

SPEC = """
input size: float
input colour: class(red, green)
input place: float[2]
output kind: class(small, large)
output shelf: class(3)
output big: binary
output left: float[2, 2]
h = concat(size, place, colour -> embedding(2)) -> dense(4)
h -> dense(2) -> kind
h -> dense(3) -> shelf
h -> dense(1) -> big
h -> reshape(2, 2) -> left
train { metrics = [accuracy, confusion_matrix, mae] }
"""
ROWS = {"size": [1.0, -2, 3], "colour": ["red", "green", "red"], "place": [[1.0, 2], [3, 4], [-5, 6]]}
NAMES = ["kind", "kind_probabilities.small", "kind_probabilities.large", "shelf", "shelf_probabilities.0",
         "shelf_probabilities.1", "shelf_probabilities.2", "big", "big_probability", "left"]  # fmt: skip


class Stream:
    """A table of another library, of which only the interface of Arrow is known."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)


KINDS = {
    "pandas": (pd.DataFrame, pd.DataFrame),
    "pandas on Arrow": (lambda rows: pa.table(rows).to_pandas(types_mapper=pd.ArrowDtype), pd.DataFrame),
    "polars": (pl.DataFrame, pl.DataFrame),
    "a table": (pa.table, pa.Table),
    "a batch": (pa.RecordBatch.from_pydict, pa.RecordBatch),
    "a reader": (lambda rows: pa.table(rows).to_reader(), pa.Table),
    "a stream": (lambda rows: Stream(pa.table(rows)), pa.Table),
}


def made(text: str, folder: Path) -> dlc.Artifact:
    program = dlc.compile(text=text)
    weights = program.weights()
    rng = np.random.default_rng(0)
    drawn = {name: rng.normal(size=array.shape).astype(np.float32) for name, array in weights.items()}
    export(program.compiled, drawn, folder / "model.onnx")
    return dlc.load(folder / "model.onnx")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> dlc.Artifact:
    return made(SPEC, tmp_path_factory.mktemp("model"))


def columns(frame: Any) -> dict[str, list[Any]]:
    """The columns of any frame as lists."""
    if isinstance(frame, pd.DataFrame):
        return {name: [getattr(v, "tolist", lambda v=v: v)() for v in frame[name]] for name in frame}
    return frame.to_dict(as_series=False) if isinstance(frame, pl.DataFrame) else frame.to_pydict()


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_is_answered_by_a_frame_of_its_kind(kind: str, model: dlc.Artifact) -> None:
    make, wanted = KINDS[kind]
    found = model.predict(make(ROWS))
    assert type(found) is wanted
    known = model.predict(ROWS)
    expected: dict[str, Any] = {
        n: known[n].tolist() for n in ("kind", "shelf", "big", "big_probability", "left")
    }
    expected |= dict(zip(NAMES[1:3], known["kind_probabilities"].T.tolist(), strict=True))
    expected |= dict(zip(NAMES[4:7], known["shelf_probabilities"].T.tolist(), strict=True))
    assert [*columns(found)] == NAMES
    assert columns(found) == expected


def test_the_columns_are_those_of_csv(model: dlc.Artifact, tmp_path: Path) -> None:
    pq.write_table(pa.table(ROWS), tmp_path / "rows.parquet")
    text = CliRunner().invoke(commands, ["predict", str(model.path), str(tmp_path / "rows.parquet")]).stdout
    [heading, *_] = csv.reader(text.splitlines())
    assert heading[:-4] == NAMES[:-1] and heading[-4:] == [f"left.{n}" for n in range(4)]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "pandas on Arrow"])
def test_a_frame_without_rows_has_the_types_of_the_answers(kind: str, model: dlc.Artifact) -> None:
    make, wanted = KINDS[kind]
    none = pa.table(ROWS)[:0]
    given = {"pandas": none.to_pandas, "polars": lambda: pl.DataFrame(none)}.get(kind)
    given = given() if given else make({name: none[name].combine_chunks() for name in none.schema.names})
    found = model.predict(given)
    assert type(found) is wanted and len(found) == 0
    some = model.predict(make(ROWS))
    assert found.dtypes.equals(some.dtypes) if kind == "pandas" else found.schema == some.schema


@pytest.mark.parametrize("index", [
    pd.Index(["b", "a", "b"], name="id"), pd.MultiIndex.from_tuples([(1, "x"), (1, "y"), (2, "x")]),
    pd.date_range("2024-01-01", periods=3, tz="Europe/Berlin"),
])  # fmt: skip
def test_answers_have_the_index_of_their_rows(index: pd.Index, model: dlc.Artifact) -> None:
    frame = pd.DataFrame(ROWS, index=index)
    found = model.predict(frame)
    assert found.index.equals(index) and found.index.names == index.names
    assert frame.join(found).shape[1] == 3 + len(NAMES) if index.is_unique else True


def test_windows_have_the_index_of_their_last_rows(tmp_path: Path) -> None:
    text = """input v: float[3]
output y: float
v -> dense(1) -> y
data { source = csv("rows.csv", window=3, step=2) }
"""
    windows = made(text, tmp_path)
    frame = pd.DataFrame({"v": np.arange(8.0)}, index=[*"abcdefgh"])
    found = windows.predict(frame)
    assert [*found.index] == ["c", "e", "g"]
    np.testing.assert_array_equal(found["y"], windows.predict({"v": [[0, 1, 2], [2, 3, 4], [4, 5, 6]]})["y"])
    assert windows.predict(pl.DataFrame({"v": np.arange(8.0)}))["y"].to_list() == found["y"].tolist()


def test_sequences_are_lists(tmp_path: Path) -> None:
    echo = made("input x: float[2, T]\noutput y: float[2, T]\nx * 2 -> y\n", tmp_path)
    rows = [[[1.0, 2, 3], [4.0, 5, 6]], [[7.0], [8.0]]]
    given = [[[*step] for step in zip(*row, strict=True)] for row in rows]  # a row is a list of its steps
    twice = [[[2 * v for v in line] for line in row] for row in rows]
    for frame in (pl.DataFrame({"x": given}), pa.table({"x": given}), pd.DataFrame({"x": given})):
        assert columns(echo.predict(frame))["y"] == twice
        assert columns(echo.predict(frame[:0]))["y"] == []
    assert echo.predict(pa.table({"x": given})).schema == echo.predict(pa.table({"x": rows[:1]})).schema
    cells = echo.predict(pd.DataFrame({"x": [np.array(row) for row in given[:2]]}))["y"]
    assert [cell.dtype for cell in cells] == [np.float32] * 2
    assert [cell.tolist() for cell in cells] == twice[:2]


ODD = {
    "a category": (pd.Categorical(["red", None, "green"]), [0, -1, 1]),
    "a category of polars": (pl.Series(["red", None, "green"], dtype=pl.Categorical), [0, -1, 1]),
    "an enum": (pl.Series(["red", None, "green"], dtype=pl.Enum(["green", "red"])), [0, -1, 1]),
    "strings with NA": (pd.array(["red", None, "green"], "string"), [0, -1, 1]),
    "strings on Arrow": (pd.array(["red", None, "green"], pd.ArrowDtype(pa.string())), [0, -1, 1]),
    "a dictionary on Arrow": (
        pd.array(["red", None, "green"], pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string()))), [0, -1, 1]),
    "views": (pa.array(["red", None, "green"], pa.string_view()), [0, -1, 1]),
    "runs": (pa.RunEndEncodedArray.from_arrays([2, 3], ["red", "green"]), [0, 0, 1]),
    "objects": (np.array(["red", None, "green"], object), [0, -1, 1]),
    "integers with NA": (pd.array([1, None, 0], "Int64"), [1, -1, 0]),
    "a category of integers": (pd.Categorical([1, None, 0]), [1, -1, 0]),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*of the 3 values")
@pytest.mark.parametrize("column", ODD)
def test_a_class_may_be_stored_in_any_way(column: str, tmp_path: Path) -> None:
    text = "input c: class(red, green)\noutput y: float\nwhere(c == 0, 0.0, where(c == 1, 1.0, -1.0)) -> y\n"
    values, wanted = ODD[column]
    frame: Any = {pl.Series: pl.DataFrame, pa.StringViewArray: pa.table, pa.RunEndEncodedArray: pa.table}.get(
        type(values), pd.DataFrame
    )({"c": values})
    assert columns(made(text, tmp_path).predict(frame))["y"] == wanted


LISTS = {
    "ragged on Arrow": pd.array([[1.0, 2], [3]], pd.ArrowDtype(pa.list_(pa.float64()))),
    "ragged objects": [[1.0, 2], [3]],
    "ragged arrays": [np.array([1.0, 2]), np.array([3.0])],
    "views": pa.array([[1.0, 2], [3]], pa.list_view(pa.float64())),
    "large lists": pa.array([[1.0, 2], [3]], pa.large_list(pa.float32())),
}


@pytest.mark.parametrize("column", LISTS)
def test_lists_may_be_stored_in_any_way(column: str, tmp_path: Path) -> None:
    echo = made("input x: float[T]\noutput y: float[T]\nx * 1 -> y\n", tmp_path)
    values = LISTS[column]
    frame = pa.table({"x": values}) if isinstance(values, pa.Array) else pd.DataFrame({"x": values})
    assert columns(echo.predict(frame))["y"] == [[1, 2], [3]]
    with pytest.raises(dlc.CompileError, match="the list of row 2 is missing"):
        echo.predict(pd.DataFrame({"x": [[1.0, 2], None]}))


def test_lists_of_words_may_have_a_dictionary(tmp_path: Path) -> None:
    text = "input c: class(red, green)[T]\noutput y: float[T]\nwhere(c == 0, 0.0, 1.0) -> y\n"
    words = [["red", "green"], ["green"]]
    frame = pl.DataFrame({"c": pl.Series(words, dtype=pl.List(pl.Categorical))})
    assert made(text, tmp_path).predict(frame)["y"].to_list() == [[0, 1], [1]]


TARGETS = {"kind": ["small", "large", "small"], "shelf": [0, 1, 2], "big": [1, 0, 1],
           "left": [[[0.0, 1], [2, 3]]] * 3}  # fmt: skip


@pytest.mark.parametrize("kind", ["pandas", "polars", "a table", "a reader", "a dict", "a path"])
def test_evaluate_finds_what_eval_prints(kind: str, model: dlc.Artifact, tmp_path: Path) -> None:
    rows = ROWS | TARGETS
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table(rows), path)
    printed = CliRunner().invoke(commands, ["eval", str(model.path), str(path), "--format", "json"]).stdout
    wanted = json.loads(printed)
    given = {"a dict": rows, "a path": path}.get(kind) or KINDS[kind][0](rows)
    found = model.evaluate(given)
    assert found.rows == wanted.pop("rows") == 3
    table = wanted.pop("kind.confusion_matrix")
    assert found.tables["kind.confusion_matrix"].labels == ("small", "large") == (*table["labels"],)
    assert [[*row] for row in found.tables["kind.confusion_matrix"].counts] == table["counts"]
    assert found.figures == {name: value for name, value in wanted.items() if name in found.figures}
    assert "left.mae" in found.figures and "kind.accuracy" in found.figures


def test_evaluate_takes_rows_only(model: dlc.Artifact, tmp_path: Path) -> None:
    for given in (None, 3, [1], pl.LazyFrame(ROWS)):
        with pytest.raises(TypeError, match="a path, a frame or a dict of arrays, not "):
            model.evaluate(given)
    with pytest.raises(ValueError, match="'much' is not an amount of memory, such as 500M or 4G"):
        model.evaluate(ROWS | TARGETS, memory="much")
    with pytest.raises(dlc.CompileError, match='has no column "left"'):
        model.evaluate(pd.DataFrame(ROWS | {name: TARGETS[name] for name in ("kind", "shelf", "big")}))


def test_values_that_are_no_classes_are_a_warning(model: dlc.Artifact) -> None:
    frame = pd.DataFrame(ROWS | TARGETS | {"colour": ["red", "pink", "red"]})
    for method in (model.predict, model.evaluate):
        with pytest.warns(UserWarning, match="1 of the 3 values of `colour` is not among its classes"):
            method(frame)


WITHOUT = """
import sys

class Refuses:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("pandas", "polars"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refuses())
import dlc, pyarrow as pa
rows = pa.table({"size": [1.0], "colour": ["red"], "place": [[1.0, 2]]})
print(type(dlc.load(sys.argv[1]).predict(rows)).__name__)
"""


def test_a_table_needs_neither_pandas_nor_polars(model: dlc.Artifact) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(model.path)], capture_output=True, text=True, check=False
    )
    assert done.stdout == "Table\n", done.stderr
