"""The messages for invalid data files name the cause, and the suggested fix works."""

from __future__ import annotations

import gzip
import io
import re
import unicodedata
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

import dlc
from dlc.cli import commands
from dlc.runtime.data.columns.confusable_names import difference
from dlc.runtime.data.columns.numerals import help_for, is_decimal
from dlc.runtime.data.encodings import no_utf8

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(__file__).parent / "golden"
SPEC = """input a, b: float
output kind: class(x, y)
concat(a, b) -> standardize -> dense(2) -> kind
data { source = csv("rows.csv") }
train { epochs = 1 }
"""
HEADING, GOOD = "a,b,kind\n", "1,2,x\n2,3,y\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = {"a": [1.0, 2.0], "b": [2.0, 3.0], "kind": ["x", "y"]}
    return dlc.train(text=SPEC, data=data, out=tmp_path_factory.mktemp("runs")).model


@pytest.mark.parametrize(
    ("missing", "classes", "stand", "marks"),
    [
        ("", "red n.d.", "it stands for a missing value", '"n.d."'),
        ("", "#na -nan", "they stand for missing values", '["#na", "-nan"]'),
        (r', missing="\"\""', "red NA", "it stands for a missing value", r'["\"\"", "NA"]'),
    ],
)
def test_a_class_that_marks_a_missing_value_gets_a_warning(missing, classes, stand, marks) -> None:
    spec = (
        "input k: class(auto)\noutput y: float\nk -> one_hot -> dense(1) -> y\n"
        f'data {{ source = csv("rows.csv"{missing}) }}\ntrain {{ epochs = 1 }}\n'
    )
    Path("m.dl").write_text(spec)
    Path("rows.csv").write_text("k,y\n" + "".join(f"{name},{i}\n" for i, name in enumerate(classes.split())))
    (warning,) = [w for w in dlc.train("m.dl").warnings if w.code == "W0704"]
    assert warning.help == f"if {stand}, say so: csv(..., missing={marks})"
    fixed = dlc.compile(text=re.sub(r'"rows.csv"[^)]*', lambda _: f'"rows.csv", missing={marks}', spec))
    assert fixed.compiled.data is not None
    assert {*classes.split()} & {*fixed.compiled.data.csv.missing}


