"""csv files: valid ones, and the errors of invalid ones."""

import csv
import gzip
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from fields import AUTO, csv_of, error_of, errors_of, read, table, target, wanted
from hypothesis import given
from hypothesis import strategies as st

from dlc.compiler.definitions.sections import ColumnField, Columns, Csv, Npz
from dlc.compiler.dims.dim import free
from dlc.compiler.types import Classes

PEOPLE = """age,income,city,member
39,<=50K,Bonn,true
52,>50K,Köln,FALSE
31,<=50K,Bonn,0
"""


def test_a_table_of_people(tmp_path):
    data = read(
        csv_of(tmp_path, PEOPLE),
        wanted("age"),
        wanted("member", "bool"),
        wanted("city", "string"),
        target("income", "binary", classes=("<=50K", ">50K")),
        folder=tmp_path,
    ).train
    assert data["age"].tolist() == [39, 52, 31] and data["age"].dtype == np.float32
    assert data["member"].tolist() == [True, False, False] and data["member"].dtype == bool
    assert data["city"].tolist() == ["Bonn", "Köln", "Bonn"]
    assert data["income"].tolist() == [0, 1, 0] and data["income"].dtype == np.float32
    assert data.place(1) == "rows.csv, row 2 (line 3)"


@pytest.mark.parametrize("element", ["float16", "float64", "uint8", "int8", "int16", "int32", "int64"])
def test_numbers_have_the_declared_dtype(tmp_path, element):
    rows = read(csv_of(tmp_path, "x\n3\n 4 \n+5.0\n6e0\n"), wanted("x", element), folder=tmp_path).train
    assert rows["x"].dtype == element and rows["x"].tolist() == [3, 4, 5, 6]


def test_integers_beyond_float64_stay_exact(tmp_path):
    rows = read(csv_of(tmp_path, "x\n9007199254740993\n"), wanted("x", "int64"), folder=tmp_path).train
    assert rows["x"].tolist() == [2**53 + 1]


def test_bfloat16_comes_as_float32(tmp_path):
    assert (
        read(csv_of(tmp_path, "x\n1\n"), wanted("x", "bfloat16"), folder=tmp_path).train["x"].dtype
        == np.float32
    )


@pytest.mark.parametrize("sign", [",", ";", "\t", "|", " "])
def test_columns_may_have_other_separators(tmp_path, sign):
    text = "a,b\n1,2\n".replace(",", sign)
    rows = read(csv_of(tmp_path, text, separator=sign), wanted("a"), wanted("b"), folder=tmp_path).train
    assert (rows["a"].tolist(), rows["b"].tolist()) == ([1], [2])


def test_a_byte_order_mark_windows_line_ends_quotes_and_blank_lines(tmp_path):
    (tmp_path / "rows.csv").write_bytes(
        b'\xef\xbb\xbf\r\n"a","b c"\r\n1,"two\r\nlines, ""quoted"""\r\n\r\n3,four\r\n'
    )
    fields = wanted("a"), wanted("b", "string", source=ColumnField(column="b c"))
    rows = read(Csv(path="rows.csv"), *fields, folder=tmp_path).train
    assert rows["a"].tolist() == [1, 3]
    assert rows["b"].tolist() == ['two\r\nlines, "quoted"', "four"]
    assert rows.place(1) == "rows.csv, row 2 (line 6)"


def test_a_gzipped_table(tmp_path):
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress(b"x\n1\n2\n"))
    assert read(Csv(path="rows.csv.gz"), wanted("x"), folder=tmp_path).train["x"].tolist() == [1, 2]


def test_a_vector_from_named_columns_and_from_a_repeated_name(tmp_path):
    source = csv_of(tmp_path, "x,y,x,a,b\n1,2,3,4,5\n")
    pair = wanted("pair", "float", 2, source=Columns(columns=("b", "a")))
    rows = read(source, wanted("x", "float", 2), pair, target("y"), folder=tmp_path).train
    assert (rows["x"].tolist(), rows["pair"].tolist(), rows["y"].tolist()) == ([[1, 3]], [[5, 4]], [2])


