"""Classes found in columns, the same for all sources, and values that are not one of the classes."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from fields import AUTO, csv_of, error_of, read, table, target, wanted
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from dlc.compiler.definitions.sections import Csv, Npz, Parquet
from dlc.compiler.types import Classes
from dlc.runtime.data import read_rows
from dlc.runtime.data.sources.arrays import ArraySource
from dlc.runtime.data.sources.frames import PandasFrame, open_frame

FIELD = wanted("c", "class", classes=AUTO)
Values = list[Any]


def found(source: Any, folder: Path, field: Any = FIELD) -> tuple[Classes, list[int]]:
    """The classes of a column, and the class index of each value."""
    data = read(source, field, folder=folder)
    return data.classes["found"], data.train["c"].tolist()


# --- finding classes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        ("00501 501 1234 01234 10", ("00501", "01234", "10", "1234", "501")),
        ("1 5 1000 5", (1, 5, 1000)),
        ("-1 1 1", (-1, 1)),
        ("0 1 2", None),
        ("2.0 10.0 2.0", (2, 10)),
        ("2.0 10 2", ("10", "2", "2.0")),
        ("2.5 3.5", ("2.5", "3.5")),
        ("1e3 2", ("1e3", "2")),
        ("+1 2", ("+1", "2")),
        ("-0 1", ("-0", "1")),
        ("1_000 2", ("1_000", "2")),
        ("9223372036854775807 -9223372036854775808", (-(2**63), 2**63 - 1)),
        ("9223372036854775808 1", ("1", "9223372036854775808")),
        ("07A 1", ("07A", "1")),
        ("true false", ("false", "true")),
        ("nan 1", ("1", "nan")),
        ("ä A a Z", ("A", "Z", "a", "ä")),
    ],
)
def test_cells_of_a_csv_file(cells: str, labels: Any, tmp_path: Path) -> None:
    """Integers if all cells are decimal integers, or all with `.0`; else text."""
    values = cells.split()
    classes, places = found(csv_of(tmp_path, "\n".join(["c", *values]) + "\n"), tmp_path)
    assert classes.labels == labels
    assert [classes.texts[place] for place in places] == [v.removesuffix(".0") if labels is None or
            isinstance(labels[0], int) else v for v in values]  # fmt: skip


def test_a_cell_of_any_number_of_digits_is_text(tmp_path: Path) -> None:
    """Python does not parse integers of more than 4300 digits."""
    long = "9" * 5000
    source = csv_of(tmp_path, f"c\n{long}\n1\n")
    assert found(source, tmp_path)[0].labels == ("1", long)
    rows = read_rows(tmp_path / "rows.csv", [wanted("c", "class", classes=3)])
    assert rows["c"].tolist() == [-1, 1]
    error = error_of(read, source, wanted("c", "class", classes=3), folder=tmp_path)
    assert error.message == f'rows.csv, row 1 (line 2), column "c": there is no class {"9" * 37}...: ' \
                           "the 3 classes are 0 to 2"  # fmt: skip


def test_text_is_compared_including_white_space(tmp_path: Path) -> None:
    classes, _ = found(csv_of(tmp_path, "c\nred\n red\nred \nRed\n"), tmp_path)
    assert classes.labels == (" red", "Red", "red", "red ")


def test_missing_cells_are_not_a_class(tmp_path: Path) -> None:
    source = csv_of(tmp_path, "c,x\nred,1\n,1\n  ,1\n-,1\nblue,1\n", missing=("-",))
    assert found(source, tmp_path) == (Classes(2, ("blue", "red"), "found"), [1, -1, -1, -1, 0])
    rows = read(source, FIELD, folder=tmp_path).train
    (outside,) = rows.unknown_values()
    assert (outside.total, outside.unknown, outside.missing) == (5, 0, 3)


def test_text_in_a_typed_file_stays_text_even_if_it_looks_like_numbers(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"c": ["501", "00501", "10"]}), tmp_path / "rows.parquet")
    np.savez(tmp_path / "rows.npz", c=np.array(["501", "00501", "10"]))
    wanted = Classes(3, ("00501", "10", "501"), "found"), [2, 0, 1]
    assert found(Parquet(path="rows.parquet"), tmp_path) == wanted
    assert found(Npz(path="rows.npz"), tmp_path) == wanted
    assert found(table(["501"], ["00501"], ["10"], columns=("c",)), tmp_path) == wanted
    assert found(ArraySource({"c": ["501", "00501", "10"]}), tmp_path) == wanted


@pytest.mark.parametrize("values", [[1.5, 2.0], [float("inf"), 1.0], [1e19, 1.0]], ids=str)
def test_fractions_are_not_classes(values: Values, tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", c=np.array(values))
    problem = error_of(read, Npz(path="rows.npz"), FIELD, folder=tmp_path)
    assert problem.code == "E0705"
    assert problem.message.startswith('rows.npz, row 1, array "c": ')
    assert "is not a whole number" in problem.message and "`bucketize`" in problem.help


def test_an_empty_column_has_no_classes(tmp_path: Path) -> None:
    problem = error_of(read, csv_of(tmp_path, "c,x\n,1\n,2\n"), FIELD, folder=tmp_path)
    assert (problem.code, problem.message) == (
        "E0706",
        'rows.csv, row 1 (line 2), column "c": all values are missing, so there is no class',
    )


def test_large_integers_with_missing_values_keep_their_digits(tmp_path: Path) -> None:
    ids = [2**60, None, 2**60 + 1]
    parquet.write_table(pa.table({"c": pa.array(ids, pa.int64())}), tmp_path / "rows.parquet")
    wanted = Classes(2, (2**60, 2**60 + 1), "found"), [0, -1, 1]
    assert found(Parquet(path="rows.parquet"), tmp_path) == wanted
    assert found(ArraySource({"c": ids}), tmp_path) == wanted
    assert found(csv_of(tmp_path, f"c,x\n{2**60},1\n,1\n{2**60 + 1},1\n"), tmp_path) == wanted


def test_inputs_have_the_classes_of_training_rows_and_targets_those_of_all_rows(tmp_path: Path) -> None:
    cells = "\n".join(f"{'ab'[i % 2]}{i}" for i in range(20))
    source = csv_of(tmp_path, f"c\n{cells}\n")
    of_input = read(source, FIELD, folder=tmp_path, test=5)
    assert of_input.classes["found"].count == 15
    assert of_input.test["c"].tolist() == [-1] * 5
    of_target = read(source, target("c", "class", classes=AUTO), folder=tmp_path, test=5)
    assert of_target.classes["found"].count == 20
    assert min(of_target.test["c"]) >= 0


# --- all sources agree ------------------------------------------------------------------------------------

NUMBERS = st.lists(st.none() | st.integers(-5, 40) | st.integers(-(2**62), 2**62), min_size=1, max_size=12)
TEXTS = st.lists(st.none() | st.text("ab01.-+é \u00a0", min_size=1, max_size=4), min_size=1, max_size=12)


TRUTHS = st.lists(st.none() | st.booleans(), min_size=1, max_size=12)


def sources(values: Values, folder: Path, kind: pa.DataType):
    """The same column in every file format and data frame."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([["c", "x"], *([("" if v is None else v), 1] for v in values)])
    (folder / "rows.csv").write_text(text.getvalue(), encoding="utf-8", newline="")
    yield Csv(path="rows.csv")
    parquet.write_table(pa.table({"c": pa.array(values, kind)}), folder / "rows.parquet")
    yield Parquet(path="rows.parquet")
    parquet.write_table(pa.table({"c": pa.array(values, kind).dictionary_encode()}), folder / "rows.parquet")
    yield Parquet(path="rows.parquet")
    yield table(*([v, 1] for v in values), columns=("c", "x"))
    yield ArraySource({"c": values})
    yield ArraySource({"c": np.array(values, object)})
    yield PandasFrame(pd.DataFrame({"c": pd.Series(values, dtype=object)}))
    yield open_frame(pa.table({"c": pa.array(values, kind)}))
    if kind == pa.bool_():
        yield PandasFrame(pd.DataFrame({"c": pd.array(values, "boolean")}))
        if None not in values:
            yield ArraySource({"c": np.array(values)})
            np.savez(folder / "rows.npz", c=np.array(values))
            yield Npz(path="rows.npz")
    elif kind == pa.string():
        yield ArraySource({"c": np.array(["" if v is None else v for v in values])})
    elif all(v is None or abs(v) < 2**53 for v in values):
        yield ArraySource({"c": np.array([np.nan if v is None else v for v in values])})


