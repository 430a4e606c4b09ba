"""Metrics of rows that differ in length: those of `dlc eval` are those of training, and of each row alone."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk

from dlc.compiler import Source, compile
from dlc.compiler.lower.initial_weights import draw
from dlc.compiler.program import Facts
from dlc.compiler.types import Classes
from dlc.runtime.artifact import load
from dlc.runtime.artifact.export import export
from dlc.runtime.data import Dataset, InMemoryRows
from dlc.runtime.data.sequences.ragged import Ragged
from dlc.runtime.training.loop import train

RNG = np.random.default_rng(0)
LENGTHS = "export { lengths = true }\n"
NAMES = Facts(classes={"y": Classes(3, ("a", "b", "c"), "y")}, lengths=frozenset({"T", "U"}))
TAGS = """
input x: float[T, 4]
output y: class(auto)[T]
x -> dense(y.classes) -> y
train {
  metrics = [accuracy, f1, confusion_matrix, edit_distance, sequence_accuracy, word_error_rate, bleu, chrf]
  epochs = 2
}
"""
TEXTS = """
input x: float[T, 4]
output y: class(auto)[U]
x -> dense(y.classes + 1) -> y
train {
  loss = ctc(y)
  metrics = [edit_distance, sequence_accuracy, word_error_rate, bleu, chrf]
  epochs = 4
}
"""


def drawn(own: bool) -> InMemoryRows:
    """60 rows of 1 to 9 steps; `own` targets have lengths of their own, others show the largest of three."""
    steps = RNG.integers(1, 10, 60)
    symbols = RNG.integers(0, 3, 60) if own else steps
    x = RNG.normal(size=(steps.sum(), 4)).astype(np.float32)
    y = RNG.integers(0, 3, symbols.sum()) if own else x[:, :3].argmax(1)
    lengths = {"x_length": steps, "y_length": symbols}
    return InMemoryRows({"x": Ragged(x, steps), "y": Ragged(y, symbols)}, 60, lengths=lengths)


def given(rows: InMemoryRows) -> dict[str, list[np.ndarray]]:
    """The same rows as a caller has them, with names of classes."""
    steps, symbols = (np.cumsum(rows.lengths[name])[:-1] for name in ("x_length", "y_length"))
    names = np.array(["a", "b", "c"])[rows["y"].values]
    return {"x": np.split(rows["x"].values, steps), "y": np.split(names, symbols)}


@pytest.mark.parametrize("export_lengths", ["", LENGTHS], ids=["one length", "lengths"])
@pytest.mark.parametrize("text", [TAGS, TEXTS], ids=["tags", "texts"])
def test_figures_of_the_artifact_are_those_of_training(text, export_lengths, tmp_path):
    rows = drawn(text == TEXTS)
    program = compile(Source("m.dl", text + export_lengths), facts=NAMES)
    trained = train(program, Dataset(rows, None, None), draw(program.graph, 0), on="cpu")
    export(program, trained.weights, tmp_path / "m.onnx")
    found = load(tmp_path / "m.onnx").evaluate(given(rows))
    wanted = trained.figures["train"]
    assert found.figures == pytest.approx({name: v for name, v in wanted.items() if name != "loss"})
    assert found.tables == trained.tables["train"] if text == TAGS else not found.tables
    if text == TAGS:
        x, y = rows["x"].values, rows["y"].values
        answers = (x @ trained.weights["dense.weight"].T + trained.weights["dense.bias"]).argmax(1)
        assert wanted["accuracy"] == pytest.approx(sk.accuracy_score(y, answers))
        assert wanted["f1"] == pytest.approx(sk.f1_score(y, answers, average="macro"))
        ends = np.cumsum(rows.lengths["x_length"])[:-1]
        rights = np.split(y == answers, ends)
        assert wanted["edit_distance"] <= np.mean([(~right).sum() for right in rights])
        assert wanted["sequence_accuracy"] == pytest.approx(np.mean([right.all() for right in rights]))
