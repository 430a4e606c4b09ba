"""Optimizers that need more than gradients: L-BFGS evaluates the loss again, Muon selects matrices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from trainings import assert_same, by_hand, classifier, points, program, run

from dlc.compiler import CompileError
from dlc.compiler.lower.initial_weights import draw
from dlc.compiler.passes.specialize import matrices
from dlc.runtime.training.learner import Learner
from dlc.runtime.training.torch_forms import Forms

LBFGS = "optimizer = lbfgs(line_search=strong_wolfe, max_iter=5)\nbatch = all\nepochs = 4\n"


@pytest.mark.parametrize("clip", ["", "clip = norm(0.05)"])
def test_lbfgs_steps_equal_a_handwritten_loop(clip):
    text, rows = classifier(LBFGS + clip), points(60)
    net, x, y = by_hand(text), torch.from_numpy(rows["x"]), torch.from_numpy(rows["y"])
    optimizer = torch.optim.LBFGS(net.parameters(), line_search_fn="strong_wolfe", max_iter=5)

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(net.parameters(), 0.05)
        return loss.detach()

    losses = [float(optimizer.step(closure)) for _ in range(4)]
    trained = run(text, rows)
    assert_same(trained.weights, net, rtol=1e-4, atol=1e-5)
    assert [e.train["loss"] for e in trained.history] == pytest.approx(losses, rel=1e-4)


def test_lbfgs_repeats_draws_and_updates_statistics_once_per_step():
    text = classifier(
        LBFGS, "batchnorm -> dense(64) -> tanh -> dropout(0.5) -> dense(2)", more="# with draws"
    )
    p, rows = program(text), points(60)
    forms = Forms(p, draw(p.graph, 0), torch.device("cpu"))
    learner, given = Learner(forms, p.phase, 4), [torch.from_numpy(rows["x"]), torch.from_numpy(rows["y"])]
    looked = []
    trainer = learner.trainers[0]
    real = trainer.form
    trainer.form = lambda batch: looked.append(torch.get_rng_state()) or real(batch)
    torch.manual_seed(0)
    learner.step([given], 0)
    assert len(looked) > 2
    assert all(torch.equal(state, looked[0]) for state in looked)
    assert not torch.equal(torch.get_rng_state(), looked[0]), "the next step draws anew"
    np.testing.assert_allclose(forms.weights["batchnorm.running_mean"], 0.1 * rows["x"].mean(0), rtol=1e-5)


def test_lbfgs_trains_convolutions_of_any_layout():
    text = (
        "input x: float[1, 6, 6]\noutput y: float\nx -> conv(4, 3) -> batchnorm -> tanh -> flatten "
        f"-> dense(1) -> y\ntrain {{\n{LBFGS}}}\n"
    )
    rng = np.random.default_rng(0)
    rows = points(40)
    rows = type(rows)({"x": rng.normal(size=(40, 1, 6, 6)).astype(np.float32),
                       "y": rng.normal(size=40).astype(np.float32)}, 40)  # fmt: skip
    losses = [e.train["loss"] for e in run(text, rows).history]
    assert losses[-1] < losses[0] / 2


def test_lbfgs_that_diverges_says_so_and_keeps_the_last_good_weights():
    text = classifier("optimizer = lbfgs(lr=1e30)\nbatch = all\nepochs = 5", "dense(2) -> square")
    with pytest.raises(CompileError) as caught:
        run(text, points(20))
    assert caught.value.diagnostics[0].code == "E0802"


def test_a_torch_without_muon_is_reported_before_training(monkeypatch):
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(CompileError) as caught:
        run(classifier("optimizer = muon"), points(20))
    problem = caught.value.diagnostics[0]
    assert (problem.code, problem.line) == ("E0807", 5)
    assert "torch 2.9" in problem.message and "adamw" in problem.help


def test_muon_updates_matrices_of_layers_and_adamw_the_rest():
    text = classifier("optimizer = muon", "f", "weight moved: float[2, 2] = zeros\n"
                      "f = dense(8) -> batchnorm -> dense(2)")  # fmt: skip
    text = text.replace("x -> f", "(x + sum(moved)) -> f")
    p = program(text)
    forms = Forms(p, draw(p.graph, 0), torch.device("cpu"))
    [form] = forms.training
    assert [w.value.type.shape for w in matrices(form.graph)] == [(8, 2), (2, 8)]
    kinds = {type(part).__name__ for part in Learner(forms, p.phase, 4).optimizers}
    assert kinds == {"Muon", "AdamW"}


def test_muon_without_a_matrix_is_adamw():
    text = classifier("optimizer = muon(weight_decay=0.1)\nepochs = 1", "batchnorm")
    with_adamw = run(text.replace("muon(weight", "adamw(weight"), points(40)).weights
    for name, array in run(text, points(40)).weights.items():
        np.testing.assert_array_equal(array, with_adamw[name])
