"""Data for a compiled spec, errors with source locations in the spec, and rows for an artifact."""

import numpy as np
import pytest
from fields import AUTO, csv_of, error_of, target, wanted

from dlc.compiler import Source, compile
from dlc.compiler.definitions.sections import Columns, NormalField
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.types import Classes
from dlc.runtime.data import facts, load, read_rows, required_fields
from dlc.runtime.data.sources.arrays import ArraySource

IRIS = """\
input  sepal_length, sepal_width, petal_length, petal_width: float as measures
output species: class(setosa, versicolor, virginica)

measures -> concat -> dense(3) -> species

data {
  source     = builtin("iris")
  validation = 0.2
  stratify   = species
}
"""

PEOPLE = """\
input  age: float
input  city: class(auto)
output income: class(auto)

age -> reshape(1) -> dense(income.classes) -> income

data {
  source = csv("people.csv")
}
"""


def program_of(text, name="model.dl", **settings):
    return compile(Source(name, text), **settings)


def rendered(act, *arguments):
    with pytest.raises(CompileError) as caught:
        act(*arguments)
    return str(caught.value)


def test_a_program_loads_its_fields(tmp_path):
    data = load(program_of(IRIS), tmp_path)
    assert (data.train.count, data.validation.count, data.test) == (120, 30, None)
    assert list(data.train) == ["sepal_length", "sepal_width", "petal_length", "petal_width", "species"]
    assert np.bincount(data.validation["species"]).tolist() == [10, 10, 10]


def test_classes_are_found_before_sizes_are_known(tmp_path):
    csv_of(tmp_path, "age,city,income\n1,Bonn,low\n2,Rom,high\n3,Bonn,low\n", "people.csv")
    program = program_of(PEOPLE)
    assert [w.name for w in required_fields(program)] == ["age", "income"], "nothing reads the city"
    found = facts(program, tmp_path)
    income = Classes(2, ("high", "low"), "income")
    assert found.classes == {"income": income} == load(program, tmp_path).classes
    known = program_of(PEOPLE, facts=found)
    assert known.output("income").declared.classes.count == 2
    data = load(known, tmp_path)
    assert data.train["income"].tolist() == [1, 0, 1] and data.classes == {}
    assert facts(known, tmp_path) == known.facts


def test_a_spec_without_training_loads_its_inputs(tmp_path):
    program = program_of(
        "input a, b: bool\noutput both: bool\n(a, b) -> concat -> dense(1, weight=[[1, 1]]) -> both\n"
    )
    assert [str(w) for w in required_fields(program)] == ["input `a`", "input `b`"]


def test_another_file_in_place_of_the_one_in_the_spec(tmp_path):
    csv_of(tmp_path, "age,city,income\n1,Bonn,low\n2,Rom,high\n", "people.csv")
    csv_of(tmp_path, "age,income\n5,a\n6,b\n7,c\n", "others.csv")
    data = load(program_of(PEOPLE), tmp_path / "elsewhere", source=tmp_path / "others.csv")
    assert data.train["age"].tolist() == [5, 6, 7]


def test_arrays_in_memory_in_place_of_a_file(tmp_path):
    given = ArraySource({"age": [1, 2.5], "income": ["low", "high"]})
    program = program_of(PEOPLE)
    assert facts(program, tmp_path, source=given).classes["income"].names == ("high", "low")
    data = load(program, tmp_path, source=given)
    assert (data.train["age"].tolist(), data.train["income"].tolist()) == ([1, 2.5], [1, 0])
    assert data.train.place(1) == "the arrays given, row 2"


