"""The settings of `csv`: pandas reads the same values, and `predict` and `eval` read the same format."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from fields import AUTO, csv_of, error_of, errors_of, read, target, wanted
from hypothesis import given, settings
from hypothesis import strategies as st

import dlc
from dlc.cli import commands
from dlc.compiler import CompileError
from dlc.compiler.definitions.sections import ColumnField, Csv
from dlc.runtime.artifact import evaluate, load
from dlc.runtime.data import read_rows
from dlc.runtime.data.sources.csv_text import as_utf8, without_comments

TABLE = """# made by hand; 5" wide
size;weight;make
1,5;900;"Müller; Söhne"
;-1.200,25;Öl
# "not closed
2;1e3;"two
# lines"
"""


def test_every_setting_at_once(tmp_path: Path) -> None:
    text = TABLE.replace("-1.200,25", "-1200,25")
    source = Csv(path="cars.csv", separator=";", decimal=",", encoding="cp1252", comment="#")
    (tmp_path / "cars.csv").write_text(text, "cp1252")
    fields = wanted("weight"), target("make", "class", classes=AUTO)
    data = read(source, *fields, folder=tmp_path)
    assert data.train["weight"].tolist() == [900, np.float32(-1200.25), 1000]
    assert data.classes["found"].names == ("Müller; Söhne", "two\n# lines", "Öl")
    assert data.train.place(2) == "cars.csv, row 3 (line 6)"
    found = error_of(read, source, wanted("size"), folder=tmp_path)
    assert found.message == 'cars.csv, row 2 (line 4), column "size": the value is missing'


SIGNS = st.sampled_from([",", ";", "\t", "|", " "])
CELLS = st.text(st.characters(codec="cp1252", exclude_categories=("Cc",)), max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-1e6, 1e6, width=32), CELLS), min_size=1, max_size=6), SIGNS,
       st.sampled_from([".", ","]), st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-32-le"]),
       st.booleans())  # fmt: skip
def test_values_are_those_of_pandas(
    tmp_path_factory: Any, rows: list[tuple[float, str]], sign: str, decimal: str, encoding: str, header: bool
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    frame = pd.DataFrame(rows, columns=["x", "word"])
    given = {"sep": sign, "decimal": decimal, "encoding": encoding}
    frame.to_csv(folder / "rows.csv", index=False, header=header, quoting=1, **given)
    expected = pd.read_csv(folder / "rows.csv", header=0 if header else None, names=["x", "word"],
                           dtype={"word": str}, keep_default_na=False, **given)  # fmt: skip
    source = Csv(path="rows.csv", separator=sign, decimal=decimal, encoding=encoding, header=header)
    found = read(source, wanted("x"), wanted("word", "string"), folder=folder).train
    assert found["x"].tolist() == expected["x"].astype(np.float32).tolist()
    assert found["word"].tolist() == expected["word"].tolist()


@given(st.text('ab"#,;\n\r', max_size=60), st.integers(1, 9))
def test_comments_do_not_depend_on_the_pieces_of_the_file(text: str, size: int) -> None:
    whole = b"".join(without_comments([text.encode()], "#", ","))
    data = text.encode()
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    assert b"".join(without_comments(pieces, "#", ",")) == whole
    assert whole.count(b"\n") == data.count(b"\n") and whole.count(b"\r") == data.count(b"\r")


def test_lines_in_quoted_cells_are_no_comments() -> None:
    text = b'\xef\xbb\xbf#a\r\nx,"b\n#c""\n#d"\n#"e\n"f"#g\n# h, "i'
    assert b"".join(without_comments([text], "#", ",")) == b'\r\nx,"b\n#c""\n#d"\n\n"f"#g\n'
    assert b"".join(without_comments([b"//a\n/b\n"], "//", ",")) == b"\n/b\n"


@given(st.text(max_size=40), st.sampled_from(["utf-16", "utf-32-be", "utf-7", "gb18030", "utf-16-le"]),
       st.integers(1, 5))  # fmt: skip
def test_text_is_decoded_in_pieces(text: str, encoding: str, size: int) -> None:
    data = text.encode(encoding, "ignore")
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    assert b"".join(as_utf8(pieces, encoding)).decode() == data.decode(encoding).removeprefix("\ufeff")


def test_bytes_of_another_encoding_are_an_error_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes("x\n1\n2\n".encode("utf-16-le") + b"\x00\xd8\x00\x00")
    found = error_of(read, Csv(path="rows.csv", encoding="utf-16-le"), wanted("x"), folder=tmp_path)
    assert found.code == "E0702" and "line 4 holds bytes that are no utf-16-le text" in found.message


@pytest.mark.parametrize(("settings", "message"), [
    ('separator=";;"', "expected one ASCII sign in quotes or `tab`"), ('separator="\\""', "expected one"),
    ('separator="a"', "expected one ASCII sign"), ('decimal=";"', 'expected "." or ","'),
    ('encoding="utf-9"', "did you mean `utf-8`"), ('encoding="rot13"', "Python has none that is called"),
    ('encoding="idna"', "Python has none"), ('comment=""', "expected a sign in quotes or none"),
    ("header=1", "expected true or false"), ('sep=";"', "it is called `separator` here"),
])  # fmt: skip
def test_settings_that_are_refused(settings: str, message: str) -> None:
    with pytest.raises(CompileError) as caught:
        dlc.compile(text=f'{SPEC}data {{ source = csv("rows.csv", {settings}) }}\n')
    assert message in str(caught.value)


SPEC = """input size, weight: float
output make: class(auto)
(size, weight) -> concat -> standardize -> dense(make.classes) -> make
train { epochs = 1 }
"""


def test_whole_numbers_with_decimal_commas_are_classes_and_marks_of_missing_values(tmp_path: Path) -> None:
    source = csv_of(
        tmp_path, "x;k\n1,0;3,0\n-1,0;5,0\n-1;1,0\n", separator=";", decimal=",", missing=("-1,0",)
    )
    x = wanted("x", "class", classes=AUTO)
    data = read(source, x, target("k", "class", classes=AUTO), folder=tmp_path)
    assert data.classes["found"].labels == (1, 3, 5)
    assert read(source, x, folder=tmp_path).train["x"].tolist() == [0, -1, -1]


@pytest.mark.parametrize(("cell", "help"), [
    ("1.5", 'write 1,5'), ("1.234", "write 1234 or 1,234"), ("1.234,5", "write 1234,5"), ("$3", "write 3"),
])  # fmt: skip
def test_numbers_in_another_notation_than_decimal_commas(cell: str, help: str, tmp_path: Path) -> None:
    source = csv_of(tmp_path, f"x;y\n2,5;1\n{cell};2\n", separator=";", decimal=",")
    assert help in error_of(read, source, wanted("x"), folder=tmp_path).help


PLAIN = "1;2;x\n3;4;y\n\n5;6;x\n"


def test_columns_without_names_fill_inputs_then_targets_in_order(tmp_path: Path) -> None:
    source = csv_of(tmp_path, PLAIN, separator=";", header=False)
    a, pair = wanted("a"), wanted("pair", "float", 2)
    k = target("k", "class", classes=("x", "y"))
    rows = read(source, k, pair, folder=tmp_path).train
    assert rows["pair"].tolist() == [[1, 2], [3, 4], [5, 6]] and rows["k"].tolist() == [0, 1, 0]
    assert rows.place(2) == "rows.csv, row 3 (line 4)"
    assert read(source, a, folder=tmp_path).train["a"].tolist() == [1, 3, 5]  # others are ignored
    named = error_of(read, source, wanted("a", source=ColumnField(column="a")), folder=tmp_path)
    assert "has no names, so no column can be chosen for `a`" in named.message
    too_few = error_of(read, csv_of(tmp_path, PLAIN, header=False), a, pair, folder=tmp_path)
    assert (too_few.code, "separate its cells by a comma" in too_few.help) == ("E0703", True)


def test_the_first_line_is_a_heading_although_it_is_read_as_a_row(tmp_path: Path) -> None:
    source = csv_of(tmp_path, "u;v\n1,5;2\n3;4\n", header=False, separator=";", decimal=",")
    found = errors_of(read, source, wanted("a"), wanted("b"), folder=tmp_path)
    assert found == [("E0705", 'rows.csv, row 1 (line 1): no cell is a number: "u", "v"')]


STORY = """input size: float
input noise: float
output make: class(auto)
output weight: float
size -> reshape(1) -> standardize -> dense(make.classes) -> make
(size, noise) -> concat -> dense(1) -> weight
export { outputs = [make] }
train { epochs = 1 }
data { source = csv("rows.csv", separator="|", decimal=",", encoding="utf-16", comment="%", header=HEADER) }
"""
ROWS = "% by hand\n1,5|0|ä|2,5\n2,5|1|b|1\n% more\n3,5|1|ä|0\n"


@pytest.mark.parametrize("header", [True, False])
def test_predict_and_eval_read_the_format_of_the_training_rows(
    header: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a heading too, where the artifact takes fewer columns than the training."""
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text("size|noise|make|weight\n" * header + ROWS, "utf-16")
    Path("story.dl").write_text(STORY.replace("HEADER", str(header).lower()), "utf-8")
    artifact = load(dlc.train("story.dl").model)
    makes = evaluate.predict(artifact, Path("rows.csv")).answers["make"]
    assert makes.tolist() == artifact.run({"size": np.float32([1.5, 2.5, 3.5])})["make"].tolist()
    found = evaluate.evaluate(artifact, Path("rows.csv"))
    share = np.mean(makes == np.array(["ä", "b", "ä"]))
    assert (found.rows, found.figures["accuracy"]) == (3, pytest.approx(share))


