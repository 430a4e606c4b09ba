"""Learning rate schedules: the learning rate as a pure function of the step, and of a state that is updated
with the loss of each epoch."""

from __future__ import annotations

from abc import abstractmethod
from math import cos, inf, pi
from typing import Any, ClassVar

from dlc.compiler.definitions.definition import Definition, setting
from dlc.compiler.definitions.parameter_types import Integer, Number, Reject
from dlc.compiler.record import record


class Schedule(Definition, family="schedule", what="a schedule"):
    # The setting that is the maximum learning rate, which should be in the usual range of the optimizer.
    maximum: ClassVar[str] = ""
    # The setting with the number of steps before the schedule takes effect.
    delay: ClassVar[str] = ""

    def check(self, lr: float) -> None:
        """Reject settings that are incompatible with the learning rate of the optimizer."""

    def absolute(self) -> str:
        """The setting that is an absolute learning rate, not a factor; empty if there is none."""
        return self.maximum

    @abstractmethod
    def rate(self, lr: float, step: int, steps: int, state: Any = None) -> float:
        """The learning rate of a step, counted from 0, of `steps` in total. `lr` is the learning rate of the
        optimizer, `state` the last result of `after`."""
        raise NotImplementedError

    def after(self, lr: float, state: Any, loss: float) -> Any:
        """The state after an epoch with this loss, given the state before it (none at first). It is the
        validation loss if there are validation rows, else the training loss."""
        return None

    def remembered(self, numbers: list[Any]) -> Any:
        """The state with these numbers, in the order of its fields, as a resumed training has them."""
        raise NotImplementedError

    def formula(self, lr: float) -> str | None:
        """The learning rate as a Python expression of `step` and `steps`, with `cos` and `pi`; empty if it is
        constant, none if there is no such expression."""
        return None


class ConstantSchedule(Schedule):
    """A constant learning rate."""

    def rate(self, lr, step, steps, state=None):
        return lr

    def formula(self, lr):
        return ""


