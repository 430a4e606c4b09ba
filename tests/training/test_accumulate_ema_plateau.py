"""Gradient accumulation, moving averages of weights, and the schedule `plateau`."""

from __future__ import annotations

import signal

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.optim import swa_utils
from trainings import assert_same, by_hand, classifier, points, program, run

from dlc.compiler import CompileError
from dlc.runtime.data import Dataset
from dlc.runtime.training import training_plan
from dlc.runtime.training.history import Listener
from dlc.runtime.training.loop import train

SGD = "optimizer = sgd(lr=0.1, momentum=0.9)\nseed = 5\n"


# --- accumulate -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", ["", "regularize = l2(0.01)", "clip = norm(0.1)", "schedule = cosine"])
def test_accumulated_batches_equal_one_large_batch(extra):
    """70 rows give batches of 8 and a last one of 6: the last step has a batch of 8 and that of 6."""
    large = run(classifier(f"{SGD}epochs = 3\nbatch = 32\n{extra}"), points(70))
    small = run(classifier(f"{SGD}epochs = 3\nbatch = 8\naccumulate = 4\n{extra}"), points(70))
    assert [e.step for e in small.history] == [3, 6, 9]
    for name, array in large.weights.items():
        np.testing.assert_allclose(small.weights[name], array, rtol=1e-4, atol=1e-6)
    for ours, theirs in zip(small.history, large.history, strict=True):
        assert ours.train["loss"] == pytest.approx(theirs.train["loss"], rel=1e-5)
        assert ours.rate == theirs.rate


def test_lbfgs_evaluates_all_accumulated_batches():
    lbfgs = "optimizer = lbfgs(max_iter=3, line_search=strong_wolfe)\nepochs = 3\n"
    whole = run(classifier(f"{lbfgs}batch = all"), points(60)).weights
    parts = run(classifier(f"{lbfgs}batch = 20\naccumulate = 3"), points(60)).weights
    for name, array in whole.items():
        np.testing.assert_allclose(parts[name], array, rtol=1e-3, atol=1e-4)


def test_steps_count_updates_of_the_weights():
    p = program(classifier("steps = 7\nbatch = 10\naccumulate = 3"))
    plan = training_plan.make(p, p.last_phase, Dataset(points(100)))
    assert (plan.rows, plan.steps, plan.epochs) == ([30, 30, 30, 10], 7, 2)
    history = run(classifier("steps = 7\nbatch = 10\naccumulate = 3"), points(100)).history
    assert [e.step for e in history] == [4, 7]


def test_a_drawn_epoch_has_as_many_steps():
    p = program("input z: float[3]\noutput y: float\nz -> dense(1) -> y\ndata { z = normal() }\n"
                "train { loss = mse(y, 0)\nsteps = 5\nbatch = 4\naccumulate = 2 }\n")  # fmt: skip
    from dlc.runtime.data import InMemoryRows

    plan = training_plan.make(p, p.last_phase, Dataset(InMemoryRows({}, None, drawn=p.data.fields)))
    assert (plan.rows, plan.epochs) == ([8] * 5, 1)


def test_nan_is_found_within_a_step_of_several_batches():
    rows = points(40)
    rows["x"][13] = np.nan
    with pytest.raises(CompileError) as caught:
        run(classifier("batch = 5\naccumulate = 4\nepochs = 1"), rows)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    step = int((order == 13).nonzero()) // 20 + 1
    assert caught.value.diagnostics[0].message == f"the result of `dense` is NaN at step {step}"


# --- ema --------------------------------------------------------------------------------------------------

EMA = f"{SGD}epochs = 3\nbatch = 16\nema = 0.8\n"


def averaged_by_hand(text: str, rows, layers=None):
    net = by_hand(text)
    average = swa_utils.AveragedModel(net, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.8))
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    shuffle, x, y = torch.Generator().manual_seed(5), torch.from_numpy(rows["x"]), torch.from_numpy(rows["y"])
    for _ in range(3):
        for index in torch.randperm(len(y), generator=shuffle).split(16):
            optimizer.zero_grad()
            F.cross_entropy(net(x[index]), y[index]).backward()
            optimizer.step()
            average.update_parameters(net)
    return net, average.module


def test_averages_equal_torch_and_are_validated_and_saved():
    text, rows, validation = classifier(EMA), points(100), points(30, 1)
    net, average = averaged_by_hand(text, rows)
    trained = run(text, rows, validation)
    assert_same(trained.weights, average, rtol=1e-4, atol=1e-6)
    x, y = (torch.from_numpy(validation[name]) for name in "xy")
    loss = float(F.cross_entropy(average(x), y).detach())
    assert trained.history[-1].validation["loss"] == pytest.approx(loss, rel=1e-4)
    assert trained.figures["validation"]["loss"] == pytest.approx(loss, rel=1e-4)
    with pytest.raises(AssertionError):
        assert_same(trained.weights, net, rtol=1e-4, atol=1e-6)