def test_an_artifact_of_a_spec_without_its_data_knows_the_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = STORY.replace("HEADER", "false").replace("standardize -> ", "")
    Path("m.dl").write_text(text.replace("class(auto)", "class(b, ä)").replace("size, noise", "noise, size"))
    done = CliRunner().invoke(commands, ["export", "m.dl", "-o", "m.onnx"])
    assert done.exit_code == 0, done.output
    Path("rows.csv").write_text(ROWS.replace("|0|", "|zero|"), "utf-16")
    assert len(evaluate.predict(load("m.onnx"), Path("rows.csv")).answers["make"]) == 3


def test_a_tsv_file_has_tabs_under_all_settings(tmp_path: Path) -> None:
    (tmp_path / "rows.tsv").write_text("x\ty\n1,5\t2\n")
    for like in (None, Csv(path="", separator=";", decimal=",")):
        rows = read_rows(tmp_path / "rows.tsv", [wanted("y")], like)
        assert rows["y"].tolist() == [2]


def test_a_gzipped_file_in_another_encoding(tmp_path: Path) -> None:
    import gzip

    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress("x\n1\n#\n2\n".encode("utf-16")))
    source = Csv(path="rows.csv.gz", encoding="utf-16", comment="#")
    assert read(source, wanted("x"), folder=tmp_path).train["x"].tolist() == [1, 2]


def plain_comments(text: str) -> str:
    """The same, character by character."""
    lines: list[str] = []
    opened = False
    for line in re.findall(r"[^\r\n]*(?:[\r\n]|\Z)", text):
        if not opened and line.startswith("#"):
            lines.append(line[len(line.rstrip("\r\n")) :])
            continue
        lines.append(line)
        place = 0
        while place < len(line):
            if line[place] == '"' and opened:
                opened = line[place + 1 : place + 2] == '"'
                place += opened
            elif line[place] == '"':
                opened = place == 0 or line[place - 1] == ","
            place += 1
    return "".join(lines)


@given(st.lists(st.sampled_from(["#", '"', '""', ",", "\n", "\r\n", "a", '"b"', '\n"', "\n#"]), max_size=25))
def test_comments_are_those_found_character_by_character(parts: list[str]) -> None:
    text = "".join(parts) + "\n"
    assert b"".join(without_comments([text.encode()], "#", ",")).decode() == plain_comments(text)
