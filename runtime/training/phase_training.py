"""The training of one phase: its epochs, its best epoch, and its state, with which it can go on."""

from __future__ import annotations

import time
from dataclasses import asdict
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any

import torch

from dlc.runtime import memory
from dlc.runtime.errors import ArtifactError
from dlc.runtime.expectations import trained_measures
from dlc.runtime.training import device, nan_trace, training_plan
from dlc.runtime.training.batch_losses import Losses
from dlc.runtime.training.batches import Passes
from dlc.runtime.training.history import INTERRUPTED, BestEpoch, Epoch, Moment, PhaseEnd, Trained
from dlc.runtime.training.learner import Learner
from dlc.runtime.training.measuring import after_epoch, at_end
from dlc.runtime.training.samples import Samples
from dlc.runtime.training.snapshot import Snapshot, copy, fill, random_states, set_random_states
from dlc.runtime.training.statistics import Statistics
from dlc.runtime.training.torch_forms import Forms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.phases import Phase
    from dlc.runtime.data.rows.dataset import Dataset
    from dlc.runtime.training.history import Figures, Listener
    from dlc.runtime.training.interrupt import Interrupt
    from dlc.runtime.training.keeper import Keeper
    from dlc.runtime.training.training_plan import TrainingPlan

STEP_INTERVAL = 0.1  # minimum seconds between two calls of the `step` listeners


