"""`dlc predict` and `dlc eval` on texts: files of windows, columns of texts, and answers in cells."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from stories import dlc, write

from dlc.cli import commands

if TYPE_CHECKING:
    from pathlib import Path

CYCLE = """input text: class(auto)[T]
output next: class(auto)[T]
text -> embedding(6) -> dense(next.classes) -> next
data {
  source = text("book.txt", window=8)
  test   = 0.2
}
train {
  optimizer = adam(lr=0.1)
  epochs    = 20
  batch     = 4
}
"""
TAGGER = """input word: class(auto)[T]
output tag: class(auto)[T]
word -> embedding(6) -> dense(tag.classes) -> tag
data { source = csv("rows.csv") }
train {
  optimizer = adam(lr=0.1)
  epochs    = 20
  batch     = 2
}
"""
ROWS = [("abba", "1221"), ("ba", "21"), ("", ""), ("a b", "1 2"), ("bb b", "22 2")]


@pytest.fixture(scope="module")
def cycle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the text `abcabc...`, in which one character follows each."""
    folder = tmp_path_factory.mktemp("cycle")
    write(folder, "book.txt", "abc" * 100)
    done = dlc("train", write(folder, "cycle.dl", CYCLE), "--out", folder)
    assert done.exit_code == 0, done.output
    return folder / "cycle" / "latest" / "model.onnx"


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tagger")
    write(folder, "rows.csv", "word,tag\n" + "".join(f'"{word}","{tag}"\n' for word, tag in ROWS))
    done = dlc("train", write(folder, "tagger.dl", TAGGER), "--out", folder)
    assert done.exit_code == 0, done.output
    return folder / "tagger" / "latest" / "model.onnx"


def test_a_text_shorter_than_a_window_has_no_answers_and_a_note(cycle: Path, tmp_path: Path) -> None:
    done = dlc("predict", cycle, write(tmp_path, "short.txt", "abc"))
    assert done.exit_code == 0
    assert done.stdout == "next,next_probabilities\n"
    assert "short.txt holds 3 characters, and a window and the one later take 9" in done.stderr


def test_a_text_file_is_read_in_the_windows_of_the_training(cycle: Path, tmp_path: Path) -> None:
    other = write(tmp_path, "other.txt", "cab" * 7)
    answers = [*csv.reader(dlc("predict", cycle, other).output.splitlines())]
    assert [row[0] for row in answers] == ["next", "abcabcab", "cabcabca"]
    figures = dlc("eval", cycle, other).output.splitlines()
    assert figures[0] == f"2 rows of {other}" and figures[1].split() == ["accuracy", "1.0000"]
    short = dlc("eval", cycle, write(tmp_path, "short.txt", "abc"))
    assert "short.txt holds 3 characters, and a window and the one later take 9" in short.stderr


def test_columns_of_texts_are_read_too(cycle: Path) -> None:
    rows = 'text\nab\nccc\n""\n'
    answers = CliRunner().invoke(commands, ["predict", str(cycle), "-"], input=rows).output
    cells = [*csv.reader(answers.splitlines())]
    assert [row[0] for row in cells] == ["next", "bc", "aaa", ""]


def test_an_answer_is_one_text_and_probabilities_are_one_cell(tagger: Path, tmp_path: Path) -> None:
    """The rows differ in length, and each answer is as long as its row."""
    rows = write(tmp_path, "new.csv", 'word\nab\n"b a b"\n""\n')
    head, *answers = csv.reader(dlc("predict", tagger, rows, "--keep", "word").output.splitlines())
    assert head == ["word", "tag", "tag_probabilities"]
    assert [row[:2] for row in answers] == [["ab", "12"], ["b a b", "2 1 2"], ["", ""]]
    assert [len(json.loads(row[2])) for row in answers] == [2, 5, 0]
    in_json = json.loads(dlc("predict", tagger, rows, "--format", "json").output)
    assert [row["tag"] for row in in_json] == ["12", "2 1 2", ""]
    assert [len(row["tag_probabilities"]) for row in in_json] == [2, 5, 0]
    for row, given in zip(answers, in_json, strict=True):
        for cell, exact in zip(json.loads(row[2]), given["tag_probabilities"], strict=True):
            assert cell == pytest.approx(exact, rel=1e-6)


def test_targets_of_eval_are_cut_as_in_training(tagger: Path, tmp_path: Path) -> None:
    done = dlc("eval", tagger, write(tmp_path, "new.csv", "word,tag\nab,12\nba,22\n"))
    assert done.output.splitlines()[1] == "accuracy  0.7500"


def test_values_that_are_no_classes_are_counted_by_character(tagger: Path, tmp_path: Path) -> None:
    done = dlc("predict", tagger, write(tmp_path, "new.csv", "word\nabx\nxy\n"))
    note = '3 of the 5 values of `word` are not among its classes ("x", "y"): they count as class -1'
    assert note in done.stderr


def test_a_text_file_needs_a_model_of_windows(tagger: Path, tmp_path: Path) -> None:
    done = dlc("predict", tagger, write(tmp_path, "new.txt", "abba"))
    assert "`.txt` is not read here" in done.stderr and "source = text(..., window=n)" in done.stderr


def test_a_sequence_of_numbers_is_one_cell(tmp_path: Path) -> None:
    """Its length is that of the row, so it has no columns of its own; a vector of fixed length has."""
    text = "input x: float[T]\noutput y: float[T]\noutput z: float[2]\n" \
        "x * 2 -> y\nconcat(sum(x), max(x)) -> z\n"  # fmt: skip
    model = tmp_path / "model.onnx"
    assert dlc("export", write(tmp_path, "m.dl", text), "-o", model).exit_code == 0
    rows = '[{"x": [1, 2.5]}, {"x": [3]}]'
    done = CliRunner().invoke(commands, ["predict", str(model), "-"], input=rows)
    assert done.output == 'y,z.0,z.1\n"[2.0, 5.0]",3.5,2.5\n[6.0],3,3\n'