def test_running_statistics_are_not_averaged():
    layers = "batchnorm -> dense(4) -> batchnorm -> tanh -> dense(2)"
    plain = run(classifier(EMA.replace("ema = 0.8", ""), layers), points(100)).weights
    averaged = run(classifier(EMA, layers), points(100)).weights
    for name, array in plain.items():
        assert np.array_equal(averaged[name], array) == ("running" in name), name


def test_early_stopping_keeps_the_best_averages():
    flipped = points(100, 1)
    flipped["y"] = 1 - flipped["y"]
    text = classifier(EMA.replace("epochs = 3", "epochs = 9\nearly_stop = patience(2)"))
    trained = run(text, points(100), flipped)
    once = run(text.replace("epochs = 9", "epochs = 1"), points(100), flipped)
    assert (trained.ended, trained.kept) == ("early", 1)
    assert all(trained.weights[n].tobytes() == w.tobytes() for n, w in once.weights.items())
    assert trained.figures["validation"] == trained.history[0].validation


@pytest.mark.parametrize("stop", ["", "early_stop = patience(5, on=train.loss)"])
def test_a_run_that_diverges_leaves_the_averages_of_the_last_good_epoch(stop):
    kept = {}

    class Poison(Listener):
        """A listener that replaces rows by NaN after two epochs."""

        def begin(self, program, plan, history): ...

        def step(self, step): ...

        def epoch(self, epoch, weights):
            kept[epoch.epoch] = weights()
            if epoch.epoch == 2:
                spoiled[0]()

        def end(self, trained):
            kept["end"] = trained

    spoiled = []
    text, rows = classifier(f"{EMA.replace('epochs = 3', 'epochs = 5')}{stop}"), points(100)
    p = program(text)
    from dlc.compiler.lower.initial_weights import draw

    data = Dataset(rows)
    spoiled.append(lambda: rows["x"].__setitem__(slice(0, 3), np.nan))
    good = run(text.replace("epochs = 5", "epochs = 2"), points(100)).weights
    with pytest.raises(CompileError):
        train(p, data, draw(p.graph, 5), on="cpu", listeners=[Poison()])
    assert (kept["end"].ended, kept["end"].kept) == ("diverged", 2)
    assert all(kept["end"].weights[n].tobytes() == w.tobytes() for n, w in good.items())


def test_ctrl_c_keeps_the_averages():
    class Pressing(Listener):
        def begin(self, program, plan, history): ...

        def step(self, step): ...

        def epoch(self, epoch, weights):
            signal.raise_signal(signal.SIGINT)

        def end(self, trained): ...

    trained = run(classifier(EMA), points(100), listeners=[Pressing()])
    once = run(classifier(EMA.replace("epochs = 3", "epochs = 1")), points(100))
    assert trained.ended == "interrupted"
    assert all(trained.weights[n].tobytes() == w.tobytes() for n, w in once.weights.items())


# --- plateau ----------------------------------------------------------------------------------------------


def test_plateau_reduces_the_rate_without_a_better_validation_loss():
    flipped = points(100, 1)
    flipped["y"] = 1 - flipped["y"]
    text = classifier("optimizer = sgd(lr=0.1)\nschedule = plateau(1, by=0.5)\nepochs = 7")
    history = run(text, points(100), flipped).history
    made = torch.optim.SGD([torch.zeros(1)], 0.1)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(made, factor=0.5, patience=1)
    wanted = []
    for epoch in history:
        wanted.append(made.param_groups[0]["lr"])
        scheduler.step(epoch.validation["loss"])
    assert [e.rate for e in history] == pytest.approx(wanted)
    assert wanted[-1] < 0.05


def test_plateau_watches_the_training_loss_without_validation():
    text = classifier("optimizer = sgd(lr=1e-9)  # allow W0410: it must not learn\n"
                      "schedule = plateau(0, by=0.5)\nepochs = 3\nbatch = all")  # fmt: skip
    rates = [e.rate for e in run(text, points(20)).history]
    assert rates == [1e-9, 1e-9, 1e-9]  # too small to be reduced, as in torch
    text = text.replace("1e-9", "1e-7")
    assert [e.rate for e in run(text, points(20)).history] == [1e-7, 1e-7, 5e-8]


def test_all_groups_of_an_optimizer_follow_the_schedule():
    text = classifier("optimizer = muon(lr=0.1)\nschedule = step(1, by=0.1)\nsteps = 3\nbatch = all")
    from dlc.compiler.lower.initial_weights import draw
    from dlc.runtime.training.learner import Learner
    from dlc.runtime.training.torch_forms import Forms

    p, rows = program(text), points(20)
    learner = Learner(Forms(p, draw(p.graph, 0), torch.device("cpu")), p.phase, 3)
    learner.step([[torch.from_numpy(rows["x"]), torch.from_numpy(rows["y"])]], 2)
    assert [g["lr"] for made in learner.optimizers for g in made.param_groups] == pytest.approx([1e-3, 1e-3])
