"""Several optimizers with their own weights, and weights without decay, compared with PyTorch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from trainings import assert_same, by_hand, classifier, points, program, run

from dlc.compiler import CompileError
from dlc.compiler.definitions.definition import family
from dlc.compiler.lower.initial_weights import draw
from dlc.compiler.lower.pytorch_source import emit
from dlc.runtime.data import Dataset
from dlc.runtime.training.learner import Learner
from dlc.runtime.training.loop import train
from dlc.runtime.training.torch_forms import Forms

NETS = "net first(a) { return a -> dense(8) }\nnet second(a) { return a -> dense(2) }"
LAYERS = "first -> tanh -> second"


def spec(settings: str) -> str:
    return classifier(settings, LAYERS, NETS)


def refused(settings: str) -> tuple[str, str]:
    with pytest.raises(CompileError) as caught:
        program(spec(settings))
    (problem,) = caught.value.diagnostics
    return problem.code, problem.message


MADE = {
    "optimizer = [adamw(lr=0.001, on=first), adamw(lr=0.05)]": lambda net: [
        torch.optim.AdamW(
            [{"params": net[0].parameters(), "lr": 0.001}, {"params": net[2].parameters()}], 0.05
        )
    ],
    "optimizer = [sgd(lr=0.5, momentum=0.9), adam(lr=0.02, on=second)]\nclip = norm(0.1)": lambda net: [
        torch.optim.SGD(net[0].parameters(), 0.5, momentum=0.9), torch.optim.Adam(net[2].parameters(), 0.02),
    ],
    "optimizer = adamw(lr=0.05, weight_decay=0.3, decay=weights)": lambda net: [
        torch.optim.AdamW([
            {"params": [net[0].weight, net[2].weight]},
            {"params": [net[0].bias, net[2].bias], "weight_decay": 0.0},
        ], 0.05, weight_decay=0.3)
    ],
}  # fmt: skip


@pytest.mark.parametrize("settings", MADE)
def test_each_weight_is_updated_by_its_own_optimizer(settings):
    """The schedule is a factor of all rates, and `clip` acts on all weights together."""
    text = spec(f"{settings}\nschedule = step(3, by=0.5)\nbatch = all\nepochs = 8")
    rows, net = points(60), by_hand(text)
    x, y = torch.from_numpy(rows["x"]), torch.from_numpy(rows["y"])
    optimizers = MADE[settings](net)
    schedules = [torch.optim.lr_scheduler.StepLR(made, 3, 0.5) for made in optimizers]
    for _ in range(8):
        net.zero_grad()
        F.cross_entropy(net(x), y).backward()
        if "clip" in settings:
            torch.nn.utils.clip_grad_norm_(net.parameters(), 0.1)
        for each in (*optimizers, *schedules):
            each.step()
    trained = run(text, rows)
    assert_same(trained.weights, net, rtol=1e-4, atol=1e-5)


def test_the_rates_of_all_entries_are_in_the_record():
    settings = (
        "optimizer = [adam(lr=0.001, on=first), adam(lr=0.01)]\nschedule = step(1, by=0.5)\nbatch = all\n"
    )
    history = run(spec(settings + "epochs = 2"), points(20)).history
    assert [e.rate for e in history] == pytest.approx([0.01, 0.005])
    assert history[1].record()["rates"] == pytest.approx([0.0005, 0.005])
    assert "rates" not in run(spec("epochs = 1"), points(20)).history[0].record()


def test_plateau_lowers_every_rate():
    settings = "optimizer = [sgd(lr=1e-3, on=first), sgd(lr=1e-2)]\nschedule = plateau(patience=0, by=0.1)\n"
    history = run(spec(settings + "epochs = 3"), points(20)).history
    for epoch in history:
        assert epoch.rates[1] == pytest.approx(10 * epoch.rates[0])


@pytest.mark.parametrize("name", sorted(family("optimizer")))
def test_decay_of_weights_excludes_biases_and_norms(name):
    """If the loss has no gradient, only decaying weights change."""
    text = classifier(
        f"optimizer = {name}(lr=0.1, weight_decay=0.5, decay=weights)\n"
        "loss = 0 * mse(y.logits, y.logits)\nepochs = 2\nbatch = all",
        "dense(4) -> layernorm -> tanh -> dense(2)",
    )
    p = program(text)
    begin = {n: a + np.float32(0.5) for n, a in draw(p.graph, 0).items()}
    after = train(p, Dataset(points(20)), begin, on="cpu").weights
    changed = {n for n, array in begin.items() if not np.array_equal(array, after[n])}
    assert changed == {"dense.weight", "dense_2.weight"}


@pytest.mark.parametrize(("settings", "code", "words"), [
    ("optimizer = [adam, sgd(lr=1)]", "E0408", "two entries of the list have no `on=`"),
    ("optimizer = adam(on=first)", "E0408", "no optimizer takes `second.dense.weight`"),
    ("optimizer = [adam(on=[first, second]), adam(on=first), adam]", "E0408", "this `adam` gets no weights"),
    ("optimizer = [adam(on=first), adam]\nfreeze = first", "E0408", "gets no weights: they are frozen"),
    ("optimizer = sgd(lr=1, decay=weights)", "E0408", "`decay` has no effect without `weight_decay`"),
    ("optimizer = [lbfgs(on=first), adam]", "E0408", "`lbfgs` evaluates the loss several times"),
    ("optimizer = [adam(lr=1e-3, on=first), adam(lr=1e-2)]\nschedule = cosine(to=1e-4)", "E0408",
     "`to` of `cosine` is one learning rate"),
    ("optimizer = [adam(lr=1e-3, on=first), adam(lr=1e-2)]\nschedule = one_cycle(peak=1)", "E0408",
     "`peak` of `one_cycle` is one learning rate"),
    ("optimizer = []", "E0403", "`optimizer` of `train`: expected an optimizer"),
])  # fmt: skip
def test_weights_without_an_optimizer_and_the_reverse_are_rejected(settings, code, words):
    found, message = refused(settings)
    assert found == code and words in message


def test_frozen_weights_need_no_optimizer():
    text = spec("optimizer = adam(on=first)\nfreeze = second\nepochs = 1")
    begin, after = draw(program(text).graph, 0), run(text, points(20)).weights
    changed = {name for name, array in begin.items() if not np.array_equal(array, after[name])}
    assert changed == {"first.dense.weight", "first.dense.bias"}


@pytest.mark.parametrize("settings", [
    "optimizer = [adam(on=first), adam]", "optimizer = adamw(decay=weights)", "until = train.loss < 1",
])  # fmt: skip
def test_emit_rejects_unsupported_lists_of_optimizers(settings):
    with pytest.raises(CompileError) as caught:
        emit(program(spec(settings)))
    assert [d.code for d in caught.value.diagnostics] == ["E0821"]


def test_objectives_take_turns_each_with_its_own_weights():
    """As in adversarial training: the first takes two steps, and the second sees the changed weights."""
    text = spec("optimizer = sgd(lr=0.1)\nbatch = 10")
    p, rows, net = program(text), points(20), by_hand(text)
    of_first = frozenset(name for name in p.objective.learns if name.startswith("first"))
    twice = p.objective.settings.knowing(times=2)
    turns = (replace(p.objective, learns=of_first, settings=twice),
             replace(p.objective, learns=p.objective.learns - of_first))  # fmt: skip
    phase = replace(p.phase, objectives=turns)
    forms = Forms(p, draw(p.graph, 0), torch.device("cpu"))
    forms.training *= 2
    x, y = torch.from_numpy(rows["x"]).split(10), torch.from_numpy(rows["y"]).split(10)
    assert phase.batches == 2
    figures = Learner(forms, phase, 1).step([list(batch) for batch in zip(x, y, strict=True)], 0)
    losses = []
    for layer, place in ((net[0], 0), (net[0], 1), (net[2], 1)):
        net.zero_grad()
        loss = F.cross_entropy(net(x[place]), y[place])
        loss.backward()
        torch.optim.SGD(layer.parameters(), 0.1).step()
        losses.append(loss.item())
    assert [made["loss"].item() for _, made in figures] == pytest.approx(losses)
    assert_same(forms.arrays(), net, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="2 objectives"):
        _ = replace(p, phases=(phase,)).objective
