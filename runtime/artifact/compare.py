"""How far two answers are apart."""

from __future__ import annotations

import numpy as np

TOLERANCE = 1e-4  # of the largest absolute value of the output
# What that value counts as at least. Probabilities of many classes are all small.
FLOOR, PROBABILITY_FLOOR = 1.0, 0.01
CHOICES = "OUSTiub"  # text, whole numbers, yes or no: right or wrong, with nothing between
STEPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7}  # from one number to the next, relative


def difference(
    want: np.ndarray, have: np.ndarray, slack: np.ndarray | None = None, floor: float = FLOOR
) -> float:
    """The largest of the gaps, infinite for another shape."""
    if want.shape != have.shape:
        return float("inf")
    return float(gaps(want, have, slack, floor).max(initial=0))


def gaps(want: np.ndarray, have: np.ndarray, slack: np.ndarray | None, floor: float) -> np.ndarray:
    """How far each value is off beyond its slack: of numbers in parts of the largest one, of choices
    infinitely. Where the slack is infinite, any answer will do."""
    slack = np.zeros(want.shape) if slack is None else slack
    apart = chosen(want, have, slack) if have.dtype.kind in CHOICES else relative(want, have, slack, floor)
    return np.where(np.isinf(slack), 0, apart)


def chosen(want: np.ndarray, have: np.ndarray, slack: np.ndarray) -> np.ndarray:
    wrong = np.asarray(want != have)
    if have.dtype.kind in "iu":
        wrong &= ~(np.abs(want.astype(np.float64) - have.astype(np.float64)) <= slack) | (slack == 0)
    return np.where(wrong, np.inf, 0)


def relative(want: np.ndarray, have: np.ndarray, slack: np.ndarray, floor: float) -> np.ndarray:
    """Values that are not finite have to be alike; an element of few digits may be off by its last one."""
    step = STEPS.get(have.dtype.name, 0.0)
    want, have = want.astype(np.float64), have.astype(np.float64)
    finite = np.isfinite(want)
    scale = np.abs(want[finite]).max(initial=floor)
    with np.errstate(invalid="ignore"):
        gap = np.maximum(np.abs(want - have) - step * np.abs(want) - slack, 0) / scale
        alike = (want == have) | (np.isnan(want) & np.isnan(have))
    return np.where(alike, 0, np.where(finite & np.isfinite(have), gap, np.inf))
