"""Data frames of pandas, polars and Arrow: a column means the same as in a csv file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import dlc

SPEC = """
input  code: class(auto)
input  size: float
input  marks: class(auto)
output kind: class(auto)

codes = code -> embedding(2)
sizes = size -> impute(median) -> standardize
concat(codes, sizes, marks -> impute(own) -> embedding(2)) -> dense(kind.classes) -> kind

data {
  validation = 0
  test       = 0
}
train {
  optimizer = adam(0.01)
  epochs    = 1
}
"""
CODES = ["00501", "501", "0x1F", "1e3"] * 6
SIZES = [1.5, None, 3, 4.25] * 6
MARKS = [1, 5, None, 1000] * 6
KINDS = ["a", "b", "b", "a"] * 6
ROWS = {"code": CODES, "size": SIZES, "marks": MARKS, "kind": KINDS}


def csv(folder: Path) -> str:
    path = folder / "rows.csv"
    cells = (
        [("" if value is None else str(value)) for value in row] for row in zip(*ROWS.values(), strict=True)
    )
    path.write_text("\n".join([",".join(ROWS), *map(",".join, cells)]) + "\n")
    return str(path)


def parquet(folder: Path) -> str:
    from pyarrow import parquet

    path = folder / "rows.parquet"
    parquet.write_table(pa.table(ROWS), path)
    return str(path)


def of_pandas(folder: Path, **how: Any) -> pd.DataFrame:
    frame = pd.read_csv(csv(folder), dtype={"code": str, **how.pop("dtype", {})}, **how)
    frame.index = frame.index[::-1]  # the index is ignored
    return frame


FRAMES = {
    "csv": csv,
    "parquet": parquet,
    "dict": lambda folder: ROWS,
    "pandas": of_pandas,
    "pandas of categories": lambda folder: of_pandas(folder, dtype={"kind": "category", "code": "category"}),
    "pandas with NA": lambda folder: of_pandas(folder, dtype_backend="numpy_nullable"),
    "pandas on Arrow": lambda folder: of_pandas(folder, dtype_backend="pyarrow"),
    "pandas of objects": lambda folder: pd.DataFrame(ROWS, dtype=object),
    "polars": lambda folder: pl.DataFrame(ROWS, strict=False),
    "polars of categories": lambda folder: pl.DataFrame(ROWS, strict=False).cast({"kind": pl.Categorical}),
    "a table of Arrow": lambda folder: pa.table(ROWS),
    "rows of Arrow": lambda folder: pa.RecordBatch.from_pydict(ROWS),
    "a dictionary of Arrow": lambda folder: pa.table(ROWS | {"code": pa.array(CODES).dictionary_encode()}),
}


def trained(given: Any, folder: Path) -> dlc.Artifact:
    return dlc.load(dlc.train(text=SPEC, data=given, out=folder / "runs").model)


@pytest.mark.parametrize("kind", FRAMES)
def test_a_column_means_the_same_in_every_source(kind: str, tmp_path: Path) -> None:
    spec = dlc.compile(text=SPEC).fit(FRAMES[kind](tmp_path)).compiled
    classes = {name: found.labels for name, found in spec.facts.classes.items()}
    codes = tuple(sorted(CODES[:4]))
    assert classes == {"code": codes, "marks": (1, 5, 1000), "kind": ("a", "b")}


@pytest.mark.parametrize("kind", [k for k in FRAMES if k != "csv"])
def test_a_model_trained_on_a_frame_predicts_it_like_the_file(kind: str, tmp_path: Path) -> None:
    wanted = trained(csv(tmp_path), tmp_path / "one")
    given = FRAMES[kind](tmp_path)
    found = trained(given, tmp_path / "two")
    rows = given if kind != "parquet" else pd.read_parquet(given)
    answers = found.predict({k: v for k, v in rows.items() if k != "kind"} if kind == "dict" else rows)
    known = wanted.predict(of_pandas(tmp_path))
    assert listed(answers, "kind") == known["kind"].tolist()
    probabilities = listed(answers, "kind_probabilities.a" if kind != "dict" else "kind_probabilities")
    of_a = [row[0] for row in probabilities] if kind == "dict" else probabilities
    np.testing.assert_allclose(of_a, known["kind_probabilities.a"], rtol=1e-5)


def listed(frame: Any, name: str) -> list[Any]:
    """A column of any frame as a list."""
    column = frame[name]
    return next(getattr(column, how) for how in ("tolist", "to_list", "to_pylist") if hasattr(column, how))()


def test_integers_with_missing_values_keep_their_digits(tmp_path: Path) -> None:
    ids = [2**53 + 1, None, 2**53 + 2, 2**53 + 3] * 3
    text = "input id: class(auto)\noutput y: float\nid -> impute(own) -> embedding(2) -> dense(1) -> y\n"
    frames = pl.DataFrame({"id": ids}), pd.DataFrame({"id": pd.array(ids, "Int64")}), pa.table({"id": ids})
    columns = [{"id": frame["id"]} for frame in frames]
    for frame in (*frames, *columns):
        labels = dlc.compile(text=text).fit(frame).compiled.facts.classes["id"].labels
        assert labels == (2**53 + 1, 2**53 + 2, 2**53 + 3)


@pytest.mark.parametrize("library", ["pandas", "polars", "polars arrays", "Arrow"])
def test_lists_are_an_additional_axis(library: str) -> None:
    text = "input x: float[2, 3]\noutput y: float\nx -> standardize -> flatten -> dense(1) -> y\n"
    rows = [[[1.0, 2, 3], [4, 5, 6]], [[3.0, 2, 1], [0, 1, 2]]]
    frames = {
        "pandas": lambda: pd.DataFrame({"x": rows}),
        "polars": lambda: pl.DataFrame({"x": rows}),
        "polars arrays": lambda: pl.DataFrame({"x": np.array(rows)}),
        "Arrow": lambda: pa.table({"x": rows}),
    }
    program = dlc.compile(text=text).fit(frames[library]())
    means = next(array for name, array in program.weights().items() if name.endswith("mean"))
    np.testing.assert_allclose(means, np.mean(rows, axis=(0, 1)))


def test_columns_are_renamed_as_in_a_file(tmp_path: Path) -> None:
    text = SPEC.replace("data {", 'data {\n  size = column("body mass")')
    frame = of_pandas(tmp_path).rename(columns={"size": "body mass"})
    result = dlc.train(text=text, data=frame, out=tmp_path / "runs")
    model = dlc.load(result.model)
    assert model.predict(frame)["kind"].shape == (24,)
    assert model.predict(frame.rename(columns={"body mass": "size"}))["kind"].shape == (24,)


def test_missing_columns_of_a_frame_are_an_error(tmp_path: Path) -> None:
    frame = of_pandas(tmp_path).rename(columns={"size": "sizes"})
    with pytest.raises(dlc.CompileError) as caught:
        dlc.train(text=SPEC, data=frame, out=tmp_path / "runs")
    assert "the frame given" in str(caught.value) and "sizes" in str(caught.value)


def test_values_that_are_neither_numbers_nor_text_are_an_error() -> None:
    text = "input t: float\noutput y: float\nt -> standardize -> dense(1) -> y\n"
    days = pd.date_range("2024-01-01", periods=3)
    for frame in (pd.DataFrame({"t": days}), pl.DataFrame({"t": days.to_list()}), pa.table({"t": days})):
        with pytest.raises(dlc.CompileError, match="neither numbers nor text"):
            dlc.compile(text=text).fit(frame)


class Thing:
    """A value that is neither a number nor text."""


@pytest.mark.parametrize(
    "unused", [pd.date_range("2024-01-01", periods=4), [Thing()] * 4], ids=["days", "things"]
)
def test_unused_columns_may_have_any_values(unused: Any, tmp_path: Path) -> None:
    text = "input x: float\noutput y: float\nx -> dense(1) -> y\ntrain { epochs = 1 }\n"
    rows = {"x": [1.0, 2, 3, 4], "unused": unused, "y": [1.0, 2, 3, 4]}
    for given in (pd.DataFrame(rows), rows, rows | {"unused": np.asarray(unused)}):
        model = dlc.load(dlc.train(text=text, data=given, out=tmp_path).model)
    assert model.predict(pd.DataFrame(rows))["y"].shape == (4,)


@pytest.mark.parametrize("given", [pl.LazyFrame({"x": [1]}), 3, [1, 2], object()])
def test_objects_that_are_not_frames_are_an_error(given: object) -> None:
    text = "input x: float\noutput y: float\nx -> standardize -> dense(1) -> y\n"
    with pytest.raises(TypeError, match="a path, a frame or a dict of arrays"):
        dlc.compile(text=text).fit(given)


def test_a_series_is_not_a_frame() -> None:
    text = "input x: float\noutput y: float\nx -> standardize -> dense(1) -> y\n"
    with pytest.raises((dlc.CompileError, TypeError)):
        dlc.compile(text=text).fit(pl.Series("x", [1.0, 2.0]))


def test_unknown_values_get_a_warning(tmp_path: Path) -> None:
    model = trained(of_pandas(tmp_path), tmp_path)
    other = of_pandas(tmp_path).replace({"code": {"501": "502"}})
    message = '6 of the 24 values of `code` are not among its classes \\("502"\\)'
    with pytest.warns(UserWarning, match=message):
        model.predict(other)


@pytest.mark.filterwarnings("error")
def test_read_only_columns_can_be_trained_on(tmp_path: Path) -> None:
    text = (
        "input when: int64\noutput y: float\nwhen -> standardize -> dense(1) -> y\ntrain {\n  epochs = 1\n}\n"
    )
    frame = pd.DataFrame({"when": pd.date_range("2024-01-01", periods=20, unit="s"), "y": np.arange(20.0)})
    frame["when"] = frame["when"].astype("int64")
    assert not np.asarray(frame["when"]).flags.writeable
    dlc.train(text=text, data=frame, out=tmp_path / "runs")


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_times_become_seconds_whatever_their_unit(zone: str | None, unit: Any) -> None:
    text = "input when: int64\noutput y: float\nwhen -> standardize -> dense(1) -> y\n"
    when = pd.Series(pd.date_range("2024-01-01", periods=3, tz=zone, unit=unit))
    with pytest.raises(dlc.CompileError) as caught:
        dlc.compile(text=text).fit(pd.DataFrame({"when": when}))
    kind = "datetime64[s, UTC]" if zone else "datetime64[s]"
    assert f'`.astype("{kind}").astype("int64")` converts them to seconds' in str(caught.value)
    fixed = when.astype(kind).astype("int64")
    assert fixed.tolist() == [int(time.timestamp()) for time in when]
    dlc.compile(text=text).fit(pd.DataFrame({"when": fixed}))


@pytest.mark.parametrize("names", ["y", ["y", "other"]])
def test_an_index_is_not_a_column(names: Any) -> None:
    frame = pd.DataFrame({"x": [1.0, 2], "y": [0.0, 1], "other": [1, 2]}).set_index(names)
    text = "input x: float\noutput y: float\nx -> dense(1) -> y\ntrain { epochs = 1 }\n"
    with pytest.raises(dlc.CompileError) as caught:
        dlc.train(text=text, data=frame)
    assert caught.value.diagnostics[0].help == "it is the index of the frame: `frame.reset_index()`"


def test_objects_that_are_almost_frames_get_the_fix(tmp_path: Path) -> None:
    text = "input x: float\noutput y: float\nx -> dense(1) -> y\ntrain { epochs = 1 }\n"
    frame = pd.DataFrame({"x": [1.0, 2, 3], "s": ["a", "b", "c"], "y": [1.0, 2, 3]})
    with pytest.raises(TypeError, match=r"not LazyFrame: `\.collect\(\)` makes a frame of it"):
        dlc.train(text=text, data=pl.from_pandas(frame).lazy())
    model = dlc.load(dlc.train(text=text, data=frame, out=tmp_path).model)
    with pytest.raises(TypeError, match=r"not LazyFrame: `\.collect\(\)`"):
        model.predict(pl.from_pandas(frame).lazy())
    with pytest.raises(TypeError, match=r"not Series: `\.to_frame\(\)\.T` makes a frame of a row"):
        model.predict(frame.iloc[1])
    with pytest.raises(TypeError, match=r"not Series: `\.to_frame\(\)` makes a frame of a column"):
        model.predict(frame["x"])
    wanted = model.predict(frame)["y"]
    assert model.predict(frame.iloc[1].to_frame().T)["y"].tolist() == [wanted[1]]
    assert model.predict(frame["x"].to_frame())["y"].tolist() == wanted.tolist()
