"""The parity check finds sizes of free dimensions for which all values of a network have a size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from artifacts import make
from click.testing import CliRunner

import dlc
from dlc.cli import commands
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


def test_lengths_beyond_the_rows_are_an_error(tmp_path: Path) -> None:
    spec = "input x: float[T]\noutput y: float\nx -> mean -> y\nexport { lengths = true }\n"
    model = dlc.load(make(spec, tmp_path).path)
    x = np.ones((2, 3), np.float32)
    assert model.predict({"x": x, "x_length": [3, 0]})["y"].tolist() == [1, 0]
    for lengths, found in (([3, 4], "row 2: 4"), ([-1, 3], "row 1: -1")):
        with pytest.raises(ArtifactError, match=f"`x_length`, {found} is not a length, `x` has 3 steps"):
            model.predict({"x": x, "x_length": lengths})
    with pytest.raises(ArtifactError, match="row 1: 2 is not a length, `x` has 1 steps there"):
        model.predict({"x": [[1], [1, 1]], "x_length": [2, 1]})
