"""Decoded answers as users get them: from Python and from `dlc predict`, as texts, names and numbers."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from decoded_specs import prompts

import dlc
from dlc.cli import commands

SPEC = """input  given: class(auto)[S]
output found: class(CLASSES)[T]

memory = given -> embedding(16) -> gru(32)
net speak(said, memory) {
  heard = said -> embedding(16) -> gru(32)
  seen  = heard -> attention(memory, heads=2)
  return (heard, seen) -> concat(axis=-1) -> dense(found.classes)
}
speak(shift(found.target), memory) -> found

DATA
train {
  epochs    = 60
  until     = train.edit_distance <= 0
  batch     = 16
  optimizer = adam(lr=0.01)
  clip      = norm(1)
}
export { decode = greedy(found, max=8) }
"""
LETTERS = "abcd"
MEANT = {"a": "yes", "b": "no", "c": "it may be", "d": ""}


def run(*words: Any, given: str | None = None) -> Result:
    done = CliRunner().invoke(commands, list(map(str, words)), input=given)
    assert done.exit_code == 0, done.output
    return done


def write(path: Path, *rows: tuple[str, ...]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def words(count: int) -> list[str]:
    """Random letters, one to three a row."""
    draw = random.Random(0)
    return ["".join(draw.choices(LETTERS, k=draw.randint(1, 3))) for _ in range(count)]


def trained(folder: Path, classes: str, data: str, rows: Any = None) -> dlc.Result:
    text = SPEC.replace("CLASSES", classes).replace("DATA", data)
    result = dlc.train(text=text, data=rows, out=folder) if rows else train_file(folder, text)
    assert result.figures["train"]["edit_distance"] == 0
    return result


def train_file(folder: Path, text: str) -> dlc.Result:
    (folder / "m.dl").write_text(text)
    return dlc.train(folder / "m.dl", out=folder)


@pytest.fixture(scope="module")
def sayings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Letters in, words out; `d` says nothing, so a row of it alone has an empty answer."""
    folder = tmp_path_factory.mktemp("sayings")
    said = [(row, " ".join(filter(None, map(MEANT.get, row)))) for row in words(120)]
    write(folder / "rows.csv", ("given", "found"), *said)
    data = 'data {\n  source = csv("rows.csv")\n  found  = column("found", unit=word)\n}'
    return trained(folder, "auto", data).model


def test_words_are_joined_by_spaces(sayings: Path) -> None:
    """Each answer is that of the row alone, and ends where it ends."""
    found = dlc.load(sayings).predict({"given": ["ab", "c", "d", "cba"]})["found"]
    assert found.tolist() == ["yes no", "it may be", "", "it may be no yes"]
    for given, answer in zip(("ab", "c", "d", "cba"), found, strict=True):
        assert dlc.load(sayings).predict({"given": [given]})["found"].tolist() == [answer]