def trained(content: str | bytes, spec: str = SPEC) -> str:
    """The message of `dlc train` for a file with these rows; empty if it accepts them. Reads the rows and
    fits operators, but does not train."""
    Path("m.dl").write_text(spec, "utf-8")
    Path("rows.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        dlc.compile("m.dl").fit()
    except dlc.CompileError as error:
        return str(error)
    return ""


def answered(content: str | bytes, model: Path) -> str:
    """The message of `dlc predict` for these rows."""
    Path("rows.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    done = CliRunner().invoke(commands, ["predict", str(model), "rows.csv"])
    assert "Traceback" not in done.stderr
    assert done.exit_code == bool(done.stderr and not done.stderr.startswith("note:"))
    return done.stderr


def short(message: str) -> str:
    """A message without its source locations, which are the same for all messages."""
    lines = [line for line in message.splitlines() if not re.match(r" *(-->|\d* *\||\.\.\.)", line)]
    return "\n".join(line for line in lines if line)


def help_in(message: str) -> str:
    (found,) = re.findall(r"= help: (.*)", message)
    return found


# --- cells --------------------------------------------------------------------------------------------------

CELLS = (
    "3,5", ",5", "1,234", "1,234.5", "1,234,567", "1.234,5", "1.234.567", "1 234", "1\u00a0234",
    "1\u202f234,5", "1'234", "1_234", "$12", "-$12.50", "12 \u20ac", "EUR 1.234,56", "12%", "12,5 %", "1d5",
    "0x1F", "0b101",
    "2024-01-31", "31.01.2024", "2024-01-31T12:00:00Z", "12:30", "12:30:05 PM", "TRUE", "false", "yes", "No",
    "Y", "off", "5 kg", "5kg", "5,5 kg", "20\u00b0C", "N/A", "NA", "-", "?", "null", "None", "nan", "inf",
    "#DIV/0!", "#N/A", "#REF!", "1O", "l5", "\u22125", "\uff15", "1/2", "\u00bd", "<5", "~ 5", "5-10", "(12)",
    "1.2.3", "1,2,3", "[1, 2]", "\u200b5", "'5'", "abc", "a few words that are long", "two\nlines", "1e5x",
)  # fmt: skip


def with_cell(cell: str) -> str:
    quoted = cell.replace('"', '""')
    return f'{HEADING}1,2,x\n"{quoted}",3,y\n'


def test_cells_that_are_not_numbers(golden: Callable[[Path, str], None], model: Path) -> None:
    messages = []
    for cell in CELLS:
        trains, answers = trained(with_cell(cell)), answered(with_cell(cell), model)
        messages.append(f"{cell!a}\n{short(trains)}\n")
        if help_of(answers) != help_of(trains):
            messages[-1] += f"predict: {help_of(answers)}\n"
    golden(GOLDEN / "cells.txt", "\n".join(messages))


def help_of(message: str) -> str:
    return "; ".join(re.findall(r"= help: (.*)", message))


@pytest.mark.parametrize("cell", ["1e5", "1E5", "-1.5e-3", "+5", ".5", "5.", " 5 ", "\u00a05", "007"])
def test_cells_that_are_numbers(cell: str) -> None:
    assert trained(with_cell(cell)) == ""


@pytest.mark.parametrize("cell", CELLS)
def test_the_suggested_number_is_accepted(cell: str) -> None:
    for number in re.findall(r"\b(?:write|or) ([-+.\w]*\d[-+.\w]*)", help_of(trained(with_cell(cell)))):
        assert trained(with_cell(number)) == "", number


@pytest.mark.parametrize("cell", ["TRUE", "false", "yes", "No", "Y", "off"])
def test_the_suggested_binary_type_is_accepted(cell: str) -> None:
    (type,) = re.findall(r"as `(bool|binary\(.*?\))`", help_of(trained(with_cell(cell))))
    spec = SPEC.replace("input a, b: float", f"input a: {type}\ninput b: float").replace(
        "concat(a", "concat(a * 1"
    )
    rows = with_cell(cell).replace("1,2,x", f"{cell},2,x")
    assert trained(rows, spec.replace("concat(a", "concat(a * 1")) == ""


@pytest.mark.parametrize("cell", ["N/A", "NA", "-", "?", "null", "#N/A", "abc", 'a "b"'])
@pytest.mark.parametrize("marks", ["", ', missing="none"', ', missing=["none", "z"]'])
def test_the_suggested_missing_setting_is_accepted(cell: str, marks: str) -> None:
    spec = SPEC.replace('"rows.csv"', f'"rows.csv"{marks}')
    (setting,) = re.findall(r"csv\(\.\.\., (missing=.*?)\)(?:;|$)", help_of(trained(with_cell(cell), spec)))
    fixed = SPEC.replace('"rows.csv"', f'"rows.csv", {setting}').replace(
        "concat(a", "concat(a -> impute(mean)"
    )
    assert trained(with_cell(cell), fixed) == ""


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("old town,2,x\nnorth,3,y\n", True),
        ("route 66,2,x\n,3,y\n", True),
        ("old town,2,x\n7,3,y\n", False),
    ],
)
def test_a_missing_mark_in_a_column_of_numbers(rows: str, words: bool) -> None:
    message = help_of(trained(HEADING + rows))
    assert "`class(auto)`" in message and ("missing=" in message) != words


@given(st.text(max_size=12), st.booleans(), st.booleans())
def test_any_text_in_a_cell_gets_a_fix(text: str, in_spec: bool, lacks: bool) -> None:
    message = help_for(text, (), in_spec=in_spec, lacks=lacks)
    assert all(map(is_decimal, re.findall(r"write ([-+.\d][-+.\de]*)$", message)))


@given(st.floats(-1e9, 1e9).map(lambda x: round(x, 2)), st.sampled_from([" kg", "%", " \u20ac", ""]),
       st.sampled_from(["_,", ",.", ".,", " ,", "'."]))  # fmt: skip
