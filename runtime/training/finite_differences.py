"""Compare a derivative with finite differences, and distinguish kinks from errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STEPS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
TOLERANCE = 1e-7  # relative to the gradient
ROUNDING = 3e-15  # relative to the value of the function, in float64
SIDES = 1e-4  # minimum difference of one-sided derivatives at a kink, relative to the gradient
DENSE = 1e-2  # tolerance if kinks are closer than the smallest step, relative to the gradient
MOVING = 4  # tolerance relative to the change of the differences between two steps
SMALL = 1e-5  # relative to the value of the function: smaller gradients are only rounding


@dataclass(frozen=True)
class DerivativeCheck:
    """The comparison of a derivative with `numeric`, the finite difference; `error` is relative to the
    gradient.

    `kink` says that the function has a kink at 0 or within the largest step. `wrong` says that the derivative
    is not a possible derivative of the function.
    """

    error: float
    numeric: float
    kink: bool = False
    wrong: bool = False


class Differences:
    """A function of one variable minus its value at 0. Each point is computed once."""

    def __init__(self, function: Callable[[float], float]) -> None:
        self._function, self.value = function, function(0.0)
        self._known: dict[float, float] = {}

    def at(self, t: float) -> float:
        if t not in self._known:
            self._known[t] = self._function(t) - self.value
        return self._known[t]

    def central(self, h: float) -> float:
        """The central difference with an error of order `h ** 4`."""
        at = self.at
        return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)

    def sides(self, h: float) -> tuple[float, float]:
        """The left and the right derivative with errors of order `h ** 2`."""
        left, right = ((4 * self.at(s) - self.at(2 * s)) / (2 * s) for s in (-h, h))
        return left, right

    def rounding(self, h: float) -> float:
        return ROUNDING * abs(self.value) / h


def compare(function: Callable[[float], float], derivative: float, size: float,
            steps: Sequence[float] = STEPS) -> DerivativeCheck:  # fmt: skip
    """Compare a claimed derivative of a function of one variable at 0 with finite differences. `size` is the
    largest absolute entry of the whole gradient.

    The step shrinks until both agree, which they do if no kink is within the step. If the differences
    converge to another value, either the one-sided derivatives differ: then 0 is a kink, and every value
    between them is correct. Or the derivative is wrong. If kinks are so dense that the differences do not
    converge, the derivative is accepted if its error is about as small as the change of the differences.
    """
    about, before, moving = Differences(function), None, 0.0
    error = numeric = 0.0
    for h in steps:
        numeric = about.central(h)
        scale = max(size, abs(numeric), SMALL * abs(about.value), 1e-300)
        error = abs(derivative - numeric) / scale
        if error <= TOLERANCE + about.rounding(h) / scale:
            kink = before is not None and not is_smooth(about, derivative, 10 * h)
            return DerivativeCheck(error, numeric, kink)
        moving = 0.0 if before is None else abs(numeric - before) / scale
        if before is not None and moving <= TOLERANCE + about.rounding(h) / scale:
            break
        before = numeric
    if lies_between(about, derivative, size):
        return DerivativeCheck(0.0, numeric, kink=True)
    dense = error <= min(MOVING * moving, DENSE)
    return DerivativeCheck(error, numeric, kink=dense, wrong=not dense)


def is_smooth(about: Differences, derivative: float, h: float) -> bool:
    """Whether halving the step reduces the error to about a 16th, as for a smooth function."""
    whole, half = (abs(about.central(s) - derivative) for s in (h, h / 2))
    return whole / 32 <= half <= whole / 8


def lies_between(about: Differences, derivative: float, size: float) -> bool:
    """Whether the one-sided derivatives converged to different values, and the derivative is between them."""
    before, (left, right) = (about.sides(h) for h in STEPS[-2:])
    low, high = sorted((left, right))
    slack = SIDES * max(size, abs(low), abs(high)) + 10 * about.rounding(STEPS[-1])
    settled = abs(before[0] - left) <= slack and abs(before[1] - right) <= slack
    return settled and high - low > slack and low - slack <= derivative <= high + slack