class StepSchedule(Schedule):
    """Multiplies the learning rate by `by` after every `every` steps (torch `StepLR`)."""

    usage = "step(every=1000, by=0.5)"
    delay = "every"

    every: int = setting("steps between two changes", Integer(1))
    by: float = setting("factor of each change", Number(above=0))

    def rate(self, lr, step, steps, state=None):
        return lr * self.by ** (step // self.every)

    def formula(self, lr):
        return f"{lr} * {self.by} ** (step // {self.every})"


class Exponential(Schedule):
    """Multiplies the learning rate by `by` after each step (torch `ExponentialLR`)."""

    usage = "exponential(0.999)"

    by: float = setting("factor of each step", Number(above=0))

    def rate(self, lr, step, steps, state=None):
        return lr * self.by**step

    def formula(self, lr):
        return f"{lr} * {self.by}**step"


class CosineSchedule(Schedule):
    """Cosine decay from the learning rate to `to`, after a linear warm-up (torch `CosineAnnealingLR`).

    `to + (lr - to) * (1 + cos(pi * t)) / 2`, where t increases from 0 after the warm-up to 1 at the end of
    training.
    """

    delay = "warmup"

    warmup: int = setting("steps in which the rate increases to its full value", Integer(0), 0)
    to: float = setting("learning rate at the end", Number(minimum=0), 0)

    def check(self, lr):
        if self.to > lr:
            raise Reject(f"`to` is {self.to}, above the learning rate {lr}", at="schedule", code="E0408")

    def absolute(self):
        return "to" if self.to else ""

    def rate(self, lr, step, steps, state=None):
        if step < self.warmup:
            return lr * warm(step, self.warmup)
        return self.to + (lr - self.to) * (1 + cos(pi * progress(step, steps, self.warmup))) / 2

    def formula(self, lr):
        factor = f"(1 + cos(pi * {progress_formula(self.warmup)})) / 2"
        decay = f"{self.to} + {lr - self.to:.9g} * {factor}" if self.to else f"{lr} * {factor}"
        return warmup_formula(lr, self.warmup) + decay


class Linear(Schedule):
    """Linear decay from the learning rate to 0, after a linear warm-up (torch `LinearLR`).

    `lr * (1 - t)`, where t increases from 0 after the warm-up to 1 at the end of training.
    """

    delay = "warmup"

    warmup: int = setting("steps in which the rate increases to its full value", Integer(0), 0)

    def rate(self, lr, step, steps, state=None):
        if step < self.warmup:
            return lr * warm(step, self.warmup)
        return lr * (1 - progress(step, steps, self.warmup))

    def formula(self, lr):
        return f"{warmup_formula(lr, self.warmup)}{lr} * (1 - {progress_formula(self.warmup)})"


class OneCycle(Schedule):
    """Cosine increase from the learning rate to `peak` in the first 30 % of the steps, then cosine decay to
    almost 0 (Smith and Topin 2017; torch `OneCycleLR`, which starts at peak / 25).

    The momentum is constant.
    """

    usage = "one_cycle(peak=0.01)"
    maximum = "peak"

    peak: float = setting("maximum learning rate", Number(above=0))

    rise = 0.3
    end = 1e-4  # of the learning rate

    def check(self, lr):
        if self.peak < lr:
            raise Reject(f"the peak {self.peak} is below the learning rate {lr}", at="schedule", code="E0408",
                         help=f"the rate rises from `lr` to `peak`: try lr={self.peak / 25:g}")  # fmt: skip

    def rate(self, lr, step, steps, state=None):
        top = self.rise * steps - 1  # as in torch: the peak may be between two steps
        if step <= top:
            return between(lr, self.peak, step / top)
        return between(self.peak, lr * self.end, (step - top) / (steps - 1 - top))

    def formula(self, lr):
        end, fall = lr * self.end, f"(step + 1 - {self.rise} * steps) / ({1 - self.rise:.9g} * steps)"
        rise = f"step / ({self.rise} * steps - 1)"
        up = f"{self.peak} - {self.peak - lr:.9g} * (1 + cos(pi * {rise})) / 2"
        down = f"{end:.9g} + {self.peak - end:.9g} * (1 + cos(pi * {fall})) / 2"
        return f"{up} if step <= {self.rise} * steps - 1 else {down}"


@record
class PlateauState:
    """The state of `plateau` after an epoch: the best loss, the epochs without a better one, and the rate."""

    best: float
    waited: int
    rate: float


class Plateau(Schedule):
    """Multiplies the learning rate by `by` after more than `patience` epochs without a relative improvement
    of the loss by 1e-4 (torch `ReduceLROnPlateau`).

    It watches the validation loss, or the training loss if there are no validation rows. It counts epochs,
    while the other schedules count steps.
    """

    patience: int = setting("epochs to wait for a better loss", Integer(0), 10)
    by: float = setting("factor of each change", Number(above=0, below=1), 0.1)

    threshold = 1e-4  # relative improvement of a better loss
    min_change = 1e-8  # smaller changes of the rate are not made

    def rate(self, lr, step, steps, state=None):
        return state.rate if state else lr

    def remembered(self, numbers):
        return PlateauState(*numbers)

    def after(self, lr, state, loss):
        state = state or PlateauState(inf, 0, lr)
        if loss < state.best * (1 - self.threshold):
            return PlateauState(loss, 0, state.rate)
        if state.waited < self.patience:
            return PlateauState(state.best, state.waited + 1, state.rate)
        rate = state.rate * self.by
        return PlateauState(state.best, 0, rate if state.rate - rate > self.min_change else state.rate)


def warm(step: int, warmup: int) -> float:
    """The factor of a warm-up step; the step after the warm-up has the full rate."""
    return (step + 1) / (warmup + 1)


def progress(step: int, steps: int, warmup: int) -> float:
    """The progress of training: 0 after the warm-up, 1 after the last step."""
    return min((step - warmup) / max(steps - warmup, 1), 1.0)


def between(start: float, stop: float, share: float) -> float:
    """Cosine interpolation from `start` (share 0) to `stop` (share 1)."""
    return stop + (start - stop) * (1 + cos(pi * share)) / 2


def warmup_formula(lr: float, warmup: int) -> str:
    """The warm-up as the first part of a `formula`."""
    return f"{lr} * (step + 1) / {warmup + 1} if step < {warmup} else " if warmup else ""


def progress_formula(warmup: int) -> str:
    return f"(step - {warmup}) / max(steps - {warmup}, 1)" if warmup else "step / steps"
