"""Optimizers, schedules, clipping, regularizers, stopping and the section `train`, without the loop."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch.optim import lr_scheduler as schedulers

from dlc.compiler.definitions.definition import Definition, Reject, family
from dlc.compiler.definitions.export_section import Export
from dlc.compiler.definitions.unimplemented import UNIMPLEMENTED, unimplemented_words
from dlc.compiler.diagnostics.source import Site, Source, Span
from dlc.compiler.ir.graph import Value, Weight
from dlc.compiler.training.adam import Adam, Adamax, Adamw, Nadam, Radam
from dlc.compiler.training.early_stopping import Patience
from dlc.compiler.training.gradient_clipping import NormClip
from dlc.compiler.training.gradient_clipping import ValueClip as ClipValue
from dlc.compiler.training.lbfgs import Lbfgs
from dlc.compiler.training.muon import Muon
from dlc.compiler.training.optimizers import Adadelta, Adagrad, Rmsprop, Sgd
from dlc.compiler.training.regularizers import L1, L2, Elastic
from dlc.compiler.training.schedules import (
    ConstantSchedule,
    CosineSchedule,
    Exponential,
    Linear,
    OneCycle,
    Plateau,
    StepSchedule,
)
from dlc.compiler.training.train_section import Train
from dlc.compiler.types import Tensor

SITE = Site(Span(Source("m.dl", "x"), 0, 1))


def weights():
    torch.manual_seed(0)
    return [torch.randn(3, 2, requires_grad=True), torch.randn(3, requires_grad=True)]


class Ridge(torch.optim.LBFGS):
    """L-BFGS on the sum of the loss and `decay / 2 * w ** 2`."""

    def __init__(self, w, decay, **settings):
        super().__init__(w, **settings)
        self.weights, self.decay = w, decay

    def step(self, closure):
        def whole():
            closure()
            with torch.enable_grad():
                loss = cubes(self.weights) + self.decay / 2 * sum((x**2).sum() for x in self.weights)
            self.zero_grad()
            loss.backward()
            return loss

        return super().step(whole)


def cubes(w):
    return sum((x.abs() ** 3).sum() for x in w)


# The torch optimizer of each definition, with and without settings.
STEPS = (
    (Sgd(lr=0.1), lambda w: torch.optim.SGD(w, 0.1)),
    (Sgd(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
     lambda w: torch.optim.SGD(w, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01)),
    (Rmsprop(), lambda w: torch.optim.RMSprop(w)),
    (Rmsprop(lr=0.1, alpha=0.9, eps=1e-3, momentum=0.5, centered=True, weight_decay=0.1),
     lambda w: torch.optim.RMSprop(w, 0.1, 0.9, 1e-3, 0.1, momentum=0.5, centered=True)),
    (Adam(), lambda w: torch.optim.Adam(w)),
    (Adam(lr=0.1, beta1=0.5, beta2=0.9, eps=1e-3, weight_decay=0.1),
     lambda w: torch.optim.Adam(w, 0.1, (0.5, 0.9), 1e-3, 0.1)),
    (Adamw(), lambda w: torch.optim.AdamW(w)),
    (Adamw(lr=0.1, beta1=0.5, beta2=0.9, eps=1e-3, weight_decay=0.5),
     lambda w: torch.optim.AdamW(w, 0.1, (0.5, 0.9), 1e-3, 0.5)),
    (Nadam(), lambda w: torch.optim.NAdam(w)),
    (Nadam(lr=0.1, beta1=0.5, beta2=0.9, eps=1e-3, momentum_decay=0.1, weight_decay=0.1),
     lambda w: torch.optim.NAdam(w, 0.1, (0.5, 0.9), 1e-3, 0.1, 0.1)),
    (Radam(), lambda w: torch.optim.RAdam(w)),
    (Radam(lr=0.1, beta1=0.5, beta2=0.9, eps=1e-3, weight_decay=0.1),
     lambda w: torch.optim.RAdam(w, 0.1, (0.5, 0.9), 1e-3, 0.1)),
    (Adamax(), lambda w: torch.optim.Adamax(w)),
    (Adamax(lr=0.1, beta1=0.5, beta2=0.9, eps=1e-3, weight_decay=0.1),
     lambda w: torch.optim.Adamax(w, 0.1, (0.5, 0.9), 1e-3, 0.1)),
    (Adagrad(), lambda w: torch.optim.Adagrad(w)),
    (Adagrad(lr=0.1, lr_decay=0.1, initial_accumulator_value=0.2, eps=1e-3, weight_decay=0.1),
     lambda w: torch.optim.Adagrad(w, 0.1, 0.1, 0.1, 0.2, 1e-3)),
    (Adadelta(), lambda w: torch.optim.Adadelta(w)),
    (Adadelta(lr=0.5, rho=0.5, eps=1e-3, weight_decay=0.1),
     lambda w: torch.optim.Adadelta(w, 0.5, 0.5, 1e-3, 0.1)),
    (Muon(), lambda w: [torch.optim.Muon(w[:1]), torch.optim.AdamW(w[1:], weight_decay=0.1)]),
    (Muon(lr=0.1, momentum=0.5, nesterov=False, eps=1e-3, ns_steps=3, adjust_lr_fn="match_rms_adamw",
          weight_decay=0.5),
     lambda w: [torch.optim.Muon(w[:1], 0.1, 0.5, 0.5, False, eps=1e-3, ns_steps=3,
                                 adjust_lr_fn="match_rms_adamw"),
                torch.optim.AdamW(w[1:], 0.1, weight_decay=0.5)]),
    (Lbfgs(), lambda w: torch.optim.LBFGS(w)),
    (Lbfgs(lr=0.1, max_iter=3, max_eval=5, tolerance_grad=1e-3, tolerance_change=1e-3, history_size=2,
           line_search="strong_wolfe"),
     lambda w: torch.optim.LBFGS(w, 0.1, 3, 5, 1e-3, 1e-3, 2, "strong_wolfe")),
    (Lbfgs(lr=0.1, weight_decay=0.3, line_search="strong_wolfe"),
     lambda w: Ridge(w, 0.3, lr=0.1, line_search_fn="strong_wolfe")),
)  # fmt: skip


@pytest.mark.parametrize(("ours", "theirs"), STEPS)
def test_optimizer_steps_equal_torch(ours, theirs):
    results = []
    for make in (lambda w: ours.over(torch.optim, w, w[:1]), theirs):
        w = weights()
        made = make(w)
        optimizers = made if isinstance(made, list) else [made]

        def backward(w=w):
            for x in w:
                x.grad = None
            loss = cubes(w)
            loss.backward()
            return loss

        for _ in range(5):
            if ours.recomputes:
                optimizers[0].step(backward)
                continue
            backward()
            for optimizer in optimizers:
                optimizer.step()
        results.append(torch.cat([x.detach().ravel() for x in w]))
    torch.testing.assert_close(results[0], results[1], rtol=1e-5, atol=1e-6)


# Losses of epochs: decreasing, constant within 1e-4, NaN, and negative.
LOSSES = [3.0, 2.0, 1.99999, 2.0, 2.5, float("nan"), 1.9, 1.95, 1.9, 1.9, 1.9, 1.9, 1.9, 1.9, 1.9, 1.9,
          1.9, 1.9, -1.0, -1.00001]  # fmt: skip


def torch_rates(make, lr, steps):
    optimizer = torch.optim.SGD(weights(), lr)
    scheduler, rates = make(optimizer), []
    for loss in LOSSES[:steps]:
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        losses = (loss,) if isinstance(scheduler, schedulers.ReduceLROnPlateau) else ()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SequentialLR of torch raises warnings about itself
            scheduler.step(*losses)
    return rates


def warmed(make, warmup):
    """A torch schedule after a warm-up, which reaches the full rate in the step after it."""

    def chained(optimizer):
        rising = schedulers.LinearLR(optimizer, 1 / (warmup + 1), 1.0, warmup)
        return schedulers.SequentialLR(optimizer, [rising, make(optimizer)], [warmup])

    return chained


# The torch schedule of each definition, over 20 steps from a rate of 0.1.
RATES = (
    (ConstantSchedule(), lambda o: schedulers.ConstantLR(o, 1.0)),
    (StepSchedule(every=3, by=0.1), lambda o: schedulers.StepLR(o, 3, 0.1)),
    (Exponential(by=0.9), lambda o: schedulers.ExponentialLR(o, 0.9)),
    (CosineSchedule(to=0.01), lambda o: schedulers.CosineAnnealingLR(o, 20, 0.01)),
    (CosineSchedule(warmup=5), warmed(lambda o: schedulers.CosineAnnealingLR(o, 15), 5)),
    (Linear(), lambda o: schedulers.LinearLR(o, 1.0, 0.0, 20)),
    (Linear(warmup=5), warmed(lambda o: schedulers.LinearLR(o, 1.0, 0.0, 15), 5)),
    (OneCycle(peak=0.7), lambda o: schedulers.OneCycleLR(o, 0.7, 20, div_factor=7, cycle_momentum=False)),
    (OneCycle(peak=0.1), lambda o: schedulers.OneCycleLR(o, 0.1, 20, div_factor=1, cycle_momentum=False)),
    (Plateau(), lambda o: schedulers.ReduceLROnPlateau(o)),
    (Plateau(patience=0, by=0.5), lambda o: schedulers.ReduceLROnPlateau(o, factor=0.5, patience=0)),
    (Plateau(patience=2, by=1e-4), lambda o: schedulers.ReduceLROnPlateau(o, factor=1e-4, patience=2)),
)


ROWS = {"optimizer": ("STEPS", STEPS), "schedule": ("RATES", RATES)}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in ROWS for name in sorted(family(kind))])
def test_every_definition_and_setting_is_compared_with_torch(kind, name):
    table, rows = ROWS[kind]
    own = [ours for ours, _ in rows if ours.name == name]
    assert own, f"write rows into {table} for `{name}`"
    for key, setting in family(kind)[name].settings.items():
        if key in ("on", "decay"):  # see test_lists_of_optimizers.py
            continue
        assert any(getattr(ours, key) != setting.default for ours in own), (
            f"write a row with `{key}` into {table}"
        )


@pytest.mark.parametrize(("ours", "theirs"), RATES)
def test_schedule_rates_equal_torch(ours, theirs):
    rates, seen = [], None
    for step, loss in enumerate(LOSSES):
        rates.append(ours.rate(0.1, step, 20, seen))
        seen = ours.after(0.1, seen, loss)  # each epoch is one step
    assert rates == pytest.approx(torch_rates(theirs, 0.1, 20), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("schedule", [CosineSchedule(warmup=5), Linear(warmup=5)])
def test_a_warm_up_rises_to_the_full_rate(schedule):
    rates = [schedule.rate(0.1, step, 20) for step in range(20)]
    assert rates[0] == pytest.approx(0.1 / 6)
    assert rates[:6] == sorted(rates[:6])
    assert rates[5] == pytest.approx(0.1)
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert 0 < schedule.rate(0.1, 3, 4) < 0.1  # a training shorter than its warm-up


def test_one_cycle_rises_to_its_peak_and_ends_near_zero():
    rates = [OneCycle(peak=0.5).rate(0.02, step, 101) for step in range(101)]
    assert rates[0] == pytest.approx(0.02)
    assert max(rates) == pytest.approx(0.5, rel=1e-2)
    assert rates[-1] == pytest.approx(2e-6)
    assert OneCycle(peak=0.5).rate(0.02, 0, 1) > 0  # a training of one step
    with pytest.raises(Reject, match="below the learning rate"):
        OneCycle(peak=0.01).check(0.02)


def test_regularizers_add_their_formula_for_weights_of_layers_only():
    a, b = weights()
    l1 = sum(x.abs().sum() for x in (a, b))
    l2 = sum((x**2).sum() for x in (a, b))
    torch.testing.assert_close(L1(x=0.1).torch(torch, [a, b]), 0.1 * l1)
    torch.testing.assert_close(L2(x=0.1).torch(torch, [a]), 0.1 * (a**2).sum())
    torch.testing.assert_close(Elastic(a=0.1, b=0.2).torch(torch, [a, b]), 0.1 * l1 + 0.2 * l2)

    def weight(role, net=None):
        return Weight(Value("w", Tensor("float", (3,), batched=False), SITE), None, role, net=net)

    class Net:
        net = "critic"

    assert [L2(x=1).acts_on(weight(r)) for r in ("weight", "bias", "norm", "statistic")] == [1, 0, 0, 0]
    on_net = L2(x=1, on=L2.settings["on"].kind.accept(Net()))
    assert on_net.acts_on(weight("weight", "critic"))
    assert not on_net.acts_on(weight("weight"))
    tensor = Value("h", Tensor("float", (3,)), SITE)
    assert L1(x=1, on=tensor).value is tensor
    assert not L1(x=1, on=tensor).acts_on(weight("weight"))
    with pytest.raises(Reject, match="a net or a tensor"):
        L2.settings["on"].kind.accept(3)


def test_clips_bound_gradients():
    for clip, norm, largest in ((NormClip(limit=1.0), 1.0, 1.0), (ClipValue(limit=0.5), None, 0.5)):
        w = weights()
        sum((100 * x).sum() for x in w).backward()
        clip.torch(torch.nn.utils, w)
        gradients = torch.cat([x.grad.ravel() for x in w])
        assert gradients.abs().max() <= largest
        if norm:
            assert gradients.norm() == pytest.approx(norm, rel=1e-4)


def test_patience_watches_training_or_validation_figures():
    assert (Patience(n=3).part, Patience(n=3).figure) == ("validation", "loss")
    kind = Patience.settings["on"].kind
    assert Patience(n=3, on=kind.accept("validation.digit.f1")).figure == "digit.f1"
    with pytest.raises(Reject, match="take no part") as caught:
        kind.accept("test.loss")
    assert caught.value.help == "write `validation.loss`"
    with pytest.raises(Reject, match="a figure such as"):
        kind.accept("loss")


def test_the_section_has_defaults_and_rejects_contradictions():
    train = Train()
    assert (train.optimizer, train.batch, train.schedule, train.seed) == (
        (Adam(),),
        32,
        ConstantSchedule(),
        0,
    )
    with pytest.raises(Reject, match="cannot both be given"):
        Train(epochs=3, steps=10).check()
    with pytest.raises(Reject, match="needs a momentum") as caught:
        Train(optimizer=(Sgd(lr=0.1, nesterov=True),)).check()
    assert caught.value.at == "optimizer", "a setting of the section, which has a place"
    for schedule, message in [
        (CosineSchedule(to=1), "above the learning rate"),
        (OneCycle(peak=0.01), "below the learning rate"),
    ]:
        with pytest.raises(Reject, match=message) as caught:
            Train(optimizer=(Sgd(lr=0.1),), schedule=schedule).check()
        assert caught.value.at == "schedule"
    Train(optimizer=(Sgd(lr=0.1, momentum=0.9, nesterov=True),), schedule=OneCycle(peak=1), steps=10).check()


def test_no_unimplemented_word_is_defined():
    for name in UNIMPLEMENTED.keys() & Definition.families.keys():
        assert not set(unimplemented_words(name)) & set(family(name)), name
    for section in (Train, Export):
        assert not set(unimplemented_words(section.name)) & set(section.settings)


def test_precision_is_one_of_three():
    kind = Train.settings["precision"].kind
    assert [kind.accept(word) for word in ("float32", "bf16", "float64")] == ["float32", "bf16", "float64"]
    with pytest.raises(Reject, match="expected"):
        kind.accept("int3")
