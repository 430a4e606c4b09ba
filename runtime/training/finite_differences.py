"""A derivative held against differences of the function, and what tells a kink from an error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STEPS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
TOLERANCE = 1e-7  # of the size of the gradient
ROUNDING = 3e-15  # of the function's value, in float64
SIDES = 1e-4  # of the size of the gradient, by which the derivatives of both sides are told apart
DENSE = 1e-2  # of the size of the gradient, that is left where kinks are closer than the smallest step
MOVING = 4  # times as much as differences still move from step to step that they may be away
SMALL = 1e-5  # of the function's value: below it rounding is all that there is to a gradient


@dataclass(frozen=True)
class Compared:
    """How far a derivative is from `numeric`, what differences say; `error` is relative to the
    size of the gradient.

    `kink` says that the function has a kink here, or nearer than the largest step; `wrong` that the
    derivative is none that the function could have.
    """

    error: float
    numeric: float
    kink: bool = False
    wrong: bool = False


class Differences:
    """A function of one number around 0, less its value there; each place is computed once."""

    def __init__(self, function: Callable[[float], float]) -> None:
        self._function, self.value = function, function(0.0)
        self._known: dict[float, float] = {}

    def at(self, t: float) -> float:
        if t not in self._known:
            self._known[t] = self._function(t) - self.value
        return self._known[t]

    def central(self, h: float) -> float:
        """The derivative, but for an error of the order `h ** 4`."""
        at = self.at
        return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)

    def sides(self, h: float) -> tuple[float, float]:
        """The derivatives of the left and of the right side, but for errors of the order `h ** 2`."""
        left, right = ((4 * self.at(s) - self.at(2 * s)) / (2 * s) for s in (-h, h))
        return left, right

    def rounding(self, h: float) -> float:
        return ROUNDING * abs(self.value) / h


def compare(function: Callable[[float], float], derivative: float, size: float,
            steps: Sequence[float] = STEPS) -> Compared:  # fmt: skip
    """The derivative that a function of one number is said to have at 0, against the one that it has.
    `size` is that of the whole gradient.

    The step shrinks until both agree: where the nearest kink is further away than the step, they do. Where
    differences have settled on another value there is a kink at 0 itself, if the sides differ, and every
    value between them is right; or the derivative is wrong. Where kinks are so dense that differences never
    settle, it is right as far as can be told if it is about as near as they still move.
    """
    about, before, moving = Differences(function), None, 0.0
    error = numeric = 0.0
    for h in steps:
        numeric = about.central(h)
        scale = max(size, abs(numeric), SMALL * abs(about.value), 1e-300)
        error = abs(derivative - numeric) / scale
        if error <= TOLERANCE + about.rounding(h) / scale:
            kink = before is not None and not is_smooth(about, derivative, 10 * h)
            return Compared(error, numeric, kink)
        moving = 0.0 if before is None else abs(numeric - before) / scale
        if before is not None and moving <= TOLERANCE + about.rounding(h) / scale:
            break
        before = numeric
    if lies_between(about, derivative, size):
        return Compared(0.0, numeric, kink=True)
    dense = error <= min(MOVING * moving, DENSE)
    return Compared(error, numeric, kink=dense, wrong=not dense)


def is_smooth(about: Differences, derivative: float, h: float) -> bool:
    """Whether the error at a step shrinks as that of a smooth function does, to a 16th at half the step."""
    whole, half = (abs(about.central(s) - derivative) for s in (h, h / 2))
    return whole / 32 <= half <= whole / 8


def lies_between(about: Differences, derivative: float, size: float) -> bool:
    """Whether both sides have settled, on values that differ, and the derivative is one of them
    or between them."""
    before, (left, right) = (about.sides(h) for h in STEPS[-2:])
    low, high = sorted((left, right))
    slack = SIDES * max(size, abs(low), abs(high)) + 10 * about.rounding(STEPS[-1])
    settled = abs(before[0] - left) <= slack and abs(before[1] - right) <= slack
    return settled and high - low > slack and low - slack <= derivative <= high + slack
