"""Schedules: the learning rate at each step, as a pure function of the step,
and of what one has made of the loss of each epoch before."""

from __future__ import annotations

from abc import abstractmethod
from math import cos, inf, pi
from typing import Any, ClassVar

from dlc.compiler.definitions.definition import Definition, setting
from dlc.compiler.definitions.parameter_types import Integer, Number, Reject
from dlc.compiler.record import record


class Schedule(Definition, family="schedule", what="a schedule"):
    # The setting that is a learning rate, and should be a usual one of the optimizer.
    greatest: ClassVar[str] = ""
    # The setting that counts the steps before it does what it is for.
    awaits: ClassVar[str] = ""

    def check(self, lr: float) -> None:
        """Reject settings that do not go with the optimizer's learning rate."""

    def absolute(self) -> str:
        """The setting that is a learning rate, and no factor on it; empty where there is none."""
        return self.greatest

    @abstractmethod
    def rate(self, lr: float, step: int, steps: int, seen: Any = None) -> float:
        """The learning rate of a step, counted from 0, out of so many; `lr` is the optimizer's,
        `seen` what `after` gave last."""
        raise NotImplementedError

    def after(self, lr: float, seen: Any, loss: float) -> Any:
        """What there is to know after an epoch with this loss, from what there was before it (none at first).
        It is the loss of validation where there are rows for it, else of training."""
        return None

    def formula(self, lr: float) -> str | None:
        """The same in Python over `step` and `steps`, with `cos` and `pi`; empty where it never changes,
        none where no formula says it."""
        return None


class ConstantSchedule(Schedule):
    """The same learning rate throughout."""

    def rate(self, lr, step, steps, seen=None):
        return lr

    def formula(self, lr):
        return ""


class StepSchedule(Schedule):
    """The learning rate times `by` after every `every` steps (torch `StepLR`)."""

    usage = "step(every=1000, by=0.5)"
    awaits = "every"

    every: int = setting("steps between two changes", Integer(1))
    by: float = setting("factor of each change", Number(above=0))

    def rate(self, lr, step, steps, seen=None):
        return lr * self.by ** (step // self.every)

    def formula(self, lr):
        return f"{lr} * {self.by} ** (step // {self.every})"


class Exponential(Schedule):
    """The learning rate times `by` after every step (torch `ExponentialLR`)."""

    usage = "exponential(0.999)"

    by: float = setting("factor of each step", Number(above=0))

    def rate(self, lr, step, steps, seen=None):
        return lr * self.by**step

    def formula(self, lr):
        return f"{lr} * {self.by}**step"


class CosineSchedule(Schedule):
    """Half a cosine from the learning rate down to `to`, after a linear warm-up
    (torch `CosineAnnealingLR`).

    `to + (lr - to) * (1 + cos(pi * t)) / 2`, t rising from 0 after the warm-up to 1 at the end of training.
    """

    awaits = "warmup"

    warmup: int = setting("steps in which the rate rises to its full value", Integer(0), 0)
    to: float = setting("learning rate at the end", Number(minimum=0), 0)

    def check(self, lr):
        if self.to > lr:
            raise Reject(f"`to` is {self.to}, above the learning rate {lr}", at="schedule", code="E0408")

    def absolute(self):
        return "to" if self.to else ""

    def rate(self, lr, step, steps, seen=None):
        if step < self.warmup:
            return lr * warm(step, self.warmup)
        return self.to + (lr - self.to) * (1 + cos(pi * progress(step, steps, self.warmup))) / 2

    def formula(self, lr):
        turned = f"(1 + cos(pi * {told_progress(self.warmup)})) / 2"
        falling = f"{self.to} + {lr - self.to:.9g} * {turned}" if self.to else f"{lr} * {turned}"
        return told_warm(lr, self.warmup) + falling


class Linear(Schedule):
    """A straight line from the learning rate down to 0, after a linear warm-up (torch `LinearLR`).

    `lr * (1 - t)`, t rising from 0 after the warm-up to 1 at the end of training.
    """

    awaits = "warmup"

    warmup: int = setting("steps in which the rate rises to its full value", Integer(0), 0)

    def rate(self, lr, step, steps, seen=None):
        if step < self.warmup:
            return lr * warm(step, self.warmup)
        return lr * (1 - progress(step, steps, self.warmup))

    def formula(self, lr):
        return f"{told_warm(lr, self.warmup)}{lr} * (1 - {told_progress(self.warmup)})"


class OneCycle(Schedule):
    """Up from the learning rate to `peak` in the first 30 % of the steps, then down to almost 0,
    along cosines (Smith and Topin 2017; torch `OneCycleLR`, which starts at peak / 25).

    Momentum stays as it is.
    """

    usage = "one_cycle(peak=0.01)"
    greatest = "peak"

    peak: float = setting("greatest learning rate", Number(above=0))

    rise = 0.3
    end = 1e-4  # of the learning rate

    def check(self, lr):
        if self.peak < lr:
            raise Reject(f"the peak {self.peak} is below the learning rate {lr}", at="schedule", code="E0408",
                         help=f"the cycle rises from `lr` to `peak`: try lr={self.peak / 25:g}")  # fmt: skip

    def rate(self, lr, step, steps, seen=None):
        top = self.rise * steps - 1  # as torch counts: the peak may lie between two steps
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
class Seen:
    """What `plateau` knows after an epoch: the least loss, epochs without a better one, and the rate."""

    least: float
    waited: int
    rate: float


class Plateau(Schedule):
    """The learning rate times `by` after more than `patience` epochs without a loss that is better than
    the least by a ten-thousandth of it (torch `ReduceLROnPlateau`).

    It watches the loss of validation, or of training where there are no rows for validation, and counts in
    epochs, where the other schedules count in steps.
    """

    patience: int = setting("epochs to wait for a better loss", Integer(0), 10)
    by: float = setting("factor of each change", Number(above=0, below=1), 0.1)

    better = 1e-4  # the share of the least loss by which a better one is less
    smallest = 1e-8  # change of the rate that is made

    def rate(self, lr, step, steps, seen=None):
        return seen.rate if seen else lr

    def after(self, lr, seen, loss):
        seen = seen or Seen(inf, 0, lr)
        if loss < seen.least * (1 - self.better):
            return Seen(loss, 0, seen.rate)
        if seen.waited < self.patience:
            return Seen(seen.least, seen.waited + 1, seen.rate)
        rate = seen.rate * self.by
        return Seen(seen.least, 0, rate if seen.rate - rate > self.smallest else seen.rate)


def warm(step: int, warmup: int) -> float:
    """Rises evenly; the step after the warm-up has the full rate."""
    return (step + 1) / (warmup + 1)


def progress(step: int, steps: int, warmup: int) -> float:
    """From 0 after the warm-up towards 1 after the last step."""
    return min((step - warmup) / max(steps - warmup, 1), 1.0)


def between(start: float, stop: float, share: float) -> float:
    """Half a cosine from `start` (share 0) to `stop` (share 1)."""
    return stop + (start - stop) * (1 + cos(pi * share)) / 2


def told_warm(lr: float, warmup: int) -> str:
    """The warm-up as `formula` has it, in front of what follows it."""
    return f"{lr} * (step + 1) / {warmup + 1} if step < {warmup} else " if warmup else ""


def told_progress(warmup: int) -> str:
    return f"(step - {warmup}) / max(steps - {warmup}, 1)" if warmup else "step / steps"
