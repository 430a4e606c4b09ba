"""The difference of two outputs."""

from __future__ import annotations

from typing import Any

import numpy as np

TOLERANCE = 1e-4  # relative to the largest absolute value of the output
# The minimum of that value; lower for probabilities, which are all small if there are many classes.
FLOOR, PROBABILITY_FLOOR = 1.0, 0.01
CHOICES = "OUSTiub"  # dtype kinds of text, integers and booleans: equal or wrong
STEPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7}  # machine epsilon


def difference(
    want: np.ndarray, have: np.ndarray, slack: np.ndarray | None = None, floor: float = FLOOR
) -> float:
    """The largest gap; infinite if the shapes differ."""
    if want.shape != have.shape:
        return float("inf")
    return float(gaps(want, have, slack, floor).max(initial=0))


def gaps(want: np.ndarray, have: np.ndarray, slack: np.ndarray | None, floor: float) -> np.ndarray:
    """The difference of each value beyond its slack: for floats relative to the largest value, for text,
    integers and booleans 0 or infinity. With infinite slack, every value is accepted."""
    slack = np.zeros(want.shape) if slack is None else slack
    apart = (
        choice_gaps(want, have, slack)
        if have.dtype.kind in CHOICES
        else relative_gaps(want, have, slack, floor)
    )
    return np.where(np.isinf(slack), 0, apart)


def choice_gaps(want: np.ndarray, have: np.ndarray, slack: np.ndarray) -> np.ndarray:
    wrong = np.asarray(want != have)
    if have.dtype.kind in "iu":
        wrong &= ~(np.abs(want.astype(np.float64) - have.astype(np.float64)) <= slack) | (slack == 0)
    return np.where(wrong, np.inf, 0)


def relative_gaps(want: np.ndarray, have: np.ndarray, slack: np.ndarray, floor: float) -> np.ndarray:
    """Relative differences. NaN and infinities have to be equal; float16 and bfloat16 may differ by one
    ulp."""
    step = STEPS.get(have.dtype.name, 0.0)
    want, have = want.astype(np.float64), have.astype(np.float64)
    finite = np.isfinite(want)
    scale = np.abs(want[finite]).max(initial=floor)
    with np.errstate(invalid="ignore"):
        gap = np.maximum(np.abs(want - have) - step * np.abs(want) - slack, 0) / scale
        alike = (want == have) | (np.isnan(want) & np.isnan(have))
    return np.where(alike, 0, np.where(finite & np.isfinite(have), gap, np.inf))


def widened(rows: np.ndarray, steps: int, fill: Any = None) -> np.ndarray:
    """Rows with further steps, of this value or of that of the last step."""
    mode: Any = {"mode": "edge"} if fill is None else {"constant_values": fill}
    return np.pad(rows, [(0, 0), (0, steps - rows.shape[1])], **mode) if rows.shape[1] < steps else rows