class PhaseTraining:
    """One phase of a training, which begins with the weights of the training `before` it. `on` names the
    device, and `began` is the CPU time at the beginning of the run, if this is its first phase. Numbers of
    epochs and steps with `done` are of the whole training, others of the phase."""

    def __init__(
        self, program: CompiledProgram, phase: Phase, plan: TrainingPlan, data: Dataset, before: Trained,
        on: str, listeners: Sequence[Listener], began: float | None = None,
    ) -> None:  # fmt: skip
        entered = time.process_time()
        self.program, self.phase, self.plan, self.data, self.before = program, phase, plan, data, before
        self.listeners, self.settings = listeners, phase.settings
        torch.manual_seed(self.settings.seed)
        self.forms = forms = Forms(program, before.weights, device.choose(on), phase, data.units)
        for form in forms.training:
            training_plan.check_statistics(form.graph, plan)
        self.learner = Learner(forms, phase, plan.steps)
        assert data.train is not None, "the plan checks it"
        self.passes = Passes(forms.loader(data.train, *forms.training), plan, self.settings.seed)
        self.live = list(forms.weights.values())
        self._samples = Samples(forms, data, plan)
        self.done, self.done_steps = before.last, before.history[-1].step if before.history else 0
        self.best, self.best_at = [w.detach().clone() for w in self.live], self.done
        lower = training_plan.lower_is_better(program, phase)
        self.best_epoch = BestEpoch(phase, lower, data.validation is not None)
        self.history = [*before.history]
        self.step, self.losses = 0, self._no_losses()
        self._met, self._elapsed, self._gradient = False, 0.0, float("nan")
        self._good = Snapshot([*self.live, *self.learner.averaged], self.learner.optimizers, forms.device)
        self._statistics = Statistics(self.learner, data, plan, self._good, listeners,
                                      entered if began is None else began, entered)  # fmt: skip

    # --- epochs -------------------------------------------------------------------------------------------

    def run(self, interrupt: Interrupt, keeper: Keeper) -> Trained:
        """Train to the end of the phase, or until it is interrupted."""
        work = self.forms.work * max(self.plan.sizes)
        with device.threads_for(work, self.forms.device):
            while not self.ended:
                self._train_epoch(interrupt, keeper)
                if interrupt.asked:
                    break
                keeper.offer(self)
        ended = self.ended or INTERRUPTED
        if self.settings.early_stop is not None and self.best_at == self.done:
            for listener in self.listeners if self.before.phases else ():
                listener.end(self.before)
            raise training_plan.never_better(self.settings)
        if ended != INTERRUPTED and self.phase is self.program.phases[-1]:
            keeper.keep(self)
        return self._trained(ended)

    @property
    def ended(self) -> str:
        """Why the phase is over, empty if it is not."""
        if self._met:
            return "met"
        if self.best_epoch.over:
            return "early"
        return "done" if self.step >= self.plan.steps else ""

    @property
    def epoch(self) -> int:
        """The epoch that is trained, of the whole training."""
        return len(self.history) + 1

    def _train_epoch(self, interrupt: Interrupt, keeper: Keeper) -> None:
        self._began = time.monotonic() - self._elapsed
        first, taken = self.step, self.passes.taken
        self._good.take()
        is_whole = self._take_steps(interrupt, keeper)
        read = self.losses.read()  # the only copy from the device to the host in an epoch
        if not all(map(isfinite, read.values())) or not self.learner.finite():
            raise self._diverged(first, taken)
        seconds = time.monotonic() - self._began
        with self.learner.answering():
            measured = after_epoch(self.forms, self.data, read, validate=is_whole)
            found = {"validation": {}, **measured, "train": measured.get("train", {}) | read}
            better = self.best_epoch.better(found) or (not is_whole and self.best_at == self.done)
            if better:
                self.best_at = self.epoch
                copy(self.live, self.best)
        self._tell_epoch(found, better, seconds)
        self.learner.after_epoch(found["validation"] or found["train"])
        until = self.settings.until
        if is_whole and until is not None:
            self._met = until.holds(trained_measures(measured))
        self._statistics.take(self.history[-1], bool(self.ended) or interrupt.asked)
        self.passes.next_epoch()
        self.losses, self._elapsed = self._no_losses(), 0.0
        if is_whole and interrupt.asked:
            keeper.keep(self)

    def _take_steps(self, interrupt: Interrupt, keeper: Keeper) -> bool:
        """Take the steps of the epoch that are left. False if it is interrupted: the state is kept then."""
        due = time.monotonic() + STEP_INTERVAL
        for taken in self.passes.steps() if self.step < self.plan.steps else ():
            for place, made in self.learner.step(taken, self.step):
                self.losses.add(made, place)
            self.step += 1
            if time.monotonic() >= due:
                due = time.monotonic() + STEP_INTERVAL
                rate = self.learner.rate(self.step - 1)
                moment = Moment(self.done_steps + self.step, rate, self.losses.read)
                for listener in self.listeners:
                    listener.step(moment)
            if self._samples.due(self.step):
                with self.learner.answering():
                    drawn = self._samples.draw()
                for listener in self.listeners:
                    listener.samples(self.done_steps + self.step, drawn)
            if self.step == self.plan.steps:
                break
            if interrupt.asked:
                keeper.keep(self)
                return False
            keeper.offer(self)
        return True

    def _tell_epoch(self, found: Mapping[str, Figures], better: bool, seconds: float) -> None:
        last, rows = self.step - 1, sum(self.plan.rows[: self.passes.taken])
        used = torch.cuda.max_memory_allocated(self.forms.device) if self.forms.device.type == "cuda" \
            else memory.peak()  # fmt: skip
        self.history.append(
            Epoch(self.epoch, self.done_steps + self.step, self.learner.rate(last),
                  time.monotonic() - self._began, found["train"], found["validation"], better,
                  self.learner.rates(last), self.phase.name, self.best_epoch.compares,
                  self._gradient_norm, rows / max(seconds, 1e-9), used)
        )  # fmt: skip
        for listener in self.listeners:
            listener.epoch(self.history[-1], lambda: self.forms.arrays(self.best))

    @property
    def _gradient_norm(self) -> float:
        """The norm of the gradients of the last step; of a resumed training also if it made no step since."""
        norm = self.learner.gradient_norm()
        return self._gradient if isnan(norm) else norm

    def _no_losses(self) -> Losses:
        return Losses([form.means for form in self.forms.training])

    # --- the end ------------------------------------------------------------------------------------------

    def _trained(self, ended: str) -> Trained:
        """The result: a complete phase keeps the last weights, not the best ones."""
        is_complete = ended in ("done", "met") and self.settings.early_stop is None
        with self.learner.answering():
            last = len(self.history)
            kept = last if is_complete else self.best_at
            weights, other = self._kept_and_other(last, kept)
            if not is_complete:
                copy(self.best, self.live)
            meters = at_end(self.forms, self.data)
        figures = {part: meter.figures() for part, meter in meters.items()}
        tables = {part: meter.tables() for part, meter in meters.items()}
        answers = {part: meter.answers() for part, meter in meters.items()}
        best = self.best_epoch.number(self.best_at, self.done)
        end = PhaseEnd(self.phase.name, self.done + 1, last, kept, best, ended, figures)
        return Trained(weights, tuple(self.history), kept, ended, figures, tables, best, other,
                       (*self.before.phases, end), answers)  # fmt: skip

    def _diverged(self, first: int, taken: int) -> Exception:
        """The error of an epoch with NaN or infinity, after the listeners got the last good weights: those
        with which the epoch began, or with which it was resumed."""
        last = self.epoch - 1
        kept = self.best_at if self.settings.early_stop else last
        steps = self.passes.again(taken)
        error = nan_trace.replay(self.learner, steps, self._good, first, self.done_steps, kept - self.done)
        self._good.restore()
        with self.learner.answering():
            weights, other = self._kept_and_other(last, kept)
        first_batches = next(self.passes.again())
        self._statistics.before_divergence(first_batches, last, self.done_steps + first)
        kept = kept if kept > self.done else self.before.kept
        best = self.best_epoch.number(self.best_at, self.done)
        diverged = Trained(weights, tuple(self.history), kept, "diverged", best=best, other=other,
                           phases=self.before.phases)  # fmt: skip
        for listener in self.listeners:
            listener.end(diverged)
        return error

    def _kept_and_other(self, last: int, kept: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """The weights of the epoch `kept`, and those of the other one of the best and the last epoch, if
        there is another one."""
        if self.best_at in (self.done, last):
            return self.forms.arrays(self.best if kept == self.best_at else None), {}
        of_best, of_last = self.forms.arrays(self.best), self.forms.arrays()
        return (of_best, of_last) if kept == self.best_at else (of_last, of_best)

    # --- the state ----------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """The whole state after a step or an epoch, of numbers, texts and tensors; tensors are not copied."""
        return {
            "phase": self.phase.name,
            "done": self.done_steps,
            "step": self.step,
            "weights": dict(self.forms.weights),
            "learner": self.learner.state(),
            "passes": self.passes.state(),
            "random": random_states(self.forms.device),
            "losses": self.losses.state(),
            "elapsed": time.monotonic() - self._began if self.passes.taken else 0.0,
            "gradient": self._gradient_norm,
            "best": {"at": self.best_at, "weights": self.best, **self.best_epoch.state()},
            "met": self.settings.until.text if self._met and self.settings.until else "",
            "history": [asdict(epoch) for epoch in self.history],
            "before": self.before.state() if self.before.phases else None,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state of this phase, whose training `before` it is restored. `ArtifactError` if it is
        not a state of this phase."""
        try:
            self._restore(state)
        except (LookupError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ArtifactError(f"the state that the run has kept is not one of this spec: {why}") from None

    def _restore(self, state: Mapping[str, Any]) -> None:
        kept, best = state["weights"], state["best"]
        fill([kept[name] for name in self.forms.weights], self.live)
        fill(best["weights"], self.best)
        self.best_at = best["at"]
        self.best_epoch.restore(best)
        self.learner.restore(state["learner"])
        self.passes.restore(state["passes"])
        self.losses.restore(state["losses"], self.forms.device)
        self.history = [Epoch.restored(epoch) for epoch in state["history"]]
        until = self.settings.until  # a condition that was changed may not hold
        self.step, self._met = state["step"], until is not None and until.text == state["met"]
        self._elapsed, self._gradient = state["elapsed"], state["gradient"]
        set_random_states(self.forms.device, state["random"])
