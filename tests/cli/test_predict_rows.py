"""`dlc predict`: rows on standard input, and columns of the rows that are kept beside the answers."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from stories import IRIS, dlc, write

from dlc.cli import commands

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
FLOWERS = """id,sepal_length,sepal_width,petal_length,petal_width,note
00501,5.1,3.5,1.4,0.2,"small, white"
7,6.7,3.0,5.2,2.3,
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("iris")
    text = IRIS + "train { optimizer = adam(lr=0.05)\n epochs = 10\n batch = 16 }\n"
    assert dlc("train", write(folder, "iris.dl", text), "--out", folder).exit_code == 0
    return folder / "iris" / "latest" / "model.onnx"


def predict(model: Path, text: str | bytes, *more: str) -> Result:
    return CliRunner().invoke(commands, ["predict", str(model), "-", *more], input=text)


def test_answers_to_standard_input_are_those_to_a_file(model: Path, tmp_path: Path) -> None:
    wanted = dlc("predict", model, write(tmp_path, "flowers.csv", FLOWERS)).output
    assert wanted.splitlines()[1].startswith("setosa,")
    assert predict(model, FLOWERS).output == wanted
    tabs = predict(model, FLOWERS.replace(",", "\t"))
    assert "its separator looks like a tab: separate its cells by a comma" in tabs.stderr
    rows = [{n: float(row[n]) for n in NAMES} for row in csv.DictReader(FLOWERS.splitlines())]
    texts = (json.dumps(rows), "\ufeff" + json.dumps(rows, indent=2), "\n\n".join(map(json.dumps, rows)))
    for text in texts:
        assert predict(model, text).output == wanted


def test_metrics_of_standard_input(model: Path) -> None:
    rows = (
        FLOWERS.replace("note\n", "species\n")
        .replace('"small, white"', "setosa")
        .replace("2.3,", "2.3,setosa")
    )
    done = CliRunner().invoke(commands, ["eval", str(model), "-"], input=rows)
    assert done.output == "2 rows of standard input\naccuracy  0.5000\n"


def test_kept_columns_stand_before_the_answers(model: Path) -> None:
    done = predict(model, FLOWERS, "--keep", "note", "--keep", "id", "--keep", "petal_width")
    rows = list(csv.reader(done.output.splitlines()))
    assert rows[0][:4] == ["note", "id", "petal_width", "species"]
    assert [row[:4] for row in rows[1:]] == [
        ["small, white", "00501", "0.2", "setosa"],
        ["", "7", "2.3", "virginica"],
    ]
    answers = json.loads(predict(model, FLOWERS, "--keep", "id", "--format", "json").output)
    assert [list(answer)[:2] for answer in answers] == [["id", "species"]] * 2
    assert [answer["id"] for answer in answers] == ["00501", "7"]


def test_columns_without_names_are_kept_by_their_numbers(tmp_path: Path) -> None:
    text = "input a, b: float\noutput y: float\nconcat(a, b) -> dense(1) -> y\n" \
        'data { source = csv("rows.csv", header=false, separator="|", decimal=",") }\n'  # fmt: skip
    write(tmp_path, "rows.csv", "1|2|3\n2|3,5|5\n")
    done = dlc("train", write(tmp_path, "m.dl", text + "train { epochs = 1 }\n"), "--out", tmp_path)
    assert done.exit_code == 0, done.output
    unnamed = tmp_path / "m" / "latest" / "model.onnx"
    lines = predict(unnamed, '1|2|"a|b"\n2,5|3|c\n', "--keep", "field 3", "--keep", "field 1").output
    assert [line.rpartition(",")[0] for line in lines.splitlines()[1:]] == [
        "a|b,1", 'c,"2,5"',
    ]  # fmt: skip
    assert lines.startswith("field 3,field 1,y\n")
    assert 'it has "field 1", "field 2"' in predict(unnamed, "1|2\n", "--keep", "3").stderr
    assert "its separator looks like a semicolon" in predict(unnamed, "1;2\n3;4\n").stderr