@given(NUMBERS)
def test_all_sources_agree_on_integers(values: Values) -> None:
    known = sorted({v for v in values if v is not None})
    if not known:
        return
    with TemporaryDirectory() as folder:
        for source in sources(values, Path(folder), pa.int64()):
            classes, places = found(source, Path(folder))
            assert list(classes.numbers or ()) == known
            assert places == [known.index(v) if v is not None else -1 for v in values]


@given(TEXTS)
def test_all_sources_agree_on_text(values: Values) -> None:
    """Except for text in a csv file that is a decimal integer."""
    values = [v if v is None or v.strip("01.-+ \u00a0") else f"é{v}" for v in values]
    known = sorted({v for v in values if v is not None})
    if not known:
        return
    with TemporaryDirectory() as folder:
        for source in sources(values, Path(folder), pa.string()):
            classes, places = found(source, Path(folder))
            assert list(classes.names or ()) == known
            assert places == [known.index(v) if v is not None else -1 for v in values]


@given(TRUTHS)
def test_all_sources_agree_on_booleans(values: Values) -> None:
    """Booleans are the texts that Python, NumPy and pandas print."""
    known = sorted({str(v) for v in values if v is not None})
    if not known:
        return
    with TemporaryDirectory() as folder:
        for source in sources(values, Path(folder), pa.bool_()):
            classes, places = found(source, Path(folder))
            assert classes.labels == tuple(known)
            assert places == [known.index(str(v)) if v is not None else -1 for v in values]