def test_classes_by_name_by_number_and_found_in_the_data(tmp_path):
    source = csv_of(tmp_path, "name,number,word,count\nred,2,pear,0\nblue,0,apple,3\n")
    data = read(
        source,
        wanted("name", "class", classes=("blue", "red")),
        wanted("number", "class", classes=3),
        wanted("word", "class", classes=AUTO),
        wanted("count", "class", classes=Classes(free("count.classes"), found_in="count")),
        folder=tmp_path,
    )
    assert [data.train[f].tolist() for f in ("name", "number", "word", "count")] == [
        [1, 0],
        [2, 0],
        [1, 0],
        [0, 1],
    ]
    assert data.classes == {
        "found": Classes(2, ("apple", "pear"), "found"),
        "count": Classes(2, (0, 3), "count"),
    }


def test_fields_that_share_classes_have_the_union_of_both(tmp_path):
    source = csv_of(tmp_path, "said,next\nb,a\nc,b\n")
    data = read(
        source, wanted("said", "class", classes=AUTO), target("next", "class", classes=AUTO), folder=tmp_path
    )
    assert data.classes == {"found": Classes(3, ("a", "b", "c"), "found")}
    assert data.train["said"].tolist() == [1, 2]


def test_the_error_names_the_wrong_field_of_those_that_share_classes(tmp_path):
    np.savez(tmp_path / "rows.npz", said=np.array([0, 1]), next=np.array([1, 2.5]))
    fields = wanted("said", "class", classes=AUTO), target("next", "class", classes=AUTO)
    found = error_of(read, Npz(path="rows.npz"), *fields, folder=tmp_path)
    assert found.message == 'rows.npz, row 2, array "next": 2.5 is not a whole number of 64 bits'


def test_numbers_stand_for_named_classes_unless_the_names_are_numbers(tmp_path):
    source = csv_of(tmp_path, "a,b\n1,3\n0,5\n")
    rows = read(source, wanted("a", "class", classes=("no", "yes")), wanted("b", "class", classes=("5", "3")),
                folder=tmp_path).train  # fmt: skip
    assert (rows["a"].tolist(), rows["b"].tolist()) == ([1, 0], [1, 0])


def test_targets_may_be_probabilities_inputs_not(tmp_path):
    source = csv_of(tmp_path, "p\n0.25\n1\n")
    assert read(source, target("p", "binary"), folder=tmp_path).train["p"].tolist() == [0.25, 1]
    found = error_of(read, source, wanted("p", "binary"), folder=tmp_path)
    assert found.message == 'rows.csv, row 1 (line 2), column "p": 0.25 is not 0 or 1'


def test_a_missing_text_is_empty(tmp_path):
    rows = read(
        csv_of(tmp_path, "a,b\n1,\n2,?\n", missing=("?",)), wanted("b", "string"), folder=tmp_path
    ).train
    assert rows["b"].tolist() == ["", ""]


@pytest.mark.parametrize("field", [wanted("b"), wanted("b", "int64"), wanted("b", "bool"),
                                   target("b", "binary"), target("b", "class", classes=2),
                                   target("b", "class", classes=("1", "0")),
                                   target("b", "class", classes=AUTO)], ids=str)  # fmt: skip
@pytest.mark.parametrize("cell", ["", "?"])
def test_a_missing_value_is_reported_with_its_row(tmp_path, field, cell):
    source = csv_of(tmp_path, f"a,b\n1,1\n2,{cell}\n3,0\n", missing=("?",))
    found = error_of(read, source, field, folder=tmp_path)
    assert (found.code, found.message) == (
        "E0706",
        'rows.csv, row 2 (line 3), column "b": the value is missing',
    )


def test_nan_is_a_missing_value_and_more_rows_are_named(tmp_path):
    found = error_of(read, csv_of(tmp_path, "x\nnan\n1\nNaN\n\nnan\n"), wanted("x"), folder=tmp_path)
    assert found.message == 'rows.csv, row 1 (line 2), column "x": the value is missing'
    assert found.notes == ("also in rows 3, 4",)


