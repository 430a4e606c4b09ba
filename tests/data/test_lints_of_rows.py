"""Warnings about classes and columns that depend on the rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dlc
from dlc.runtime import lints
from dlc.runtime.data import InMemoryRows, load
from dlc.runtime.data.rows.dataset import CHUNK
from dlc.runtime.lints.overlap import row_hashes

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


def test_a_target_that_only_metrics_read_needs_no_training_row(tmp_path: Path) -> None:
    """Such as the best actions of test rows, in learning from a log of other actions."""
    (tmp_path / "rows.csv").write_text("a,taken,best\n" + "1,0,\n2,1,\n3,1,\n" * 4, "utf-8")
    text = (
        "input a: float\ninput taken: class(2)\noutput best: class(2, ignore=missing)\n"
        'a -> dense(2) -> best\ndata { source = csv("rows.csv") }\ntrain {\n'
    )
    measured, learnt = "loss = cross_entropy(best, taken)\nmetrics = [accuracy]\n}\n", "epochs = 1\n}\n"
    (tmp_path / "m.dl").write_text(text + measured, "utf-8")
    assert looked_at(tmp_path) == []
    (tmp_path / "m.dl").write_text(text.replace("input taken: class(2)\n", "") + learnt, "utf-8")
    assert ("W0709", 'no training row has a value of `best` in column "best"') in looked_at(tmp_path)


@pytest.mark.parametrize(("rare", "warns"), [("?", True), ("b", False)])
def test_targets_of_many_rows_that_differ_in_length(rare: str, warns: bool, tmp_path: Path) -> None:
    """Rows are read in chunks, whose longest rows differ."""
    rows = ["aa,??"] * (CHUNK + 1) + [f"aaa,??{rare}"]
    (tmp_path / "rows.csv").write_text("\n".join(["a,y", *rows]), "utf-8")
    text = 'input a: class(a, b)[T]\noutput y: class(a, b, ignore="?")[T]\na -> one_hot -> dense(2) -> y\n'
    (tmp_path / "m.dl").write_text(f'{text}data {{ source = csv("rows.csv") }}\n', "utf-8")
    found = [found for found in looked_at(tmp_path) if found[0] == "W0709"]
    assert found == [("W0709", 'no training row has a value of `y` in column "y"')] * warns


Pairs = list[tuple[float, float]]
NUMBERS = "input a: float\noutput c: float\na -> reshape(1) -> dense(1) -> c\n"


def overlap(
    folder: Path, rows: list[tuple[float, float]], test: list[tuple[float, float]] | str
) -> list[str]:
    """The warnings of test rows that are training rows too; `test` is a list of rows, or a line of `data`."""
    for name, some in (("rows", rows), ("test", test)):
        if isinstance(some, list):
            text = "".join(f"{a},{c}\n" for a, c in some)
            (folder / f"{name}.csv").write_text(f"a,c\n{text}", "utf-8")
    line = test if isinstance(test, str) else 'test = csv("test.csv")'
    (folder / "m.dl").write_text(f'{NUMBERS}data {{\n source = csv("rows.csv")\n {line}\n}}\n', "utf-8")
    return [message for code, message in looked_at(folder) if code == "W0711"]


ROWS = [(k, k % 7) for k in range(100)]


def test_the_same_rows_for_training_and_test(tmp_path: Path) -> None:
    message = "100 of the 100 test rows (100 %) equal a training row in every field"
    assert overlap(tmp_path, ROWS, ROWS[::-1]) == [message]
    assert overlap(tmp_path, ROWS, 'test = csv("rows.csv")') == [message]
    assert overlap(tmp_path, ROWS, 'test = csv("rows.csv")  # allow W0711: a smoke test') == []
    half = "40 of the 50 test rows (80 %) equal a training row in every field"
    assert overlap(tmp_path, ROWS, [*ROWS[:40], *((-k, 0.5) for k in range(10))]) == [half]


def test_rows_that_are_repeated_before_the_split(tmp_path: Path) -> None:
    (message,) = overlap(tmp_path, ROWS * 3, "test = 0.2")
    assert message == "57 of the 60 test rows (95 %) equal a training row in every field"


@pytest.mark.parametrize("test", [
    [(k, k % 7 + 1) for k in range(100)],  # other targets
    [(k / 2, k % 7) for k in range(1, 100, 2)],
    [*ROWS[:2], *((-k, 1) for k in range(18))],  # a few
    ROWS[:1],
])  # fmt: skip
def test_other_rows_or_a_few_equal_ones(test: Pairs, tmp_path: Path) -> None:
    assert overlap(tmp_path, ROWS, test) == []


def test_rows_of_few_values_are_equal_by_chance(tmp_path: Path) -> None:
    rows = [(k % 3, k % 2) for k in range(100)]
    assert overlap(tmp_path, rows, "test = 0.2") == []
    assert overlap(tmp_path, rows, rows) != []


def test_the_built_in_sets_have_few_equal_rows(tmp_path: Path) -> None:
    for name in ("iris", "wine", "diabetes", "digits", "breast_cancer"):
        data = f'data {{ source = builtin("{name}")\n test = 0.3 }}'
        fields = {"iris": 4, "wine": 13, "diabetes": 10, "digits": 64, "breast_cancer": 30}
        spec = f"input x: float[{fields[name]}]\noutput y: float\nx -> dense(1) -> y\n{data}\n"
        (tmp_path / "m.dl").write_text(spec, "utf-8")
        assert not [code for code, _ in looked_at(tmp_path) if code == "W0711"]


@given(st.lists(st.tuples(st.sampled_from([0, 1, -1, 0.5]), st.booleans(), st.text("ab", max_size=2)),
                min_size=1, max_size=30))  # fmt: skip
def test_hashes_are_equal_for_equal_rows_alone(rows: list[tuple[float, bool, str]]) -> None:
    a, b, c = zip(*rows, strict=True)
    pair = np.array([a, a[::-1]], np.float64).T
    arrays = {"x": pair, "b": np.array(b), "c": np.array(c, object)}
    keys = [(*pair[k].tolist(), b[k], c[k]) for k in range(len(rows))]
    hashes = row_hashes(InMemoryRows(arrays, len(rows))).tolist()
    assert len({*hashes}) == len({*keys})
    assert all((hashes[i] == hashes[0]) == (keys[i] == keys[0]) for i in range(len(rows)))


def test_hashes_of_many_similar_rows_differ() -> None:
    x = np.stack(np.meshgrid(np.arange(400), np.arange(400)), -1).reshape(-1, 2)
    for dtype in ("float32", "float64", "uint16", "int64"):
        assert len({*row_hashes(InMemoryRows({"x": x.astype(dtype)}, len(x))).tolist()}) == len(x)
