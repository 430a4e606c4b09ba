"""`drop = missing` leaves out the rows that miss a value which nothing fills in, and counts them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from fields import error_of
from hypothesis import given, settings
from hypothesis import strategies as st

import dlc
from dlc.cli import commands
from dlc.runtime.data import Dataset
from dlc.runtime.open_rows import open_data

SPEC = """input filled, needed: float
input kind: class(a, b)
input word: class(auto)
output price: float
output made: binary(no, yes)
h = (filled -> impute(mean), needed, kind -> one_hot, word -> impute(own) -> one_hot) -> concat
h -> dense(1) -> price
h -> dense(1) -> made
data {
  source = csv("rows.csv", missing="?")
  drop   = missing
  PARTS
}
train { epochs = 1 }
"""
NAMES = ["filled", "needed", "kind", "word", "price", "made"]
ROWS = """filled,needed,kind,word,price,made,unread
1,1,a,u,1,no,
,2,b,v,2,yes,x
3,,a,u,3,no,x
4,4,,v,4,yes,x
5,5,b,?,5,no,
6,6,a,only here,nan,yes,x
7,7,b,v,7,?,x
8,8,a,u,8,yes,x
"""


def loaded(folder: Path, rows: str = ROWS, parts: str = "") -> Dataset:
    (folder / "rows.csv").write_text(rows)
    (folder / "m.dl").write_text(SPEC.replace("PARTS", parts))
    return open_data(dlc.compile(folder / "m.dl"), None)


def test_rows_without_a_value_are_left_out_and_counted(tmp_path: Path) -> None:
    data = loaded(tmp_path)
    assert data.train["needed"].tolist() == [1, 2, 5, 8]
    assert np.isnan(data.train["filled"]).tolist() == [False, True, False, False]
    assert data.train["word"].tolist() == [0, 1, -1, 0]  # u and v; -1 is filled in
    note = "4 of 8 rows of rows.csv left out (`drop = missing`): they miss `needed`, `kind`, `price`, `made`"
    assert data.notes == (note,)
    assert [data.train.place(row) for row in (2, 3)] == [
        "rows.csv, row 5 (line 6)",
        "rows.csv, row 8 (line 9)",
    ]


def test_the_parts_are_fractions_of_the_rows_that_are_left(tmp_path: Path) -> None:
    data = loaded(tmp_path, ROWS + ROWS.split("\n", 1)[1], "test = 0.5\nvalidation = 1")
    assert [rows.count for _, rows in data.parts()] == [3, 1, 4]


def test_a_part_with_its_own_source_is_counted_by_itself(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text(ROWS.replace("1,1,a", "1,,a"))
    data = loaded(tmp_path, ROWS, 'test = csv("test.csv", missing="?")')
    assert (data.test.count, len(data.notes)) == (3, 2)
    assert data.notes[1].startswith("test rows: 5 of 8 rows of test.csv left out")


def test_nothing_is_said_where_no_row_is_left_out(tmp_path: Path) -> None:
    data = loaded(tmp_path, "\n".join(ROWS.splitlines()[:3]) + "\n")
    assert (data.train.count, data.notes) == (2, ())


def test_errors_name_the_rows_of_the_file(tmp_path: Path) -> None:
    found = error_of(loaded, tmp_path, ROWS.replace("8,8,a", "8,eight,a"))
    assert found.message == 'rows.csv, row 8 (line 9), column "needed": "eight" is not a number'


def test_no_row_is_left(tmp_path: Path) -> None:
    found = error_of(loaded, tmp_path, "\n".join(ROWS.splitlines()[k] for k in (0, 3, 4)) + "\n")
    assert (found.code, "every row of rows.csv misses" in found.message) == ("E0708", True)


CELL = st.sampled_from(["", "?", "1.5", "nan"])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=8))
def test_the_rows_are_those_that_pandas_keeps(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    lines = [f"{a},{b},a,u,{c},yes" for a, b, c in [*rows, ("1", "1", "1")]]
    text = "\n".join([",".join(NAMES), *lines]) + "\n"
    expected = pd.read_csv(io.StringIO(text), na_values="?").dropna(subset=["needed", "price"])
    data = loaded(folder, text)
    np.testing.assert_array_equal(data.train["filled"], expected["filled"].astype(np.float32))
    np.testing.assert_array_equal(data.train["price"], expected["price"].astype(np.float32))


def test_a_model_is_measured_on_the_same_rows_and_answers_no_incomplete_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`eval` leaves rows out as the training did, and says so; `predict` has an answer for each row."""
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(ROWS)
    Path("test.csv").write_text(ROWS.replace("1,1,a", "1,,a"))
    Path("m.dl").write_text(SPEC.replace("PARTS", 'test = csv("test.csv", missing="?")'))
    made = dlc.train("m.dl")
    assert len(made.notes) >= 2
    done = CliRunner().invoke(commands, ["eval", str(made.model), "test.csv"])
    assert "3 rows of test.csv" in done.output and "5 of 8 rows of test.csv left out" in done.output
    done = CliRunner().invoke(commands, ["eval", str(made.model), "test.csv", "--format", "json"])
    measured = json.loads(done.stdout)
    assert measured.pop("rows") == 3 and measured
    assert measured == {name: pytest.approx(made.figures["test"][name], rel=1e-4) for name in measured}
    done = CliRunner().invoke(commands, ["predict", str(made.model), "rows.csv"])
    assert done.exit_code == 1 and 'row 3 (line 4), column "needed": the value is missing' in done.output


def test_arrays_with_missing_values() -> None:
    flow = "input x: float[2]\noutput y: float\nx -> dense(1) -> y\n"
    program = dlc.compile(text=f"{flow}data {{ drop = missing }}\ntrain {{ epochs = 1 }}\n")
    arrays = {"x": [[1.0, 2.0], [np.nan, 1.0], [3.0, 4.0]], "y": [1.0, 2.0, np.nan]}
    data = open_data(program, arrays)
    assert data.train["x"].tolist() == [[1, 2]] and "2 of 3 rows of the arrays given" in data.notes[0]