@pytest.mark.parametrize(("arrays", "code"), [
    ({}, "E0704"),
    ({"age": [1, 2], "income": ["low"]}, "E0704"),
    ({"age": 1, "income": ["low"]}, "E0704"),
    ({"age": [], "income": []}, "E0708"),
    ({"age": [[1], [2, 3]], "income": ["low", "low"]}, "E0704"),
    ({"age": [[[1]], [[2, 3], [4, 5]]], "income": ["low", "low"]}, "E0702"),
    ({"age": [1j], "income": ["low"]}, "E0705"),
    ({"age": [None], "income": ["low"]}, "E0706"),
    ({"age": [1], "income": np.array([None, "low"], object)[:1]}, "E0706"),
    ({"age": [1], "income": np.array([b"\xff"])}, "E0705"),
    ({"age": [1]}, "E0703"),
])  # fmt: skip
def test_arrays_in_memory_that_do_not_fit(tmp_path, arrays, code):
    def act():
        load(
            program_of(PEOPLE.replace("income: class(auto)", "income: class(low, high)")),
            tmp_path,
            source=ArraySource(arrays),
        )

    assert error_of(act).code == code


def test_fields_with_their_own_columns(tmp_path):
    text = """\
input  x: float[2]
input  noise: float[3]
output y: float

(x, noise) -> concat -> dense(1) -> y

data {
  source = csv("rows.csv")
  x      = columns("b", "a")
  noise  = normal()
  y      = column("the answer")
}
"""
    csv_of(tmp_path, "a,b,the answer\n1,2,3\n")
    rows = load(program_of(text), tmp_path).train
    assert (rows["x"].tolist(), rows["y"].tolist(), rows.drawn) == ([[2, 1]], [3], {"noise": NormalField()})


def test_a_missing_column_is_shown_at_the_input_and_at_the_source(tmp_path):
    csv_of(tmp_path, "Age,income\n1,low\n", "people.csv")
    assert rendered(load, program_of(PEOPLE), tmp_path) == MISSING_AGE


MISSING_AGE = """\
error[E0703]: people.csv has no column "age", which input `age` takes
 --> model.dl:1:8
  |
1 | input  age: float
  |        ^^^ wanted here
...
8 |   source = csv("people.csv")
  |            ^^^^^^^^^^^^^^^^^ read here
  |
  = it has "Age", "income"
  = help: if "Age" is meant, write age = column("Age") in `data`"""


def test_a_bad_value_is_shown_with_its_declared_type(tmp_path):
    csv_of(tmp_path, "age,income\n1,low\nold,low\n", "people.csv")
    found = rendered(load, program_of(PEOPLE), tmp_path)
    assert 'error[E0705]: people.csv, row 2 (line 3), column "age": "old" is not a number' in found
    assert "model.dl:1:8" in found and "`age` is float" in found


def test_split_errors_are_shown_at_their_settings(tmp_path):
    found = error_of(load, program_of(IRIS.replace("0.2", "200")), tmp_path)
    assert (found.line, found.message) == (
        8,
        "iris has 150 rows, and 200 for validation leave none for training",
    )


def test_messages_have_no_absolute_paths(tmp_path):
    found = error_of(load, program_of(PEOPLE), tmp_path)
    assert found.message == "there is no file people.csv"
    spec = PEOPLE.replace("people.csv", str(tmp_path / "elsewhere.csv"))
    assert error_of(load, program_of(spec), tmp_path).message == "there is no file elsewhere.csv"


def test_an_unknown_data_set_is_an_error_of_the_compiler():
    found = error_of(program_of, IRIS.replace('"iris"', '"irsi"'))
    assert (found.code, found.help, found.line) == ("E0403", "did you mean `iris`?", 7)


# --- rows for an artifact ---------------------------------------------------------------------------------

ARTIFACT = [
    wanted("age"),
    wanted("city", "class", classes=Classes(2, ("Bonn", "Rom"), "city")),
    wanted("member", "binary", classes=("no", "yes")),
    wanted("grade", "class", classes=3),
    wanted("pair", "float", 2, source=Columns(columns=("a", "b"))),
    target("income", "class", classes=("high", "low")),
]
GOOD = "age,city,member,grade,a,b,income\n1,Rom,yes,2,5,6,low\n2,Bonn,0,0,7,8,high\n"


