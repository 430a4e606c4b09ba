"""The training loop."""

from __future__ import annotations

import time
from itertools import islice
from math import isfinite
from typing import TYPE_CHECKING

import torch

from dlc.runtime import blame, device, plans
from dlc.runtime.forms import Forms
from dlc.runtime.history import Epoch, Figures, Listener, Trained, Watch
from dlc.runtime.interrupt import Interrupt
from dlc.runtime.learner import Learner
from dlc.runtime.losses import Losses
from dlc.runtime.snapshot import Snapshot, copy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np

    from dlc.compiler.program import Program
    from dlc.runtime.data.rows import Dataset
    from dlc.runtime.forms import Batch

TOLD = 0.1  # seconds between two words to the listeners within an epoch


def train(program: Program, data: Dataset, weights: Mapping[str, np.ndarray], *, on: str = "auto",
          listeners: Sequence[Listener] = ()) -> Trained:  # fmt: skip
    """Learn the weights of a program from data, beginning with these; `on` names the device.

    Ctrl-C ends it after the step at hand, with the best weights so far. Where a number turns NaN or
    infinite it raises `CompileError`, after the listeners have been given the last good weights.
    """
    settings, plan = program.train, plans.make(program, data)
    torch.manual_seed(settings.seed)
    forms = Forms(program, weights, device.choose(on))
    plans.check_statistics(forms.training.graph, plan)
    learner = Learner(forms, settings, plan.steps)
    assert data.train is not None, "the plan looked"
    rows, shuffle = forms.resident(data.train, forms.training), torch.Generator().manual_seed(settings.seed)
    live = list(forms.weights.values())
    best, kept = [w.detach().clone() for w in live], 0
    before = Snapshot([*live, *learner.averaged], learner.optimizer, forms.device)
    watch = Watch(settings.early_stop, plans.lower_is_better(program), bool(data.validation))
    history: list[Epoch] = []
    step, ended = 0, "done"
    for listener in listeners:
        listener.begin(program, plan)

    with Interrupt() as interrupt, device.threads_for(forms.work * max(plan.sizes), forms.device):
        for number in range(1, plan.epochs + 1):
            began, first, losses = time.monotonic(), step, Losses(forms.training)
            before.take()
            due = began + TOLD
            order = torch.randperm(rows.count, generator=shuffle) if plan.shuffled else None

            for taken in together(rows.batches(plan.sizes, order), plan.together):
                losses.add(learner.step(taken, step))
                step += 1
                if time.monotonic() >= due:
                    due = time.monotonic() + TOLD
                    for listener in listeners:
                        listener.step(step)
                if step == plan.steps or interrupt.asked:
                    break

            # the only place of an epoch where values are read back from the device
            read = losses.read()
            if not isfinite(read["loss"]) or not learner.finite():
                kept = kept if settings.early_stop else number - 1
                steps = together(rows.batches(plan.sizes, order), plan.together)
                error = blame.replay(learner, steps, before, first, kept)
                before.restore()
                with learner.answering():
                    weights = forms.arrays(best if settings.early_stop else None)
                for listener in listeners:
                    listener.end(Trained(weights, tuple(history), kept, "diverged"))
                raise error

            with learner.answering():
                found = after_epoch(forms, data, read, validate=not interrupt.asked)
                better = watch.better(found) or (interrupt.asked and not kept)
                if better:
                    kept = number
                    copy(live, best)
            rate, seconds = learner.rate(step - 1), time.monotonic() - began
            history.append(Epoch(number, step, rate, seconds, found["train"], found["validation"], better))
            for listener in listeners:
                listener.epoch(history[-1], lambda: forms.arrays(best))
            learner.after_epoch((found["validation"] or found["train"])["loss"])
            if interrupt.asked or watch.over:
                ended = "interrupted" if interrupt.asked else "early"
                break

        if settings.early_stop is not None and not kept:
            raise plans.never_better(settings)

        with learner.answering():
            if ended == "done" and settings.early_stop is None:
                kept = plan.epochs  # who runs to the end is given the last weights, not the best
            else:
                copy(best, live)
            meters = {part: forms.measure(rows) for part, rows in data.parts() if rows.count}
            trained = Trained(forms.arrays(), tuple(history), kept, ended,
                              {part: meter.figures() for part, meter in meters.items()},
                              {part: meter.tables() for part, meter in meters.items()})  # fmt: skip
    for listener in listeners:
        listener.end(trained)
    return trained


def together(batches: Iterator[Batch], count: int) -> Iterator[list[Batch]]:
    """The batches that steps take, so many each; the last may have fewer."""
    while taken := list(islice(batches, count)):
        yield taken


def after_epoch(forms: Forms, data: Dataset, losses: Figures, validate: bool) -> dict[str, Figures]:
    """The figures of an epoch: the losses of its steps, those of validation,
    and of training what is watched."""
    stopping = forms.program.train.early_stop
    train = losses
    if stopping is not None and stopping.part == "train" and stopping.figure != "loss":
        assert data.train is not None
        train = forms.evaluate(data.train) | train
    return {
        "train": train,
        "validation": forms.evaluate(data.validation) if data.validation and validate else {},
    }