def test_numbers_in_other_notations_get_the_plain_number(number: float, unit: str, signs: str) -> None:
    text = f"{number:,.2f}".translate({ord(","): signs[0], ord("."): signs[1]}) + unit
    message = help_for(text, (), in_spec=True, lacks=False)
    if not is_decimal(text):
        assert any(float(found) == number for found in re.findall(r"write ([-\d.]+)", message)), (
            text,
            message,
        )


# --- headings -----------------------------------------------------------------------------------------------

NFD = unicodedata.normalize("NFD", "caf\u00e9")
NAMES = {
    "another case": "A,B,Kind", "a space in front": " a,b ,kind", "single quotes": "'a',b,kind",
    "a bar": "a|b|kind", "spaces": "a b kind", "wide spaces": "a   b   kind", "colons": "a:b:kind",
    "carets": "a^b^kind", "bars without a name": "u|v|w", "one name": "something",
    "a Cyrillic letter": "\u0430,b,kind", "a Greek letter": "\u03b1,b,kind", "a wide letter": "\uff41,b,kind",
    "two marks of byte order": "\ufeff\ufeffa,b,kind", "a space of no width": "a\u200b,b,kind",
    "data": "1,2,x", "numbers": "1,2,3", "no names": ",,", "names that are empty": '"","",""',
    "a name twice": "a,a,kind", "another name": "size,b,kind",
}  # fmt: skip


def test_headings(golden: Callable[[Path, str], None], model: Path) -> None:
    messages = []
    for case, heading in NAMES.items():
        signs = {"a bar": "|", "spaces": " ", "wide spaces": " ", "colons": ":", "carets": "^",
                 "bars without a name": "|", "one name": " "}  # fmt: skip
        content = f"{heading}\n{GOOD.replace(',', signs.get(case, ','))}"
        trains, answers = trained(content), answered(content, model)
        messages.append(f"{case}: {heading!a}\n{short(trains) or 'taken'}\n")
        if short(answers) not in short(trains):
            messages[-1] += f"predict:\n{short(answers)}\n"
    golden(GOLDEN / "headings.txt", "\n".join(messages))


@pytest.mark.parametrize(("wanted", "found"), [
    ("caf\u00e9", NFD), ("price", "pr\u0456ce"), ("a", "\u0430"), ("size", "\uff53ize"),
    ("unit_cost", "unit_\u0441ost"), ("time", "ti\u043ce"), ("Yield", "\u0423ield"),
])  # fmt: skip
def test_a_confusable_name_is_reported_and_both_fixes_work(wanted: str, found: str) -> None:
    spec = SPEC.replace("a, b", f"{wanted}, b").replace("concat(a", f"concat({wanted}")
    content = f"{found},b,kind\n{GOOD}"
    message = help_in(trained(content, spec))
    assert message.startswith(f'"{found}" looks the same, and ')
    assert re.search(r"[A-Z]{3,} [A-Z]{3,}", message), "the invisible character has a name"
    (renamed,) = re.findall(r'rename it "(.*?)"', message)
    assert trained(content.replace(found, renamed, 1), spec) == ""
    (line,) = re.findall(r"write (.* = column\(.*\)) in `data`", message)
    assert trained(content, spec.replace('csv("rows.csv")', f'csv("rows.csv")\n {line}')) == ""


def test_a_confusable_name_in_quotes_is_reported() -> None:
    spec = SPEC.replace('csv("rows.csv")', f'csv("rows.csv")\n a = column("{NFD}")')
    message = help_in(trained(f"caf\u00e9,b,kind\n{GOOD}", spec))
    assert message == (
        '"caf\u00e9" looks the same, and the spec has an accent as a separate character, '
        f'COMBINING ACUTE ACCENT; rename it "{NFD}"'
    )


