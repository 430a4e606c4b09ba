"""`ramp(from, to, steps)` in losses, compared with plain PyTorch."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch.nn import functional
from trainings import assert_same, by_hand, classifier, points, program, run

from dlc.cli import commands
from dlc.compiler import CompileError
from dlc.compiler.lower.pytorch_source import emit
from dlc.compiler.training.ramp import Ramp

SGD = "optimizer = sgd(lr=0.2)\nseed = 5\n"
RAMPED = "loss = cross_entropy(y) + ramp(0.2, 1, 6) * mean(square(y))"


def factor(step: int) -> float:
    return 0.2 + 0.8 * min(step / 6, 1)


def loss_of(scores: torch.Tensor, target: torch.Tensor, factor: float) -> torch.Tensor:
    return functional.cross_entropy(scores, target) + factor * scores.square().mean()


def test_the_factor_of_each_step_is_that_of_the_ramp():
    text, rows = classifier(f"{SGD}batch = all\nepochs = 10\n{RAMPED}"), points(20)
    trained, net, losses = run(text, rows, points(9, 1)), by_hand(text), []
    optimizer = torch.optim.SGD(net.parameters(), lr=0.2)
    x, y = torch.from_numpy(rows["x"]), torch.from_numpy(rows["y"])
    for step in range(10):
        loss = loss_of(net(x), y, factor(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert_same(trained.weights, net, rtol=1e-4, atol=1e-6)
    assert [e.train["loss"] for e in trained.history] == pytest.approx(losses, rel=1e-5)
    other = points(9, 1)
    wanted = loss_of(net(torch.from_numpy(other["x"])), torch.from_numpy(other["y"]), 1).detach()
    assert trained.figures["validation"]["loss"] == pytest.approx(float(wanted), rel=1e-4)


def test_the_loss_of_an_epoch_is_the_mean_of_its_steps():
    """The second term is 4 in each step. Its factor is 0, 1/6, 2/6 and 3/6, then 4/6, 5/6, 1 and 1."""
    text = classifier(f"{SGD}batch = 5\nepochs = 2\nb = ramp(0, 1, 6)\nce = cross_entropy(y)\n"
                      "four = mse(0 * y, 2)\nloss = ce + b * four")  # fmt: skip
    found = [epoch.train for epoch in run(text, points(20)).history]
    assert [figures["four"] for figures in found] == pytest.approx([4, 4])
    assert [figures["loss"] - figures["ce"] for figures in found] == pytest.approx([1, 3.5], rel=1e-5)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_accumulated_batches_equal_one_batch(precision):
    loss = (
        "loss = ramp(0, 1, 3) * cross_entropy(y, weight=[0.2, 3]) + ramp(from=1, to=0, steps=2) * mse(y, 0)"
    )
    settings = f"{SGD}precision = {precision}\nepochs = 3\n{loss}\n"
    large = run(classifier(f"{settings}batch = all"), points(29))
    small = run(classifier(f"{settings}batch = 8\naccumulate = 4"), points(29))
    for name, array in large.weights.items():
        np.testing.assert_allclose(small.weights[name], array, rtol=1e-4, atol=1e-6, err_msg=name)
    for ours, theirs in zip(small.history, large.history, strict=True):
        assert ours.train["loss"] == pytest.approx(theirs.train["loss"], rel=1e-5)


def test_all_evaluations_of_a_step_have_one_number():
    """LBFGS evaluates the loss several times per step."""
    lbfgs = "optimizer = lbfgs(max_iter=3)\nbatch = all\nsteps = 2\n"
    lbfgs += "loss = cross_entropy(y) + {} * mean(square(y))"
    ramped = run(classifier(lbfgs.format("ramp(0.3, 0.3, 9)")), points(30))
    fixed = run(classifier(lbfgs.format("0.3")), points(30))
    for name, array in fixed.weights.items():
        np.testing.assert_allclose(ramped.weights[name], array, rtol=1e-4, atol=1e-5, err_msg=name)


def test_gradients_are_checked_with_the_last_number(tmp_path):
    path = tmp_path / "m.dl"
    path.write_text(classifier("loss = ramp(0, 1, 100) * mean(square(y))"))
    done = CliRunner().invoke(commands, ["gradcheck", str(path), "--format", "json"])
    assert done.exit_code == 0, done.output
    assert all(w["gradient"] > 0 and w["error"] < 1e-6 for w in json.loads(done.stdout)["weights"])


@pytest.mark.parametrize("model_alone", [True, False])
def test_a_ramp_is_not_emitted(model_alone):
    with pytest.raises(CompileError) as caught:
        emit(program(classifier(RAMPED)), model_alone=model_alone)
    (found,) = caught.value.diagnostics
    assert (found.code, "changes with the steps of training" in found.message) == ("E0820", True)


@pytest.mark.parametrize(("loss", "code"), [
    ("ramp(0, 1) * mean(y)", "E0405"), ("ramp(0, 1, 0) * mean(y)", "E0403"), ("ramp(y, 1, 2)", "E0405"),
    ("ramp(0, 1, 2, 3) * mean(y)", "E0404"), ("mean(y) * ramp", "E0302"), ("ramp(0, 1, 2, start=3)", "E0402"),
])  # fmt: skip
def test_wrong_ramps_are_errors(loss, code):
    with pytest.raises(CompileError) as caught:
        program(classifier(f"loss = {loss}"))
    assert [d.code for d in caught.value.diagnostics] == [code]


def test_a_ramp_outside_of_losses_is_an_error():
    with pytest.raises(CompileError) as caught:
        program("input x: float\noutput y: float\nramp(0, 1, 2) * x -> y\n")
    assert caught.value.diagnostics[0].code == "E0302"


def test_the_numbers_of_a_ramp():
    ramp = Ramp(**{"from": 0.9, "to": 1.0, "steps": 4})
    assert [ramp.at(step) for step in (0, 1, 4, 5)] == pytest.approx([0.9, 0.925, 1, 1])