def test_kept_numbers_have_all_their_digits(model: Path, tmp_path: Path) -> None:
    columns = {name: [1.0, 2.0] for name in NAMES}
    kept = {"number": [1234567890123, None], "fraction": [0.1234567890123, float("nan")], "is": [True, None]}
    pq.write_table(pa.table(columns | kept), tmp_path / "rows.parquet")
    keep = [word for name in kept for word in ("--keep", name)]
    lines = dlc("predict", model, tmp_path / "rows.parquet", *keep).output.splitlines()
    assert lines[1].startswith("1234567890123,0.1234567890123,true,")
    assert lines[2].startswith(",,,")
    answers = json.loads(dlc("predict", model, tmp_path / "rows.parquet", *keep, "--format", "json").output)
    assert [[a[name] for name in kept] for a in answers] == [
        [1234567890123, 0.1234567890123, True],
        [None, None, None],
    ]


def test_kept_vectors_and_labels(model: Path, tmp_path: Path) -> None:
    arrays: dict[str, Any] = {name: np.ones(2, np.float32) for name in NAMES}
    np.savez(tmp_path / "rows.npz", **arrays, code=np.arange(4).reshape(2, 2))
    done = dlc("predict", model, tmp_path / "rows.npz", "--keep", "code")
    assert [line.split(",")[:2] for line in done.output.splitlines()] == [
        ["code.0", "code.1"],
        ["0", "1"],
        ["2", "3"],
    ]
    assert (
        dlc("predict", model, "iris", "--keep", "target").output.splitlines()[1].startswith("setosa,setosa,")
    )


def test_no_rows_give_a_heading_and_a_note(model: Path) -> None:
    done = predict(model, FLOWERS.splitlines()[0], "--keep", "id")
    assert done.stdout.startswith("id,species,")
    assert done.stderr == "note: standard input has a heading and no rows\n"


NO_COLUMN, NO_JSON = "standard input has no column", "standard input cannot be read as JSON:"
ERRORS = {
    "two names": (FLOWERS, ["--keep", "id,sepal_width"],
                  "= help: give each by itself: --keep id --keep sepal_width"),
    "a name misspelt": (FLOWERS, ["--keep", "idd"],
                        f'{NO_COLUMN} "idd", which is to be kept\n  = help: did you mean `id`?'),
    "another name": (FLOWERS, ["--keep", "weight"], '  = help: it has "id", "sepal_length", "sepal_width", '),
    "a name twice": (FLOWERS.replace("note", "id"), ["--keep", "id"],
                     'standard input has several columns named "id"'),
    "the name of an output": (FLOWERS.replace("note", "species"), ["--keep", "species"],
                              '"species" cannot be kept: an output of the model has this name'),
    "nothing": ("", [], "standard input is empty"),
    "no JSON rows": ("[]", [], "standard input has no rows"),
    "broken JSON": ('{"a": 1}\n{b}', [], f"{NO_JSON} line 2: not JSON"),
    "a JSON list": ("[[1, 2]]", [], f"{NO_JSON} row 1 is not an object"),
    "JSON in another encoding": (b'{"\xff": 1}', [], f"{NO_JSON} not text in UTF-8"),
    "a missing field": ('{"sepal_length": 1}', [], f'{NO_COLUMN} "sepal_width"'),
    "a missing value": ("[" + json.dumps(dict.fromkeys(NAMES, 1)) + ", {}]", [],
                        'standard input, row 2, field "sepal_length": the value is missing'),
    "a text": (FLOWERS.replace("3.0", "wide"), [],
               'standard input, row 2 (line 3), column "sepal_width": "wide" is not a number'),
    "another file": (b"PAR1" + bytes(100), [], "standard input cannot be read as a csv file"),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_wrong_rows_and_names(case: str, model: Path) -> None:
    text, more, why = ERRORS[case]
    done = predict(model, text, *more)
    assert (done.exit_code, done.stdout) == (1, "")
    assert why in done.stderr, done.stderr


def test_other_commands_take_no_standard_input(tmp_path: Path) -> None:
    done = dlc("train", write(tmp_path, "iris.dl", IRIS), "--data", "-")
    assert done.stderr == "error: -: no such file or folder, and no built-in set\n"
