"""How far two answers are apart, and how far rounding alone may move an answer that chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

TOLERANCE = 1e-4  # of the largest absolute value of the output, which counts as 1 at least
CLOSE = 1e-4
CHOICES = "OUSTiub"  # text, whole numbers, yes or no: right or wrong, with nothing between
STEPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7}  # from one number to the next, relative


def difference(want: np.ndarray, have: np.ndarray, slack: np.ndarray | None = None) -> float:
    """Of numbers the largest difference over the largest value;
    of choices, infinite if one differs by more than its slack."""
    if want.shape != have.shape:
        return float("inf")
    if have.dtype.kind not in CHOICES:
        return relative(want, have)
    allowed = np.zeros(want.shape) if slack is None else slack
    if have.dtype.kind in "iu":
        wrong = np.abs(want.astype(np.float64) - have.astype(np.float64)) > allowed
        wrong |= (want != have) & (allowed == 0)
    else:
        wrong = (want != have) & (allowed == 0)
    return float("inf") if np.any(wrong) else 0.0


def relative(want: np.ndarray, have: np.ndarray) -> float:
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
    return float(gap.max(initial=0) / np.abs(want).max(initial=1))


# --- what rounding may decide -----------------------------------------------------------------------------


def slack_of(operator: Any) -> Callable[[np.ndarray], np.ndarray] | None:
    """How far the answers of an operator may be moved by rounding, given what flows into it;
    none if it chooses nothing."""
    from dlc.compiler.operators import answers

    if isinstance(operator, answers.ClassNumber):
        return of_classes(operator.operands[0].axis(operator.axis))
    if isinstance(operator, answers.BinaryAnswer):
        return around(0.0)
    if isinstance(operator, answers.AtLeastHalf):
        return around(0.5)
    if isinstance(operator, answers.RoundTo) and operator.operands[0].is_float:
        return of_rounding
    return None


def of_classes(axis: int) -> Callable[[np.ndarray], np.ndarray]:
    """Any class will do where the best two scores are as good as equal."""

    def slack(scores: np.ndarray) -> np.ndarray:
        first, second = np.moveaxis(np.sort(scores.astype(np.float64), axis), axis, 0)[:-3:-1]
        with np.errstate(invalid="ignore"):
            return np.where(first - second > CLOSE * np.maximum(1, np.abs(first)), 0, np.inf)

    return slack


def around(threshold: float) -> Callable[[np.ndarray], np.ndarray]:
    """Either answer will do where a score is as good as the one at which it turns."""
    return lambda score: np.where(np.abs(score.astype(np.float64) - threshold) > CLOSE, 0, np.inf)


def of_rounding(value: np.ndarray) -> np.ndarray:
    """The next whole number will do where a value is as good as halfway to it,
    and any for what is no number."""
    value = value.astype(np.float64)
    with np.errstate(invalid="ignore"):
        room = CLOSE * np.maximum(1, np.abs(value))
        halfway = np.abs(value - np.floor(value) - 0.5) <= room
    return np.select([np.isnan(value), np.isinf(value), halfway], [np.inf, 0, 1 + room], 0)