def test_predict_writes_a_text_a_row(sayings: Path, tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.csv", ("given",), ("ab",), ("d",), ("c",))
    assert run("predict", sayings, rows).stdout == 'found\nyes no\n""\nit may be\n'
    found = json.loads(run("predict", sayings, rows, "--format", "json", "--keep", "given").stdout)
    assert found[0] == {"given": "ab", "found": "yes no"}
    assert found[1] == {"given": "d", "found": ""}
    assert run("predict", sayings, "-", given="given\nc\n").stdout == "found\nit may be\n"


def test_files_without_rows(sayings: Path, tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.csv", ("given",))
    done = run("predict", sayings, rows)
    assert done.stdout == "found\n"
    assert "has a heading and no rows" in done.stderr
    assert json.loads(run("predict", sayings, rows, "--format", "json").stdout) == []
    assert dlc.load(sayings).predict({"given": []})["found"].tolist() == []


def test_an_answer_that_does_not_end_has_max_steps(sayings: Path) -> None:
    (answer,) = dlc.load(sayings).predict({"given": ["ccc"]})["found"]
    assert answer == "it may be it may be it may"


def test_rows_that_do_not_fit_in_memory_together_end_apart(sayings: Path) -> None:
    """ONNX Runtime runs some at a time, and their answers differ in length."""
    model = dlc.load(sayings)
    together = model.run({"given": np.array([["a", "d"], ["c", "c"], ["d", "d"]])})["found"]
    model._max_rows = 1
    apart = model.run({"given": np.array([["a", "d"], ["c", "c"], ["d", "d"]])})["found"]
    assert apart.tolist() == together.tolist()
    assert together[0].tolist() == ["yes", *[""] * 6]


def test_characters_are_joined(tmp_path: Path) -> None:
    upper = [(row, "".join(reversed(row.upper()))) for row in words(120)]
    write(tmp_path / "rows.csv", ("given", "found"), *upper)
    model = trained(tmp_path, "auto", 'data { source = csv("rows.csv") }').model
    assert dlc.load(model).predict({"given": ["ab", "d"]})["found"].tolist() == ["BA", "D"]


@pytest.mark.parametrize(
    ("classes", "places"),
    [("4", [0, 1, 2, 3]), ("auto", [10, 20, 30, 40]), ("auto", ["north", "east", "south", "west"])],
    ids=["indices", "numbers", "names"],
)
def test_what_was_no_text_is_a_list_without_the_end(tmp_path: Path, classes: str, places: list[Any]) -> None:
    rows = [[*map(LETTERS.index, row)] for row in words(120)]
    given = [[str(k) for k in row] for row in rows]
    found = [[places[k] for k in row] for row in rows]
    model = trained(tmp_path, classes, "", {"given": given, "found": found}).model
    answers = dlc.load(model).predict({"given": [["0", "1"], ["3"]]})["found"]
    wanted = [places[:2], places[3:]]
    assert [row.tolist() for row in answers] == wanted
    asked = json.dumps([{"given": ["0", "1"]}, {"given": ["3"]}])
    done = run("predict", model, "-", "--format", "json", given=asked)
    assert [row["found"] for row in json.loads(done.stdout)] == wanted
    cells = csv.reader(run("predict", model, "-", given=asked).stdout.splitlines()[1:])
    assert [json.loads(cell) for (cell,) in cells] == wanted


def test_prompts_of_different_lengths(tmp_path: Path) -> None:
    """A model of windows has no end: each prompt is continued by as many characters."""
    (tmp_path / "some.txt").write_text("abcdefgh" * 60)
    text = """input  text: class(auto)[T]
output next: class(auto)[T]
text -> embedding(16) -> gru(24) -> dense(next.classes) -> next
data { source = text("some.txt", window=24) }
train {
  epochs    = 6
  optimizer = adam(lr=0.02)
  clip      = norm(1)
  metrics   = [perplexity]
}
export {
  decode  = greedy(next, max=6)
  lengths = true
}
"""
    result = train_file(tmp_path, text)
    assert {*result.figures["train"]} == {"loss", "perplexity"}
    model = dlc.load(result.model)
    found = model.predict({"text": ["ab", "h", "cdefgha"]})["next"]
    assert found.tolist() == ["cdefgh", "abcdef", "bcdefg"]
    together = model.session.run(
        None, {"text": np.array([["a", "b"], ["h", "a"]]), "text_length": np.array([2, 1])}
    )
    assert ["".join(row) for row in together[0]] == ["cdefgh", "abcdef"]


def test_predict_continues_a_text_file_as_a_whole(tmp_path: Path) -> None:
    """Whatever the window of training was; newlines at its end are no part of the prompt."""
    (tmp_path / "some.txt").write_text("abcdefgh" * 40, encoding="utf-8")
    text = prompts("gru(16)").replace("class(9)", "class(auto)").replace("dense(9)", "dense(next.classes)")
    (tmp_path / "model.dl").write_text(text.replace("train {", "train { epochs = 1\n"), encoding="utf-8")
    model = dlc.train(tmp_path / "model.dl", out=tmp_path / "run").model
    loaded = dlc.load(model)
    for prompt in ("abc", "abcdefghabcdefghabcde"):
        (tmp_path / "prompt.txt").write_text(f"{prompt}\n", encoding="utf-8")
        shown = CliRunner().invoke(commands, ["predict", str(model), str(tmp_path / "prompt.txt")])
        assert shown.output.split("\n")[1] == loaded.predict({"text": [prompt]})["next"][0]
    (tmp_path / "prompt.txt").write_text("\n", encoding="utf-8")
    shown = CliRunner().invoke(commands, ["predict", str(model), str(tmp_path / "prompt.txt")])
    assert "holds no text" in shown.output
