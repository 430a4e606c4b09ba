"""Columns that lose their differences when they are cast to float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

STEPS = 1000  # minimum standard deviation, in float32 steps (ulp)


@dataclass(frozen=True)
class PrecisionLoss:
    """A column with its largest absolute value, its standard deviation, and the float32 step (ulp) at that
    value."""

    column: str
    size: float
    deviation: float
    step: float

    def __str__(self) -> str:
        return (
            f"{self.column} deviates by {self.deviation:.3g} around {self.size:.3g}, where float32 goes in "
            f"steps of {self.step:.3g}"
        )


def precision_losses(values: np.ndarray, called: Sequence[str]) -> list[PrecisionLoss]:
    """The features, along the last axis, with a standard deviation of less than `STEPS` float32 steps."""
    if not values.size or values.dtype.itemsize < 4 or values.dtype.kind not in "iuf":
        return []
    rows = values.reshape(-1, len(called))
    low, high = np.fmin.reduce(rows, axis=0), np.fmax.reduce(rows, axis=0)  # ignores NaN
    size = np.maximum(np.abs(low.astype(np.float64)), np.abs(high.astype(np.float64)))
    step = np.spacing(size.astype(np.float32)).astype(np.float64)
    reach = high.astype(np.float64) - low
    found = []
    for place in np.flatnonzero((reach > 0) & (reach < 100 * STEPS * step)).tolist():
        deviation = float(np.nanstd((rows[:, place] - low[place]).astype(np.float64)))
        if deviation < STEPS * step[place]:
            found.append(PrecisionLoss(called[place], float(size[place]), deviation, float(step[place])))
    return found
