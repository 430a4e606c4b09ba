"""Missing numbers in data: accepted if the spec imputes them, else an error with its fix."""

from __future__ import annotations

import numpy as np
import pytest
from fields import csv_of, error_of
from test_programs import program_of

from dlc.compiler.definitions.sections import Npz, Parquet, TableSource
from dlc.runtime.data import load, read_rows, required_fields
from dlc.runtime.data.sources.arrays import ArraySource

FLOW = "input age: float\ninput pay: float\noutput y: float\n{} -> dense(1) -> y\ndata {{ source = {} }}\n"
FILLED = "concat(age, pay) -> impute(mean)"
AGES, PAYS = [1.5, np.nan, 3.0], [np.nan, 5.0, 6.0]


def sources(folder):
    """The same rows in every format."""
    import pyarrow as pa
    from pyarrow import parquet

    columns = {"age": AGES, "pay": PAYS, "y": [1.0, 2.0, 3.0]}
    arrow = {n: pa.array([None if np.isnan(v) else v for v in c]) for n, c in columns.items()}
    parquet.write_table(pa.table(arrow), folder / "rows.parquet")
    np.savez(folder / "rows.npz", **columns)
    text = "age,pay,y\n1.5,,1\nnan,5,2\n3,6,3\n"
    marked = "age,pay,y\n1.5,?,1\nNA,5,2\n3,6,3\n"
    return {
        "csv": csv_of(folder, text),
        "csv with marks": csv_of(folder, marked, "marked.csv", missing=("?", "NA")),
        "parquet": Parquet(path="rows.parquet"),
        "npz": Npz(path="rows.npz"),
        "table": TableSource(rows=((1.5, None, 1), (None, 5, 2), (3, 6, 3)), columns=("age", "pay", "y")),
        "arrays": ArraySource({"age": [1.5, None, 3], "pay": np.array(PAYS), "y": [1, 2, 3]}),
    }


@pytest.mark.parametrize("source", ["csv", "csv with marks", "parquet", "npz", "table", "arrays"])
def test_missing_values_to_impute_are_read_as_nan(tmp_path, source):
    program = program_of(FLOW.format(FILLED, 'csv("rows.csv")'))
    rows = load(program, tmp_path, source=sources(tmp_path)[source]).train
    np.testing.assert_array_equal(rows["age"], np.array(AGES, np.float32))
    np.testing.assert_array_equal(rows["pay"], np.array(PAYS, np.float32))


def test_a_missing_value_without_impute_is_an_error_with_its_fix(tmp_path):
    csv_of(tmp_path, "age,pay,y\n1,2,1\n,5,2\n")
    program = program_of(FLOW.format("concat(impute(age, 0), age, pay)", 'csv("rows.csv")'))
    found = error_of(load, program, tmp_path)
    message = 'rows.csv, row 2 (line 3), column "age": the value is missing'
    assert (found.code, found.message) == ("E0706", message)
    assert "`impute`" in found.help and "before anything else" in found.help


def test_an_integer_cannot_be_missing(tmp_path):
    csv_of(tmp_path, "age,pay,y\n1,2,1\n,5,2\n")
    text = FLOW.format(FILLED, 'csv("rows.csv")').replace("age: float", "age: int64")
    found = error_of(load, program_of(text), tmp_path)
    assert found.code == "E0706" and "declare the input as `float`" in found.help


def test_a_target_cannot_be_missing(tmp_path):
    csv_of(tmp_path, "age,pay,y\n1,2,1\n,5,\n")
    found = error_of(load, program_of(FLOW.format(FILLED, 'csv("rows.csv")')), tmp_path)
    assert found.message == 'rows.csv, row 2 (line 3), column "y": the value is missing'
    assert found.help == "fill it in, remove the row, or write `ignore=missing` into the type of the output"


def test_infinity_is_not_a_missing_value(tmp_path):
    csv_of(tmp_path, "age,pay,y\n1,inf,1\n,5,1\n")
    found = error_of(load, program_of(FLOW.format(FILLED, 'csv("rows.csv")')), tmp_path)
    assert (found.code, found.message) == (
        "E0705",
        'rows.csv, row 1 (line 2), column "pay": the value is infinite',
    )


def test_rows_for_an_artifact_may_have_the_same_missing_values(tmp_path):
    program = program_of(FLOW.format(FILLED, 'csv("rows.csv")'))
    csv_of(tmp_path, "age,pay\n1,\n,5\n", "new.csv")
    inputs = [w for w in required_fields(program) if not w.is_target]
    rows = read_rows(tmp_path / "new.csv", inputs)
    assert np.isnan(rows["pay"]).tolist() == [True, False] and np.isnan(rows["age"]).tolist() == [False, True]


@pytest.mark.parametrize("mark", ["-999", "-999.0", " -999 "])
def test_an_integer_mark_also_matches_its_float_text(tmp_path, mark):
    source = csv_of(tmp_path, "age,pay,y\n-999,1,1\n-999.0,2,2\n4,3,3\n-999.5,4,4\n", missing=(mark,))
    program = program_of(FLOW.format(FILLED, 'csv("rows.csv")'))
    rows = load(program, tmp_path, source=source).train
    assert np.isnan(rows["age"]).tolist() == [True, True, False, False]