@given(st.text(st.characters(categories=("L", "Mn")), min_size=1, max_size=8))
def test_unicode_normal_forms_are_distinguished(name: str) -> None:
    for form in ("NFC", "NFD"):
        other = unicodedata.normalize(form, name)
        assert bool(difference(name, other)) == (name != other)
    assert difference(name, name) == ""
    assert difference(f"{name}a", f"{name}b") == ""


# --- whole files --------------------------------------------------------------------------------------------


def zipped(**files: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return held.getvalue()


def made(write: Callable[[io.BytesIO], object]) -> bytes:
    held = io.BytesIO()
    write(held)
    return held.getvalue()


TABLE = pa.table({"a": [1.0, 2.0], "b": [2.0, 3.0], "kind": ["x", "y"]})
ARRAYS = {name: np.array(TABLE[name].to_pylist()) for name in TABLE.column_names}
BOTH = HEADING + GOOD
FILES: dict[str, str | bytes] = {
    "nothing": "", "blank lines": "\n\n\r\n", "a mark of byte order": "\ufeff", "only that": "\ufeff\n \n",
    "spaces": "  \n  \n", "separators": ",,\n,,\n",
    "only a heading": HEADING, "only that, unended": HEADING.strip(),
    "Latin-1": "a,b,kind\n1,2,x\n2,3,\u00e9\n".encode("latin-1"),
    "Latin-1 in the heading": "a,b,k\u00efnd\n1,2,x\n".encode("latin-1"),
    "quotes of Windows": "a,b,kind\n1,2,\u201cx\u201d\n".encode("cp1252"),
    "bytes of nothing": b"a,b,kind\n1,2,\x81\n",
    "Shift-JIS": f"{HEADING}1,2,\u6771\u4eac\n".encode("shift_jis"),
    "Cyrillic": f"{HEADING}1,2,\u041c\u043e\u0441\u043a\u0432\u0430\n".encode("cp1251"),
    "letters of DOS": f"{HEADING}1,2,L\u00e4nge\n".encode("cp850"),
    "UTF-16": BOTH.encode("utf-16"), "UTF-16 without a mark": BOTH.encode("utf-16-le"),
    "UTF-16, the other way": BOTH.encode("utf-16-be"), "UTF-32": BOTH.encode("utf-32"),
    "a NUL": f"{HEADING}1,2,x\n2,3,y\0\n",
    "a page": "<!DOCTYPE html>\n<html><body>Log in</body></html>\n", "a bare page": "\n<html><p>x</p>\n",
    "XML": '<?xml version="1.0"?>\n<rows/>\n', "JSON": '[{"a": 1, "b": 2, "kind": "x"}]\n',
    "JSON in lines": '{"a": 1, "b": 2, "kind": "x"}\n{"a": 1, "b": 2, "kind": "y"}\n',
    "a pointer of Git LFS": "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n",
    "Excel": zipped(**{"[Content_Types].xml": "<x/>", "xl/workbook.xml": "<x/>"}),
    "an old Excel": bytes.fromhex("D0CF11E0A1B11AE1") + bytes(99), "a zip": zipped(**{"rows.csv": BOTH}),
    "gzip": gzip.compress(BOTH.encode(), mtime=0),
    "Parquet": made(lambda held: parquet.write_table(TABLE, held)),
    "npz": made(lambda held: np.savez(held, **ARRAYS)), "npy": made(lambda held: np.save(held, np.ones(3))),
    "a pickle": b"\x80\x04\x95\0\0\0", "a PDF": "%PDF-1.7\n", "SQLite": b"SQLite format 3\0" + bytes(80),
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(8), "noise": bytes(range(1, 256)),
    "too few cells": f"{HEADING}1,2\n{GOOD}", "too many cells": f"{HEADING}1,2,x,9\n{GOOD}",
    "a comma at each end": "a,b,kind\n1,2,x,\n2,3,y,\n", "a title": f"Report\n{BOTH}",
    "a comment": f"{HEADING}# made by hand\n{GOOD}", "a total": f"{BOTH}total 2\n",
    "an open quote": f'{HEADING}1,2,x\n"2,3,y\n3,4,x\n',
    "an open quote at the end": f'{HEADING}1,2,"x\n2,3,y\n',
    "an open quote in a column of nobody": 'a,b,kind,note\n1,2,x,"fine\n2,3,y,good\n',
    "quotes that swallow rows": 'a,b,kind,note\n1,2,x,"3 pipes\n2,3,y,pipe\n3,4,x,"half inch"\n4,5,y,pipe\n',
    "quotes that swallow cells": 'a,b,note,kind\n1,2,"3 pipes,x\n2,3,"half inch",y\n4,5,pipe,y\n',
    "quotes behind backslashes": 'a,b,kind,note\n1,2,x,"said \\"no\\""\n2,3,y,good\n',
    "quotes behind backslashes, and a comma": 'a,b,kind,note\n1,2,x,"said \\"no, no\\""\n2,3,y,good\n',
    "a backslash at the end of a cell": 'a,b,kind,note\n1,2,x,"C:\\"\n2,3,y,"D:\\"\n',
    "single quotes": f"{HEADING}1,2,'x'\n2,3,'y'\n",
    "cells of several lines": 'a,b,kind,note\n1,2,x,"said ""no"",\nthen left"\n2,3,y,"5"" wide"\n',
    "names of rows": f"{HEADING}one,1,2,x\ntwo,2,3,y\n", "units": f"{HEADING}mm,kg,-\n{GOOD}",
    "a second heading": f"{HEADING}mean,mean,first\n{GOOD}", "empty rows": f"{BOTH},,\n{GOOD},,\n",
    "the heading twice": BOTH + BOTH,
    "the heading twice, with its mark": f"{BOTH}\ufeff{BOTH}",
    "words for a number in the first row": f"{HEADING}one,2,x\n{GOOD}",
    "points for thousands": 'a,b,kind\n"1.234","2,5",x\n"2.345","3,5",y\n',
    "points for thousands, twice": 'a,b,kind\n1.234.567,2,x\n"2.345",3,y\n',
    "semicolons": "a;b;kind\n1;2;x\n2;3;y\n", "decimal commas": "a;b;kind\n1;2,5;x\n2;3;y\n",
    "tabs": "a\tb\tkind\n1\t2\tx\n2\t3\ty\n",
    "several marks": f"{HEADING}NA,2,x\n3,?,y\n4,5,x\n-,n/a,y\n",
    "a narrow column": f"{HEADING}####,2,x\n{GOOD}",
    "an inch": 'a,b,kind,note\n1,2,x,5" wide\n2,3,y,good\n',
    "carriage returns": BOTH.replace("\n", "\r"), "both": BOTH.replace("\n", "\r\n"),
}  # fmt: skip


def test_files(golden: Callable[[Path, str], None], model: Path) -> None:
    messages = []
    for case, content in FILES.items():
        trains, answers = trained(content), answered(content, model)
        messages.append(f"{case}\n{short(trains) or 'taken'}\n")
        if short(answers) != short(trains):
            messages[-1] += f"predict: {short(answers) or 'taken'}\n"
    golden(GOLDEN / "files.txt", "\n".join(messages))


@pytest.mark.parametrize("name", ["PAR1", "BZh", "ARROW1", "PK", "SQLite format 3", "{a}", "[a]", "%", "<b>"])
def test_columns_may_be_named_like_magic_numbers(name: str) -> None:
    spec = SPEC.replace('csv("rows.csv")', f'csv("rows.csv")\n a = column("{name}")')
    assert trained(f"{name},b,kind\n{GOOD}", spec) == ""


@pytest.mark.parametrize("case", ["Parquet", "npz"])
def test_a_file_with_a_wrong_suffix_is_read_after_the_suggested_fix(case: str, model: Path) -> None:
    content = FILES[case]
    (source,) = re.findall(r"`(\w+\(.*?\))` reads it", help_in(trained(content)))
    assert trained(content, SPEC.replace('csv("rows.csv")', source)) == ""
    (ending,) = re.findall(r"let its name end in (\.\w+)", help_in(answered(content, model)))
    Path(f"rows{ending}").write_bytes(Path("rows.csv").read_bytes())
    assert CliRunner().invoke(commands, ["predict", str(model), f"rows{ending}"]).exit_code == 0


def test_an_unclosed_quote_in_a_large_file_is_reported_with_its_line() -> None:
    message = trained(f'{HEADING}1,2,x\n1,"2,x\n' + "1,2,x\n" * 1_500_000)
    assert "the quote that opens in line 3 is not closed" in message
    assert help_in(message).startswith("close it; ")


SETTINGS = ["semicolons", "decimal commas", "tabs", "Latin-1", "UTF-16", "UTF-16 without a mark",
            "UTF-16, the other way", "UTF-32", "a comment"]  # fmt: skip


@pytest.mark.parametrize("case", SETTINGS)
def test_a_file_is_read_with_the_suggested_settings(case: str) -> None:
    content = FILES[case]
    (settings,) = re.findall(r"csv\(\.\.\., (.*)\)$", help_in(trained(content)))
    spec = SPEC.replace("dense(2)", "dense(3)").replace("class(x, y)", 'class(x, y, "\u00e9")')
    spec = spec.replace('"rows.csv"', f'"rows.csv", {settings}')
    assert trained(content, spec) == ""


@pytest.mark.parametrize(("encoding", "words"), [
    ("cp1252", "Gen\u00e8ve S\u00fcd \u201cx\u201d \u201e\u00d6l\u201c Gr\u00f6\u00dfe \u00e9"),
    ("cp1252", "5\u20ac 20\u00b0C km\u00b2 Zo\u00eb\u2019s"),
    ("shift_jis", "\u6771\u4eac \u5927\u962a \u30ab\u30ca \u5927\u962a\u5e9c"),
    ("gb18030", "\u5317\u4eac"), ("euckr", "\uc11c\uc6b8"), ("cp1251", "\u0434\u0430"),
    ("cp1251", "\u041c\u043e\u0441\u043a\u0432\u0430"), ("cp1253", "\u0395\u03bb\u03bb\u03ac\u03b4\u03b1"),
    ("cp850", "L\u00e4nge caf\u00e9"), ("macintosh", "Gen\u00e8ve"), ("cp1250", "\u0141\u00f3d\u017a"),
])  # fmt: skip
def test_the_suggested_encoding_decodes_the_words(encoding: str, words: str) -> None:
    message = no_utf8(f"{HEADING}1,2,{words}\n".encode(encoding))
    assert ("iconv -f cp1252" in message) == (encoding == "cp1252")
    assert encoding in message


def test_a_long_word_of_any_bytes_is_inspected_quickly() -> None:
    assert no_utf8(b"a" * 1_000_000 + b"\xe9\x81" + b"\xe9" * 1_000_000).startswith("line 1 holds")


@pytest.mark.parametrize(("words", "declared"), [
    ("Yes No", 'binary("No", "Yes")'), ("N Y N", 'binary("N", "Y")'), ("shut open", 'binary("open", "shut")'),
    ("Yes", ""), ("a b c", "class(auto)"),
])  # fmt: skip
@pytest.mark.parametrize("type", ["bool", "binary"])
def test_the_suggested_binary_names_are_accepted(words: str, declared: str, type: str) -> None:
    spec = SPEC.replace("a, b: float", f"a: {type}\ninput b: float").replace("concat(a", "concat(a * 1")
    content = HEADING + "".join(f"{word},{place},x\n" for place, word in enumerate(words.split()))
    message = trained(content, spec)
    assert re.findall(r"`((?:binary|class)\(.*?\))`", message) == ([declared] if declared else [])
    if declared.startswith("binary"):
        assert trained(content, spec.replace(f"a: {type}", f"a: {declared}")) == ""


def test_a_typo_in_a_binary_name_gets_the_nearest_name() -> None:
    spec = SPEC.replace("a, b: float", 'a: binary("no", "yes")\ninput b: float').replace(
        "concat(a", "concat(a * 1"
    )
    assert help_in(trained(f"{HEADING}Yes,1,x\n", spec)) == "did you mean `yes`?"


def test_row_names_are_read_after_the_suggested_fix() -> None:
    content = str(FILES["names of rows"])
    assert "begin the heading with a comma" in help_in(trained(content))
    assert trained(f",{content}") == ""


ENDS = {"rows.parquet": FILES["Parquet"], "rows.npz": FILES["npz"]}


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize(("content", "help"), [
    (None, "its end is missing: download or write it again"),
    (FILES["a pointer of Git LFS"],
     "it is a Git LFS pointer: `git lfs pull` fetches the file"),
    (FILES["a page"], "it is an HTML page, such as a login page: download the file itself"),
    (FILES["gzip"], "it is compressed by gzip: unpack it"),
    (FILES["npy"], "it is one NumPy array (.npy): write it with its names as an npz file: `numpy.savez`"),
    (BOTH, "it is text: let its name end in .csv, if it is a table"),
])  # fmt: skip
def test_other_files_with_a_wrong_suffix(name: str, content: str | bytes | None, help: str) -> None:
    whole = ENDS[name]
    assert isinstance(whole, bytes)
    held = whole[: len(whole) // 2] if content is None else content
    Path(name).write_bytes(held.encode() if isinstance(held, str) else held)
    with pytest.raises(dlc.CompileError) as caught:
        dlc.compile(text=SPEC).fit(name)
    assert [(d.code, d.help) for d in caught.value.diagnostics] == [("E0702", help)]


@pytest.mark.parametrize("array", [
    np.array(["x", "y"], object), np.ones(2, complex), np.zeros(2, [("a", "f4")]),
    np.array(["2024-01-01"] * 2, "M8[D]"), np.array([b"x", b"y"]),
])  # fmt: skip
def test_arrays_that_are_neither_numbers_nor_text_get_a_fix(array: np.ndarray) -> None:
    np.savez("rows.npz", a=array, b=np.ones(2), kind=np.array(["x", "y"]))
    with pytest.raises(dlc.CompileError) as caught:
        dlc.compile(text=SPEC).fit("rows.npz")
    assert all(d.help for d in caught.value.diagnostics)


@pytest.mark.parametrize("name", ["rows.parquet", "rows.npz"])
@pytest.mark.parametrize("content", [b"", b"a,b,kind\n1,2,x\n", None])
def test_other_empty_files(name: str, content: bytes | None) -> None:
    if content is not None:
        Path(name).write_bytes(content)
    elif name.endswith("npz"):
        np.savez(name)
    else:
        parquet.write_table(pa.table({}), name)
    with pytest.raises(dlc.CompileError) as caught:
        dlc.compile(text=SPEC).fit(name)
    assert [d.code for d in caught.value.diagnostics] == ["E0708" if content is None else "E0702"]


VECTOR = "input x: float[3]\noutput y: float\nx -> dense(1) -> y\ntrain { epochs = 1 }\n"


@pytest.mark.parametrize("heading", ["x0,x1,x2,y", "x_1,x_2,x_3,y", "a,b,c,y", "X0,X1,X2,y"])
def test_a_vector_is_filled_from_the_suggested_columns(heading: str) -> None:
    Path("rows.csv").write_text(f"{heading}\n" + "1,2,3,4\n" * 10)
    message = trained(Path("rows.csv").read_text(), VECTOR + 'data { source = csv("rows.csv") }\n')
    names = ", ".join(f'"{name}"' for name in heading.split(",")[:3])
    written = f"x = columns({names})"
    assert f"help: name its 3 columns: {written} in `data`" in message
    fixed = VECTOR + f'data {{ source = csv("rows.csv")\n{written} }}\n'
    assert not trained(Path("rows.csv").read_text(), fixed)


def test_a_model_has_no_section_for_its_data() -> None:
    rows = {"x": np.ones((10, 3)), "y": np.ones(10)}
    model = str(dlc.train(text=VECTOR, data=rows, out="runs").model)
    for heading in ("x0,x1,x2", "a,b,c", "x"):
        Path("rows.csv").write_text(heading + "\n" + ",".join("1" * (heading.count(",") + 1)) + "\n")
        done = CliRunner().invoke(commands, ["predict", model, "rows.csv"])
        assert "help: name 3 columns `x`, in the order of its places" in done.stderr
        assert "`data`" not in done.stderr
    Path("rows.csv").write_text("x,x,x\n1,2,3\n")
    assert CliRunner().invoke(commands, ["predict", model, "rows.csv"]).exit_code == 0


def test_only_paths_of_a_spec_are_relative_to_it() -> None:
    Path("sub").mkdir()
    Path("sub/q.dl").write_text(VECTOR + 'data { source = csv("nope.csv") }\n')
    for data, relative in ((None, True), ("nope.csv", False)):
        with pytest.raises(dlc.CompileError, match="there is no file nope") as caught:
            dlc.train("sub/q.dl", data=data)
        assert ("paths are relative to the spec" in str(caught.value)) is relative


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("rows.json", "`.json` is not read"),
        ("rows.xlsx", "`.xlsx` is not read"),
        ("rows", "it has no ending that says what it holds"),
        ("rows.gz", "it has no ending that says what it holds"),
    ],
)
def test_the_format_of_a_file_is_its_suffix(name: str, why: str, model: Path) -> None:
    Path(name).write_text("[]")
    done = CliRunner().invoke(commands, ["eval", str(model), name])
    assert done.stderr.startswith(
        f"error[E0701]: {name}: {why}\n  = help: csv (.csv, .tsv, also with .gz or .zst), parquet"
    )