def test_a_column_of_booleans_shares_classes_with_text() -> None:
    fields = wanted("c", "class", classes=AUTO), wanted("d", "class", classes=AUTO)
    data = read(ArraySource({"c": [True, False], "d": ["no", "True"]}), *fields)
    assert data.classes["found"].labels == ("False", "True", "no")
    assert [data.train[name].tolist() for name in "cd"] == [[1, 0], [2, 1]]


# --- class indices for known classes ----------------------------------------------------------------------

NAMED = wanted("c", "class", classes=Classes(2, ("07A", "10"), "c"))
NUMBERED = wanted("c", "class", classes=Classes(3, (1, 5, 1000), "c"))
COUNTED = wanted("c", "class", classes=3)
COLOURS = wanted("c", "class", classes=("red", "blue"))


@pytest.mark.parametrize(
    ("field", "cells", "labels"),
    [
        (NAMED, ["10", "10.0", "07A", "07a", " 10"], ["10", "", "07A", "", ""]),
        (NUMBERED, ["5", "5.0", "05", "7", "x"], [5, 5, -1, -1, -1]),
        (COUNTED, ["2", "2.0", "3", "-1", "1.5"], [2, 2, -1, -1, -1]),
        (COLOURS, ["blue", "Blue", "red", "1", "0"], ["blue", "", "red", "", ""]),
        (COLOURS, ["1", "0", "1", "2", ""], ["blue", "red", "blue", "", ""]),
    ],
)
def test_rows_for_an_artifact_have_labels_and_one_for_unknown_values(field, cells, labels, tmp_path) -> None:
    csv_of(tmp_path, "\n".join(["c,x", *(f"{cell},1" for cell in cells)]) + "\n")
    rows = read_rows(tmp_path / "rows.csv", [field])
    assert rows["c"].tolist() == labels
    (outside,) = rows.unknown_values()
    assert outside.unknown + outside.missing == sum(label in ("", -1) for label in labels)