def test_rows_for_an_artifact_keep_names_as_text(tmp_path):
    csv_of(tmp_path, GOOD)
    rows = read_rows(tmp_path / "rows.csv", ARTIFACT)
    assert rows["city"].tolist() == ["Rom", "Bonn"] and rows["city"].dtype == object
    assert rows["member"].tolist() == ["yes", "no"]
    assert rows["grade"].tolist() == [2, 0] and rows["grade"].dtype == np.int64
    assert rows["pair"].tolist() == [[5, 6], [7, 8]]
    assert rows["income"].tolist() == [1, 0] and rows["income"].dtype == np.int64


def test_an_artifact_also_reads_a_field_by_its_own_name(tmp_path):
    csv_of(tmp_path, "pair,pair,a\n1,2,3\n")
    assert read_rows(tmp_path / "rows.csv", [ARTIFACT[4]])["pair"].tolist() == [[1, 2]]


def test_unknown_and_missing_classes_are_counted(tmp_path):
    csv_of(tmp_path, GOOD.replace("Bonn", "Bnon").replace("1,Rom", "1,"))
    rows = read_rows(tmp_path / "rows.csv", ARTIFACT)
    assert rows["city"].tolist() == ["", ""], "no class has this name"
    (message,) = map(str, rows.unknown_values())
    assert message == '1 of the 2 values of `city` is not among its classes ("Bnon"), 1 is missing: ' \
        "they count as class -1"  # fmt: skip


def test_a_target_outside_of_its_classes_is_an_error(tmp_path):
    csv_of(tmp_path, GOOD.replace("high", "hihg"))
    found = error_of(read_rows, tmp_path / "rows.csv", ARTIFACT)
    assert found.message.endswith(
        'rows.csv, row 2 (line 3), column "income": "hihg" is not one of the 2 classes'
    )
    assert found.help == "did you mean `high`?"


def test_rows_from_arrays_including_inputs_drawn_in_training(tmp_path):
    np.savez(tmp_path / "rows.npz", noise=np.ones((2, 3)))
    rows = read_rows(tmp_path / "rows.npz", [wanted("noise", "float", 3, source=NormalField())])
    assert rows["noise"].shape == (2, 3) and rows.drawn == {}


@pytest.mark.parametrize("name", ["rows", "rows.txt", "rows.json"])
def test_a_file_of_an_unknown_format(tmp_path, name):
    (tmp_path / name).write_text("x\n1\n")
    assert error_of(read_rows, tmp_path / name, [wanted("x")]).code == "E0701"


def test_damaged_files_give_diagnostics_or_rows(tmp_path):
    """Truncated files and files with flipped bytes give rows or a diagnostic."""
    import pyarrow as pa
    from pyarrow import parquet

    csv_of(tmp_path, 'x,y\n1,"a\nb"\n2,c\n')
    np.savez_compressed(tmp_path / "rows.npz", x=np.arange(3.0), y=np.array(["a", "b", "c"]))
    parquet.write_table(pa.table({"x": [1, 2, 3], "y": ["a", "b", "c"]}), tmp_path / "rows.parquet")
    random = np.random.default_rng(0)
    fields = [wanted("x"), wanted("y", "class", classes=("a", "b", "c", "a\nb"))]
    outcomes = set()
    for ending in ("csv", "npz", "parquet"):
        whole = (tmp_path / f"rows.{ending}").read_bytes()
        broken = tmp_path / f"broken.{ending}"
        for _ in range(150):
            data = bytearray(whole[: random.integers(len(whole) + 1)] if random.random() < 0.3 else whole)
            for place in random.integers(0, max(len(data), 1), random.integers(4)):
                data[place : place + 1] = bytes([random.integers(256)])
            broken.write_bytes(data)
            try:
                outcomes.add((ending, read_rows(broken, fields).count > 0))
            except CompileError as error:
                outcomes.add((ending, error.diagnostics[0].code[:2]))
    assert outcomes == {(ending, end) for ending in ("csv", "npz", "parquet") for end in (True, "E0")}


def test_auto_fields_need_their_classes():
    assert wanted("x", "class", classes=AUTO).learns and not ARTIFACT[1].learns