def labelled(kind: str, labels: str) -> str:
    """The message for rows with these labels."""
    units = 1 if kind.startswith("binary") else "k.classes"
    spec = (
        f"input x: float\noutput k: {kind}\nx -> dense({units}) -> k\n"
        'data { source = csv("rows.csv") }\ntrain { epochs = 1 }\n'
    )
    return trained("x,k\n" + "".join(f"{n},{label}\n" for n, label in enumerate(labels.split() * 5)), spec)


def test_classes_counted_from_one_are_accepted_as_auto() -> None:
    help = "help: classes are counted from 0; `class(auto)` takes them as they are"
    assert help in labelled("class(3)", "1 2 3")
    assert not labelled("class(auto)", "1 2 3")


@pytest.mark.parametrize("label", ["-1", "255"])
def test_labels_that_other_programs_ignore(label: str) -> None:
    fix = f"class(3, ignore={label})"
    assert fix in labelled("class(3)", f"0 1 2 {label}")
    assert "ignore" not in labelled("class(3)", f"0 1 2 {label} 7")
    assert not labelled(fix, f"0 1 2 {label}")


@pytest.mark.parametrize(
    ("labels", "meant"),
    [
        ("2 1", 'binary("1", "2")'),
        ("2.0 1.0", 'binary("1.0", "2.0")'),
        ("1 -1", 'binary("-1", "1")'),
        ("stayed churned", 'binary("churned", "stayed")'),
    ],
)
def test_two_labels_are_named_in_the_type(labels: str, meant: str) -> None:
    assert f"help: which of them means no? write it first: `{meant}`" in labelled("binary", labels)
    assert not labelled(meant, labels)


@pytest.mark.parametrize("labels", [[1, 2], [1.0, 2.0], [-1, 1]])
def test_two_labels_of_arrays_are_named_in_the_type(labels: list[float]) -> None:
    rows = {"x": np.ones(10), "k": np.array(labels * 5)}
    spec = "input x: float\noutput k: binary\nx -> dense(1) -> k\ntrain { epochs = 1 }\n"
    with pytest.raises(dlc.CompileError) as caught:
        dlc.train(text=spec, data=rows)
    declared = caught.value.diagnostics[0].help.split("`")[1]
    assert dlc.train(text=spec.replace("binary", declared), data=rows).model.exists()


def test_more_than_two_numbers_are_not_binary() -> None:
    assert "which of them" not in labelled("binary", "1 2 3")
    assert "which of them" not in labelled("binary", "0.5 1.5")
    assert 'the no first: `binary("off", "on")`' in labelled("binary", "on off")