@pytest.mark.parametrize(("field", "cell", "message"), [
    (wanted("x"), "abc", '"abc" is not a number'),
    (wanted("x"), "1,5", '"1,5" is not a number'),
    (wanted("x"), "inf", "the value is infinite"),
    (wanted("x"), "1e300", "the value is too large for float32"),
    (wanted("x", "float16"), "70000", "the value is too large for float16"),
    (wanted("x", "int64"), "2.5", "2.5 is not a whole number"),
    (wanted("x", "int64"), "1e30", "1e+30 is too large"),
    (wanted("x", "uint8"), "256", "256 does not fit uint8, which holds 0 to 255"),
    (wanted("x", "int8"), "-129", "-129 does not fit int8, which holds -128 to 127"),
    (wanted("x", "bool"), "2", "2 is not 0 or 1"),
    (wanted("x", "bool"), "maybe", '"maybe" is neither `false`, `true`, `0` nor `1`'),
    (target("x", "binary"), "1.5", "1.5 is not 0, 1 or a probability between them"),
    (target("x", "binary", classes=("no", "yes")), "nope", '"nope" is neither `no` nor `yes`'),
    (wanted("x", "class", classes=3), "3", "there is no class 3: the 3 classes are 0 to 2"),
    (wanted("x", "class", classes=3), "-1", "there is no class -1: the 3 classes are 0 to 2"),
    (wanted("x", "class", classes=3), "0.5", "there is no class 0.5: the 3 classes are 0 to 2"),
    (target("x", "class", classes=(0, 2, 7)), "5", "5 is not one of the 3 classes"),
    (wanted("x", "class", classes=3), "cat", '"cat" is not a class number'),
    (wanted("x", "class", classes=("cat", "dog")), "cow", '"cow" is not one of the 2 classes'),
    (wanted("x", "class", classes=("0", "cat")), "cat ", '"cat " is not one of the 2 classes'),
])  # fmt: skip
def test_invalid_values(tmp_path, field, cell, message):
    good = "cat" if cell == "cow" else "0"
    found = error_of(read, csv_of(tmp_path, f'x\n{good}\n{good}\n"{cell}"\n'), field, folder=tmp_path)
    assert found.message == f'rows.csv, row 3 (line 4), column "x": {message}'


def test_classes_counted_from_one_get_the_fix(tmp_path):
    found = error_of(read, csv_of(tmp_path, "x\n1\n2\n3\n"), wanted("x", "class", classes=3), folder=tmp_path)
    assert found.help == "classes are counted from 0; `class(auto)` takes them as they are"


def test_an_undeclared_missing_mark_gets_the_fix(tmp_path):
    found = error_of(read, csv_of(tmp_path, "x\n1\n?\n"), wanted("x"), folder=tmp_path)
    assert found.help == 'if it stands for a missing value, say so: csv(..., missing="?")'


def test_every_missing_column_is_reported(tmp_path):
    found = errors_of(
        read, csv_of(tmp_path, "Age,b\n1,2\n"), wanted("age"), wanted("c"), wanted("b"), folder=tmp_path
    )
    assert found == [
        ("E0703", 'rows.csv has no column "age", which input `age` takes'),
        ("E0703", 'rows.csv has no column "c", which input `c` takes'),
    ]


def test_bad_values_of_several_columns_are_reported_together(tmp_path):
    source = csv_of(tmp_path, "a,b,c\n1,2,3\nx,y,4\n")
    assert [
        m for _, m in errors_of(read, source, wanted("a"), wanted("b"), wanted("c"), folder=tmp_path)
    ] == [
        'rows.csv, row 2 (line 3), column "a": "x" is not a number',
        'rows.csv, row 2 (line 3), column "b": "y" is not a number',
    ]


def test_a_table_without_a_heading(tmp_path):
    found = error_of(read, csv_of(tmp_path, "5.1,3.5\n4.9,3.0\n"), wanted("a"), wanted("b"), folder=tmp_path)
    assert found.message == "rows.csv has none of the columns wanted"
    fix = "write the names of the columns above it"
    assert found.help == f"the first line looks like data, and is read as the heading: {fix}"


def test_a_repeated_name_in_the_heading(tmp_path):
    source = csv_of(tmp_path, "x,y,x\n1,2,3\n")
    assert read(source, wanted("y"), folder=tmp_path).train["y"].tolist() == [2]
    found = error_of(read, source, wanted("x"), folder=tmp_path)
    assert (found.code, found.message) == (
        "E0712",
        'rows.csv has 2 columns named "x", and input `x` takes one',
    )


def test_too_few_columns_for_a_vector(tmp_path):
    found = error_of(read, csv_of(tmp_path, "x\n1\n"), wanted("x", "float", 3), folder=tmp_path)
    assert found.message == 'rows.csv, column "x": found single values, and input `x` is float[3]'
    assert found.help == 'name its 3 columns: x = columns("...", "...", "...") in `data`'


