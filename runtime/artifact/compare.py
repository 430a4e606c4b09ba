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
    """Of numbers the largest difference over the largest value; of choices, infinite if one
    differs by more than its slack. Where that is infinite, any answer will do."""
    if want.shape != have.shape:
        return float("inf")
    if slack is not None:
        want = np.where(np.isinf(slack), have, want)
    if have.dtype.kind not in CHOICES:
        return relative(want, have, floor)
    allowed = np.zeros(want.shape) if slack is None else slack
    if have.dtype.kind in "iu":
        wrong = np.abs(want.astype(np.float64) - have.astype(np.float64)) > allowed
        wrong |= (want != have) & (allowed == 0)
    else:
        wrong = (want != have) & (allowed == 0)
    return float("inf") if np.any(wrong) else 0.0


def relative(want: np.ndarray, have: np.ndarray, floor: float) -> float:
    """Values that are not finite have to be alike; an element of few digits may be off by its last one."""
    step = STEPS.get(have.dtype.name, 0.0)
    want, have = want.astype(np.float64), have.astype(np.float64)
    finite = np.isfinite(want)
    if not np.array_equal(finite, np.isfinite(have)) or not np.array_equal(
        want[~finite], have[~finite], equal_nan=True
    ):
        return float("inf")
    want, have = want[finite], have[finite]
    gap = np.maximum(np.abs(want - have) - step * np.abs(want), 0)
    return float(gap.max(initial=0) / np.abs(want).max(initial=floor))