@pytest.mark.parametrize(
    ("classes", "places"),
    [
        (("False", "True"), [0, 1, -1]),
        (("TRUE", "false", "x"), [1, 0, -1]),
        (("TRUE", "True", "false"), [2, 1, -1]),
        (("1", "0"), [1, 0, -1]),
        (("1", "true"), [-1, 1, -1]),
        (("red", "blue"), [-1, -1, -1]),
        (2, [0, 1, -1]),
        ((1, 5), [-1, 0, -1]),
    ],
)
def test_booleans_in_declared_classes(classes: Any, places: list[int], tmp_path: Path) -> None:
    """A boolean is the class with its name in any case, or the class 0 or 1."""
    known = Classes(classes) if isinstance(classes, int) else Classes(len(classes), classes, "found")
    column = pa.table({"c": pa.array([False, True, None])})
    parquet.write_table(column, tmp_path / "rows.parquet")
    for source in (tmp_path / "rows.parquet", ArraySource({"c": [False, True, None]}), open_frame(column)):
        rows = read_rows(source, [wanted("c", "class", classes=known)])
        labels = known.texts if known.names else known.numbers
        assert labels is not None
        assert rows["c"].tolist() == [labels[p] if p >= 0 else known.unknown for p in places]


LONG = ("0.1234567", "0.123457", "12345678.5", "abc", "0.1", "1152921504606846976", "nan")


@pytest.mark.parametrize(
    ("values", "places"),
    [
        (np.array([0.1234567, 0.123457, 12345678.5, 0.1234568]), [0, 1, 2, -1]),
        (np.array([0.1, 0.1234567, np.nan], np.float32), [4, 0, -1]),
        (np.array([2.0**60, 0.1]), [5, 4]),
        (["0.1234567", "12345678.5", "0.1234567 "], [0, 2, -1]),
    ],
    ids=["float64", "float32", "large", "text"],
)
def test_numbers_are_compared_with_names_by_all_digits(values: Any, places: list[int]) -> None:
    field = wanted("c", "class", classes=Classes(len(LONG), LONG, "c"))
    rows = read_rows(ArraySource({"c": values}), [field])
    assert rows["c"].tolist() == [LONG[place] if place >= 0 else "" for place in places]


def test_a_missing_number_is_not_the_class_named_zero() -> None:
    field = wanted("c", "class", classes=Classes(3, ("0", "1", "x"), "c"))
    assert read_rows(ArraySource({"c": [1, None, 0]}), [field])["c"].tolist() == ["1", "", "0"]


@pytest.mark.parametrize("last", ["mid", "nan", "inf", "1_0", "infinity"])
def test_integers_are_indices_of_words_even_if_python_parses_a_word_as_a_number(last: str) -> None:
    names = ("low", "high", last)
    rows = read(ArraySource({"c": [0, 1, 2]}), wanted("c", "class", classes=names)).train
    assert rows["c"].tolist() == [0, 1, 2]


def test_the_label_of_unknown_values_is_never_a_real_label() -> None:
    assert Classes(2, ("", "red")).unknown == "0"
    assert Classes(2, ("", "0")).unknown == "1"
    assert Classes(2, (-1, 1)).unknown == -2
    assert (Classes(3).unknown, Classes(2, (5, 7)).unknown) == (-1, -1)


def test_a_missing_text_is_the_class_with_the_empty_name(tmp_path: Path) -> None:
    field = wanted("c", "class", classes=("", "red", "NA"))
    rows = read(csv_of(tmp_path, "c,x\nred,1\n,1\nNA,1\n"), field, folder=tmp_path).train
    assert (rows["c"].tolist(), rows.unknown_values()) == ([1, 0, 2], [])


def test_values_outside_of_declared_classes_are_an_error_only_in_rows_of_the_spec(tmp_path) -> None:
    csv_of(tmp_path, "c,x\nred,1\ngreen,1\n,1\n", "test.csv")
    source = csv_of(tmp_path, "c,x\nred,1\nblue,1\n,1\n")
    data = read(source, COLOURS, folder=tmp_path, test=Csv(path="test.csv"))
    assert (data.train["c"].tolist(), data.test["c"].tolist()) == ([0, 1, -1], [0, -1, -1])
    problem = error_of(read, Csv(path="test.csv"), COLOURS, folder=tmp_path)
    assert (problem.code, problem.message) == (
        "E0707",
        'test.csv, row 2 (line 3), column "c": "green" is not one of the 2 classes',
    )


def test_white_space_around_a_name_is_reported(tmp_path: Path) -> None:
    problem = error_of(read, csv_of(tmp_path, "c,x\nred,1\n blue,1\n"), COLOURS, folder=tmp_path)
    assert problem.help == 'classes are compared exactly: remove the white space around "blue"'
