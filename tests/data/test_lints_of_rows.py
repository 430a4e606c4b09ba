"""Warnings about classes and columns that depend on the rows."""

from __future__ import annotations

from pathlib import Path

import pytest

import dlc
from dlc.runtime import lints
from dlc.runtime.data import load

CLASS = "input a: float\noutput c: class(auto)\na -> impute(mean) -> dense(c.classes) -> c\n"


def warned(cells: str, values: str = "", folder: Path = Path()) -> list[tuple[str, str]]:
    """The warnings for a column with these classes and a column of numbers."""
    words = cells.split("|")
    numbers = values.split("|") if values else [str(place) for place in range(len(words))]
    rows = "".join(f"{number},{word}\n" for number, word in zip(numbers, words, strict=True))
    (folder / "rows.csv").write_text(f"a,c\n{rows}", "utf-8")
    (folder / "m.dl").write_text(f'{CLASS}data {{ source = csv("rows.csv") }}\n', "utf-8")
    return looked_at(folder)


def looked_at(folder: Path) -> list[tuple[str, str]]:
    program = dlc.compile(folder / "m.dl").fit()
    rows = load(program.compiled, folder)
    return [(d.code, d.message) for d in lints.run_lints(program.compiled, rows, program.weights())]


@pytest.mark.parametrize(("cells", "code", "message"), [
    ("ja|nein|ja\u200b", "W0705", "\"ja\", \"ja\\u200b\" are different classes of `c`"),
    ("A|B|\u0410", "W0705", "\"A\", \"\u0410\" are different classes of `c`"),
    ("north|south|north|Total", "W0707", "\"Total\" is a class of `c` with a single row"),
    ("north|south|c|north|c", "W0707", "\"c\" is a class of `c`, and the name of its column"),
    ("1.0|2.0|1.5", "W0708", "3 numbers are the classes of `c`, as text, such as 1.5"),
])  # fmt: skip
def test_suspicious_classes(cells: str, code: str, message: str, tmp_path: Path) -> None:
    assert warned(cells, folder=tmp_path) == [(code, message)]


@pytest.mark.parametrize("cells", [
    "ja|nein", "total|part|total|part", "1.0|2.0", "1|2", "1.5|x", "007|1E5|2E7|100000", "a b|ab",
    "north|south|d",
])  # fmt: skip
def test_ordinary_classes(cells: str, tmp_path: Path) -> None:
    assert warned(cells, folder=tmp_path) == []


def test_a_column_without_a_value(tmp_path: Path) -> None:
    assert warned("x|y", "|", tmp_path) == [("W0709", 'no training row has a value of `a` in column "a"')]
    assert warned("x|y", "|1", tmp_path) == []


def test_the_columns_of_a_vector_without_a_value(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("u,v,c\n1,,x\n2,,y\n", "utf-8")
    spec = (
        CLASS.replace("a: float", "a: float[2]")
        + 'data {\n source = csv("rows.csv")\n a = columns("u", "v")\n}\n'
    )
    (tmp_path / "m.dl").write_text(spec, "utf-8")
    assert looked_at(tmp_path) == [("W0709", 'no training row has a value of `a` in column "v"')]


@pytest.mark.parametrize(("cells", "warns"), [("||", True), ("|2|", False), ("|-9|", True)])
def test_a_target_of_which_nothing_counts(cells: str, warns: bool, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,y\n" + "".join(f"1,{cell}\n" for cell in cells.split("|")), "utf-8")
    text = "input a: float\noutput y: float(ignore=[-9, missing])\na -> dense(1) -> y\n"
    (tmp_path / "m.dl").write_text(f'{text}data {{ source = csv("rows.csv") }}\n', "utf-8")
    found = [found for found in looked_at(tmp_path) if found[0] == "W0709"]
    assert found == [("W0709", 'no training row has a value of `y` in column "y"')] * warns