@pytest.mark.parametrize(("text", "row"), [
    ("a,b\n1,2\n3\n4,5\n", "row 2 (line 3): found 1 cell"),
    ("a,b\n\n1,2\n\n3,4,5\n", "row 2 (line 5): found 3 cells"),
    ('"a\n",b\n1,2\n3\n', "row 2 (line 4): found 1 cell"),
])  # fmt: skip
def test_rows_of_a_wrong_length(tmp_path, text, row):
    found = error_of(read, csv_of(tmp_path, text), wanted("b"), folder=tmp_path)
    assert (found.code, found.message) == ("E0711", f"rows.csv, {row}, and the heading has 2 columns")


@pytest.mark.parametrize(("text", "message"), [
    ("", "rows.csv is empty"),
    ("\n\n", "rows.csv is empty"),
    ("a,b\n", "rows.csv has a heading and no rows"),
    ("a,b", "rows.csv has a heading and no rows"),
])  # fmt: skip
def test_files_without_rows(tmp_path, text, message):
    found = error_of(read, csv_of(tmp_path, text), wanted("a"), folder=tmp_path)
    assert (found.code, found.message) == ("E0708", message)


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=20))
def test_csv_written_by_python_is_read_back(rows):
    """Quotes, commas, line ends and white space in cells are kept."""
    with TemporaryDirectory() as folder:
        with (Path(folder) / "rows.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("a", "b"), *rows])
        found = read(
            Csv(path="rows.csv"), wanted("a", "string"), wanted("b", "string"), folder=Path(folder)
        ).train
    assert list(zip(found["a"], found["b"], strict=True)) == rows


def test_other_encodings_are_refused(tmp_path):
    (tmp_path / "rows.csv").write_bytes(b"a\nK\xf6ln\n")
    found = error_of(read, Csv(path="rows.csv"), wanted("a", "string"), folder=tmp_path)
    assert found.message == "rows.csv cannot be read as a csv file: it holds bytes that are not UTF-8 text"


@pytest.mark.parametrize("content", ["a\nx\n".encode("utf-16"), b"PAR1\x15\x00\x15\x00"])
def test_a_binary_file_is_refused(tmp_path, content):
    (tmp_path / "rows.csv").write_bytes(content)
    found = error_of(read, Csv(path="rows.csv"), wanted("a"), folder=tmp_path)
    assert found.message == "rows.csv cannot be read as a csv file: it is not text"


def test_a_broken_archive_is_refused(tmp_path):
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress(b"a\n1\n" * 999)[:40])
    assert error_of(read, Csv(path="rows.csv.gz"), wanted("a"), folder=tmp_path).code == "E0702"


def test_a_file_that_is_not_there(tmp_path):
    csv_of(tmp_path, "x\n1\n", "people.csv")
    found = error_of(read, Csv(path="peple.csv"), wanted("x"), folder=tmp_path)
    assert (found.code, found.message, found.help) == (
        "E0701", "there is no file peple.csv", "did you mean `people.csv`?"
    )  # fmt: skip
    (tmp_path / "folder.csv").mkdir()
    found = error_of(read, Csv(path="folder.csv"), wanted("x"), folder=tmp_path)
    assert found.message == "the folder folder.csv has no csv files"


def test_a_million_rows_in_about_a_second(tmp_path):
    numbers = np.random.default_rng(0).integers(0, 9999, (1000, 4)).tolist()
    lines = "".join(f"{a}.5,{b},{c},{'pq'[d % 2]}\n" for a, b, c, d in numbers)
    source = csv_of(tmp_path, "a,b,c,d\n" + lines * 1000)
    fields = wanted("a"), wanted("b"), wanted("c", "int32"), target("d", "class", classes=("p", "q"))
    start = time.perf_counter()
    data = read(source, *fields, folder=tmp_path, validation=0.1)
    assert time.perf_counter() - start < 5  # about half a second where nothing else runs
    assert data.train.count == 900_000


def test_one_bad_cell_in_a_million_is_found_quickly(tmp_path):
    source = csv_of(tmp_path, "a\n" + "1\n" * 700_000 + "x\n" + "2\n" * 300_000)
    start = time.perf_counter()
    found = error_of(read, source, wanted("a"), folder=tmp_path)
    assert time.perf_counter() - start < 5
    assert found.message == 'rows.csv, row 700001 (line 700002), column "a": "x" is not a number'


def test_text_where_a_table_in_the_spec_has_numbers():
    found = error_of(read, table([1, 2], columns=("a", "b")), wanted("a", "string"))
    assert found.message == 'the table, row 1, column "a": the column holds numbers, and text is wanted'
