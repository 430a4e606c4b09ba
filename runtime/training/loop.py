"""The training loop."""

from __future__ import annotations

import time
from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING

import torch

from dlc.runtime.expectations import trained_measures
from dlc.runtime.training import device, nan_trace, training_plan
from dlc.runtime.training.batch_losses import Losses
from dlc.runtime.training.batches import Passes
from dlc.runtime.training.history import BestEpoch, Epoch, Figures, Listener, Moment, PhaseEnd, Trained
from dlc.runtime.training.interrupt import Interrupt
from dlc.runtime.training.learner import Learner
from dlc.runtime.training.samples import Samples
from dlc.runtime.training.snapshot import Snapshot, copy
from dlc.runtime.training.torch_forms import Forms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.phases import Phase
    from dlc.runtime.data.rows import Dataset
    from dlc.runtime.training.meter import Meter
    from dlc.runtime.training.training_plan import TrainingPlan

STEP_INTERVAL = 0.1  # minimum seconds between two calls of the `step` listeners


def train(program: CompiledProgram, data: Dataset, weights: Mapping[str, np.ndarray],
          loaded: Sequence[Mapping[str, np.ndarray]] = (), *, on: str = "auto",
          listeners: Sequence[Listener] = ()) -> Trained:  # fmt: skip
    """Train the weights of a program on data, beginning with `weights`, in one phase after the other. Each
    phase begins with the weights of the one before it, replaced by those that it has `loaded`. `on` names the
    device.

    Ctrl-C ends the training after the current step, with the best weights of the phase so far. If a loss or a
    weight is NaN or infinite, it raises `CompileError` after the listeners got the last good weights.
    """
    plans = [training_plan.make(program, phase, data) for phase in program.phases]
    for listener in listeners:
        listener.begin(program, plans)
    trained = Trained(weights, (), 0, "done")
    with Interrupt() as interrupt:
        for phase, plan, own in zip(program.phases, plans, loaded or [{}] * len(plans), strict=True):
            trained = replace(trained, weights={**trained.weights, **own})
            trained = train_phase(program, phase, plan, data, trained, interrupt, on, listeners)
            for listener in listeners if phase.name else ():
                listener.phase(trained.phases[-1])
            if interrupt.asked:
                is_last = phase is program.phases[-1]
                trained = trained if is_last else replace(trained, ended="interrupted")
                break
    for listener in listeners:
        listener.end(trained)
    return trained


