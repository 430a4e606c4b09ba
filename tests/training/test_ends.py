"""The end of training before its last epoch, and the reported losses of outputs."""

from __future__ import annotations

import json

import numpy as np
import pytest
from rich.console import Console
from trainings import classifier, points, program, run

import dlc
from dlc.compiler import CompileError
from dlc.compiler.lower.pytorch_source import emit
from dlc.compiler.training.early_stopping import Patience
from dlc.compiler.training.phases import Phase
from dlc.compiler.training.train_section import Train
from dlc.runtime.data import InMemoryRows, Rows
from dlc.runtime.training.history import BestEpoch
from dlc.runtime.training.progress import Progress

FAST = "optimizer = adam(lr=0.05)\nepochs = 60\nbatch = all\n"


def test_until_ends_training_after_the_first_epoch_where_it_holds():
    """The condition is about the training rows in the inference form, and the last weights are kept."""
    console = Console(record=True, width=100)
    rows = points(60)
    ended = run(classifier(FAST + "until = train.loss <= 0.2"), rows, listeners=[Progress(console)])
    assert ended.ended == "met" and ended.kept == len(ended.history) < 60
    assert ended.figures["train"]["loss"] <= 0.2
    before = run(classifier(FAST.replace("60", str(ended.kept - 1))), rows)
    assert before.figures["train"]["loss"] > 0.2
    same = run(classifier(FAST.replace("60", str(ended.kept))), rows)
    assert all(np.array_equal(same.weights[name], array) for name, array in ended.weights.items())
    assert "done: train.loss <= 0.2 holds" in console.export_text()


def test_until_that_never_holds_has_no_effect():
    done = run(classifier(FAST + "until = validation.accuracy > 1"), points(40), points(20, 1))
    assert (done.ended, len(done.history)) == ("done", 60)


def test_with_early_stopping_the_best_weights_are_kept():
    text = classifier(FAST + "until = train.accuracy >= 0.9\nearly_stop = patience(99, on=train.loss)")
    done = run(text, points(60))
    assert done.ended == "met" and done.kept == min(done.history, key=lambda e: e.train["loss"]).epoch


def test_a_figure_without_a_part_is_of_validation_or_training():
    with pytest.raises(CompileError) as caught:
        program(classifier("until = loss <= 0.1"))
    assert [d.help for d in caught.value.diagnostics] == ["write `validation.loss`"]


@pytest.mark.parametrize(("until", "code", "words"), [
    ("test.loss < 1", "E0408", "the test rows take no part in training"),
    ("train.los < 1", "E0606", "training does not measure `los`"),
    ("train.loss", "E0606", "expected a comparison, such as `train.loss <= 0.01`"),
    ("loss", "E0606", "expected a comparison, such as `train.loss <= 0.01`"),
    ("train.loss + 1", "E0606", "expected a comparison"),
    ("parameters < 10", "E0606", "training does not change the compared values"),
    ("1 < 2", "E0606", "training does not change the compared values"),
    ("train.loss < 1 and train.loss > 0", "E0606", "expected a comparison"),
    ("3", "E0403", "or none, found `3`"),
])  # fmt: skip
def test_invalid_until_conditions_are_rejected(until, code, words):
    with pytest.raises(CompileError) as caught:
        program(classifier(f"until = {until}"))
    (problem,) = caught.value.diagnostics
    assert problem.code == code and words in problem.message


def test_until_needs_the_rows_of_its_figure():
    with pytest.raises(CompileError) as caught:
        run(classifier("until = validation.loss < 1"), points(20))
    assert [(d.code, d.line) for d in caught.value.diagnostics] == [("E0408", 5)]


def test_an_improvement_is_larger_than_min_delta():
    figures = [1.0, 0.95, 0.91, 0.89, 0.7, 0.65]
    watch = watching(Patience(n=3, on="train.loss", min_delta=0.1), lower_is_better=True)
    assert [watch.better({"train": {"loss": f}}) for f in figures] == [True, False, False, True, True, False]
    rising = watching(Patience(n=2, on="train.accuracy", min_delta=0.1), lower_is_better=False)
    assert [rising.better({"train": {"accuracy": f}}) for f in (0.5, 0.6, 0.7)] == [True, False, True]


