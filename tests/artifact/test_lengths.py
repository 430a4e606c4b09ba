"""The parity check finds sizes of free dimensions for which all values of a network have a size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from artifacts import make
from click.testing import CliRunner

import dlc
from dlc.cli import commands
from dlc.runtime.artifact.metadata import from_texts
from dlc.runtime.artifact.session import open_session
from dlc.runtime.errors import ArtifactError

LONG = """input x: float[1, T]
output y: float
x -> conv(1, {kernel}) -> global_avgpool -> dense(1) -> y
"""


def test_a_length_for_a_wide_filter_is_found(tmp_path: Path) -> None:
    made = make(LONG.format(kernel=300), tmp_path)
    answers = made.onnxruntime({"x": np.zeros((2, 1, 301), np.float32)})
    assert answers["y"].shape == (2,)


BOUNDED = """input image: float[1, H, W]
input words: float[T, 4]
output y: float
a = image -> conv(2, 40) -> global_avgpool -> dense(1)
b = words -> position_embedding(2) -> last -> dense(1)
a + b -> y
"""


def test_a_bounded_length_is_found_together_with_large_sizes(tmp_path: Path) -> None:
    made = make(BOUNDED, tmp_path)
    rows = {"image": np.zeros((3, 1, 50, 60), np.float32), "words": np.zeros((3, 2, 4), np.float32)}
    assert made.onnxruntime(rows)["y"].shape == (3,)


def test_if_no_length_is_found_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(dlc.CompileError) as caught:
        make(LONG.format(kernel=30_000), tmp_path)
    (problem,) = caught.value.diagnostics
    assert (problem.code, problem.line) == ("E0812", 1)
    assert "`T`" in problem.message
    assert not list(tmp_path.rglob("*.onnx"))


NAMED = """input word: class(auto)[T]
output sounds: class(auto)[T]
word -> embedding(4) -> dense(sounds.classes) -> sounds
data {
  source = csv("words.csv")
}
train {
  epochs = 1
}
export {
  lengths = true
}
"""


def test_named_classes_are_answered_up_to_the_end_of_each_row(tmp_path: Path) -> None:
    (tmp_path / "words.dl").write_text(NAMED, "utf-8")
    (tmp_path / "words.csv").write_text("word,sounds\n" + "banana,cvcvcv\nox,vc\ntree,ccvv\n" * 4, "utf-8")
    path = dlc.train(tmp_path / "words.dl", out=tmp_path / "runs").model
    assert CliRunner().invoke(commands, ["verify", str(path)]).exit_code == 0
    answers = open_session(path.read_bytes()).run(
        ["sounds"], {"word": np.array([[*"tree"], [*"ox??"]], object), "word_length": np.array([4, 2])}
    )[0]
    assert [{*row[length:]} for row, length in zip(answers, (4, 2), strict=True)] == [set(), {""}]
    predicted = dlc.load(path).predict({"word": ["tree", "ox"]})
    assert predicted["sounds"].tolist() == ["".join(row) for row in answers]
    assert [len(rows) for rows in predicted["sounds_probabilities"]] == [4, 2]


AVERAGED = """input x: float[T, 2]
output y: float
x -> mean(axis=0) -> dense(1) -> y
export {
  lengths = true
}
"""


@pytest.mark.parametrize("lengths", [[2, 5], [2, -1]])
def test_a_row_is_not_longer_than_its_array(lengths: list[int], tmp_path: Path) -> None:
    artifact = dlc.load(make(AVERAGED, tmp_path).path)
    rows = np.ones((2, 4, 2), np.float32)
    assert artifact.predict({"x": rows, "x_length": [4, 2]})["y"].shape == (2,)
    wrong = f"`x_length`, row 2: {lengths[1]} is not between 0 and 4, the steps of `x`"
    with pytest.raises(ArtifactError, match=wrong):
        artifact.predict({"x": rows, "x_length": lengths})
    with pytest.raises(ArtifactError, match="row 1: 3 is not between 0 and 2"):
        artifact.predict({"x": [rows[0, :2], rows[1, :1]], "x_length": [3, 1]})


POSITIONS = """input x: float[T, 2]
output y: float
x -> position_embedding(9) -> position_embedding(3) -> mean(axis=0) -> dense(1) -> y
"""


def test_a_row_has_no_more_steps_than_the_model_has_positions(tmp_path: Path) -> None:
    artifact = dlc.load(make(POSITIONS, tmp_path).path)
    assert artifact.predict({"x": np.ones((2, 3, 2), np.float32)})["y"].shape == (2,)
    with pytest.raises(ArtifactError, match=r"takes at most 3 steps \(`T`\), and a row of `x` has 4"):
        artifact.predict({"x": np.ones((2, 4, 2), np.float32)})
    with pytest.raises(ArtifactError, match="at most 3 steps"):
        artifact.predict({"x": [np.ones((n, 2), np.float32) for n in (1, 5)]})


@pytest.mark.parametrize(
    "change",
    [
        {"limits": {"T": 0}},
        {"limits": {"T": "3"}},
        {"lengths": {"x": "T"}},
        {"lengths": {"x_length": "T", "x": "T"}},
        {"lengths": {"x_length": "U"}},
        {"lengths": {"z_length": "T"}},
        {"ahead": {"y": 3}},
    ],
)
def test_lengths_of_no_input_are_refused(change: dict[str, dict], tmp_path: Path) -> None:
    texts = make(AVERAGED, tmp_path).metadata
    assert from_texts(texts).lengths == {"x_length": "T"}
    with pytest.raises((ValueError, ArtifactError), match="is not as dlc writes it"):
        from_texts({**texts, **{f"dlc.{key}": json.dumps(value) for key, value in change.items()}})


@pytest.mark.parametrize("field", ["input x_length: float", "output y_length: float"])
def test_no_field_has_the_name_of_lengths(field: str) -> None:
    """Metrics and batches would take its values for the lengths of the rows."""
    kind, name = field.split(":")[0].split()
    use = f"{name} -> dense(1) -> z" if kind == "input" else f"x -> mean(axis=0) -> dense(1) -> {name}"
    text = (
        f"input x: float[T, 2]\n{field}\noutput y: float[T, 1]\noutput z: float\nx -> dense(1) -> y\n{use}\n"
    )
    text = text if kind == "input" else text.replace("output z: float\n", "")
    with pytest.raises(dlc.CompileError) as caught:
        dlc.compile(text=text)
    (problem,) = caught.value.diagnostics
    assert (problem.code, problem.line) == ("E0607", 2)
    assert problem.message == f"`{name}` is the name that the lengths of a sequence have"


def test_padding_of_integer_labels_is_no_label(tmp_path: Path) -> None:
    """Class 0 and class -1 are classes, so it is -2."""
    spec = NAMED.replace("class(auto)[T]\noutput", "float[T]\noutput")
    spec = spec.replace("word -> embedding(4)", "reshape(word, -1, 1)")
    spec = spec.replace('csv("words.csv")', 'parquet("rows.parquet")')
    (tmp_path / "words.dl").write_text(spec, "utf-8")
    rows = {"word": [[0.5, 1, 2], [1.0], [0.0, 3]] * 4, "sounds": [[0, 7, -1], [7], [-1, 0]] * 4}
    pd.DataFrame(rows).to_parquet(tmp_path / "rows.parquet")
    path = dlc.train(tmp_path / "words.dl", out=tmp_path / "runs").model
    given = {"word": np.ones((2, 3), np.float32), "word_length": np.array([3, 1])}
    (answers,) = open_session(path.read_bytes()).run(["sounds"], given)
    assert answers[1, 1:].tolist() == [-2, -2]
    assert set(answers[0]) | {answers[1, 0]} <= {0, 7, -1}
    assert [len(row) for row in dlc.load(path).predict({"word": [[1, 2, 3], [1]]})["sounds"]] == [3, 1]