def train_phase(
    program: CompiledProgram, phase: Phase, plan: TrainingPlan, data: Dataset, before: Trained,
    interrupt: Interrupt, on: str, listeners: Sequence[Listener],
) -> Trained:  # fmt: skip
    """Train one phase, beginning with the weights of the training `before` it."""
    settings, until = phase.settings, phase.settings.until
    torch.manual_seed(settings.seed)
    forms = Forms(program, before.weights, device.choose(on), phase, data.units)
    for form in forms.training:
        training_plan.check_statistics(form.graph, plan)
    learner = Learner(forms, phase, plan.steps)
    assert data.train is not None, "the plan checks it"
    passes = Passes(forms.loader(data.train, *forms.training), plan, settings.seed)
    live = list(forms.weights.values())
    samples = Samples(forms, data, plan)
    done, done_steps = before.last, before.history[-1].step if before.history else 0
    best, best_at = [w.detach().clone() for w in live], done
    good = Snapshot([*live, *learner.averaged], learner.optimizers, forms.device)
    best_epoch = BestEpoch(phase, training_plan.lower_is_better(program, phase), data.validation is not None)
    history = [*before.history]
    step, ended = 0, "done"

    with device.threads_for(forms.work * max(plan.sizes), forms.device):
        for number in range(done + 1, done + plan.epochs + 1):
            began, first, losses = time.monotonic(), step, Losses([form.means for form in forms.training])
            good.take()
            due = began + STEP_INTERVAL

            for taken in passes.steps():
                for place, made in learner.step(taken, step):
                    losses.add(made, place)
                step += 1
                if time.monotonic() >= due:
                    due = time.monotonic() + STEP_INTERVAL
                    moment = Moment(done_steps + step, learner.rate(step - 1), losses.read)
                    for listener in listeners:
                        listener.step(moment)
                if samples.due(step):
                    with learner.answering():
                        drawn = samples.draw()
                    for listener in listeners:
                        listener.samples(done_steps + step, drawn)
                if step == plan.steps or interrupt.asked:
                    break

            # the only copy from the device to the host in an epoch
            read = losses.read()
            if not all(map(isfinite, read.values())) or not learner.finite():
                kept = best_at if settings.early_stop else number - 1
                error = nan_trace.replay(learner, passes.again(), good, first, done_steps, kept - done)
                good.restore()
                with learner.answering():
                    weights, other = kept_and_other(forms, best, best_at, done, number - 1, kept)
                diverged = Trained(weights, tuple(history), kept if kept > done else before.kept, "diverged",
                                   best=best_epoch.number(best_at, done), other=other,
                                   phases=before.phases)  # fmt: skip
                for listener in listeners:
                    listener.end(diverged)
                raise error

            with learner.answering():
                measured = after_epoch(forms, data, read, validate=not interrupt.asked)
                found = {"validation": {}, **measured, "train": measured.get("train", {}) | read}
                better = best_epoch.better(found) or (interrupt.asked and best_at == done)
                if better:
                    best_at = number
                    copy(live, best)
            rate, rates, seconds = learner.rate(step - 1), learner.rates(step - 1), time.monotonic() - began
            history.append(
                Epoch(number, done_steps + step, rate, seconds, found["train"], found["validation"], better,
                      rates, phase.name, best_epoch.compares)
            )  # fmt: skip
            for listener in listeners:
                listener.epoch(history[-1], lambda: forms.arrays(best))
            learner.after_epoch(found["validation"] or found["train"])
            if interrupt.asked:
                ended = "interrupted"
            elif until is not None and until.holds(trained_measures(measured)):
                ended = "met"
            elif best_epoch.over:
                ended = "early"
            if ended != "done":
                break
            passes.next_epoch()

        if settings.early_stop is not None and best_at == done:
            for listener in listeners if before.phases else ():
                listener.end(before)
            raise training_plan.never_better(settings)

        with learner.answering():
            # a complete phase keeps the last weights, not the best ones
            is_complete = ended in ("done", "met") and settings.early_stop is None
            kept = len(history) if is_complete else best_at
            weights, other = kept_and_other(forms, best, best_at, done, len(history), kept)
            if not is_complete:
                copy(best, live)
            meters = at_end(forms, data)
    figures = {part: meter.figures() for part, meter in meters.items()}
    tables = {part: meter.tables() for part, meter in meters.items()}
    best_at = best_epoch.number(best_at, done)
    end = PhaseEnd(phase.name, done + 1, len(history), kept, best_at, ended, figures)
    return Trained(weights, tuple(history), kept, ended, figures, tables, best_at, other,
                   (*before.phases, end))  # fmt: skip


def kept_and_other(
    forms: Forms, best: list[torch.Tensor], best_at: int, begun: int, last: int, kept: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The weights of the epoch `kept`, and those of the other one of the best and the last epoch, if there is
    another one. `begun` is the last epoch before the phase."""
    if best_at in (begun, last):
        return forms.arrays(best if kept == best_at else None), {}
    of_best, of_last = forms.arrays(best), forms.arrays()
    return (of_best, of_last) if kept == best_at else (of_last, of_best)


def after_epoch(forms: Forms, data: Dataset, losses: Figures, validate: bool) -> dict[str, Figures]:
    """The figures after an epoch: those of the validation rows, and those of the training rows if they are
    watched; of decoded answers only what is watched. `losses` are the mean losses of the steps."""
    watched = {part: training_plan.watched(forms.phase, part) for part in ("train", "validation")}
    until = forms.phase.settings.until
    compared = until is not None and "train" in until.parts()
    parts = {
        "train": data.train if compared or watched["train"] - losses.keys() else None,
        "validation": data.validation if validate else None,
    }
    return {
        part: forms.measure(part, rows, watched[part]).figures()
        for part, rows in parts.items()
        if rows is not None
    }


def at_end(forms: Forms, data: Dataset) -> dict[str, Meter]:
    """The losses and metrics of all parts at the end of a phase; of decoded answers to the training rows only
    what is watched or expected, if there are other rows."""
    parts = {part: rows for part, rows in data.parts() if rows.count}
    asked = training_plan.watched(forms.phase, "train") | {
        path.removeprefix("train.") for e in forms.program.expectations for path in e.measures()
    }
    return {
        part: forms.measure(part, rows, asked if part == "train" and len(parts) > 1 else None)
        for part, rows in parts.items()
    }