def watching(patience: Patience, lower_is_better: bool) -> BestEpoch:
    return BestEpoch(Phase("", Train(early_stop=patience), (), ()), lower_is_better, validated=False)


# --- losses of outputs ------------------------------------------------------------------------------------

TWO = """input x: float[2]
output side: binary
output total: float
h = x -> dense(8) -> relu
h -> dense(1) -> side
h -> dense(1) -> total
train {{
  batch = 15
  epochs = 3
{0}
}}
"""


def two(n: int) -> Rows:
    x = points(n)["x"]
    return InMemoryRows({"x": x, "side": (x.sum(1) > 0).astype(np.float32), "total": x.sum(1)}, n)


@pytest.mark.parametrize("loss", [
    "", "loss = bce(side) + mse(total)", "loss = 0.5 * bce(side) + (mse(total) + mae(total))",
    "loss = bce(side, reduce=none) + mse(total, reduce=none)",
])  # fmt: skip
def test_the_losses_of_outputs_add_up_to_the_loss(loss):
    trained = run(TWO.format(loss), two(50), two(20))
    parts = [*(e.train for e in trained.history), *(e.validation for e in trained.history)]
    for figures in (*parts, *trained.figures.values()):
        assert figures["loss"] == pytest.approx(figures["side.loss"] + figures["total.loss"], rel=1e-5)


@pytest.mark.parametrize("loss", [
    "loss = bce(side) * mse(total)", "loss = bce(side)", "loss = bce(side) + mse(total) + mean(h)",
    "loss = 0.5 * (bce(side) + mse(total))",
])  # fmt: skip
def test_a_loss_that_is_not_a_sum_by_output_is_reported_alone(loss):
    figures = run(TWO.format(loss), two(30)).figures["train"]
    assert [name for name in figures if name.endswith("loss")] == ["loss"]


def test_the_loss_of_an_output_is_recorded_watched_and_expected(tmp_path):
    text = TWO.format("  early_stop = patience(2, on=validation.total.loss)\n  until = train.side.loss < 0")
    path = tmp_path / "two.dl"
    path.write_text(text + "data { validation = 0.2 }\nexpect { validation.total.loss < 1e9 }\n")
    rows = two(50)
    result = dlc.train(
        path, data={name: rows[name] for name in ("x", "side", "total")}, out=tmp_path / "runs"
    )
    lines = (result.folder / "metrics.jsonl").read_text().splitlines()
    for epoch in map(json.loads, lines):
        assert {"loss", "side.loss", "total.loss"} <= epoch["train"].keys() & epoch["validation"].keys()
    figures = json.loads((result.folder / "figures.json").read_text())["figures"]
    assert {"side.loss", "total.loss"} <= figures["validation"].keys()


def test_an_emitted_file_does_not_watch_the_loss_of_one_output():
    text = TWO.format("early_stop = patience(2, on=train.total.loss)")
    with pytest.raises(CompileError) as caught:
        emit(program(text))
    assert [d.code for d in caught.value.diagnostics] == ["E0821"]


def test_a_metric_with_a_number_is_watched_and_expected():
    settings = FAST + "metrics = [top_k(1), accuracy]\nearly_stop = patience(60, on=validation.top_k(1))\n"
    text = classifier(f"{settings}until = train.top_k(1) >= 0.9")
    ended = run(text, points(60), points(20, 1))
    assert ended.ended == "met" and ended.kept <= len(ended.history) < 60
    for figures in ended.figures.values():
        assert figures["top_k(1)"] == figures["accuracy"]
    program(text + "expect { validation.top_k(1) >= 0.5 }\n")
    with pytest.raises(CompileError) as caught:
        program(text + "expect { validation.top_k(2) >= 0.5 }\n")
    assert [d.help for d in caught.value.diagnostics] == ["did you mean `top_k(1)`?"]


def test_top_k_of_too_few_classes_is_an_error():
    with pytest.raises(CompileError) as caught:
        program(classifier("metrics = [top_k(2)]"))
    (found,) = caught.value.diagnostics
    assert found.code == "E0604" and "with more than 2 classes" in found.message
