"""Numbers whose differences are lost where they are made float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

STEPS = 1000  # of float32 that numbers have to deviate by


@dataclass(frozen=True)
class Coarse:
    """How large the numbers are and how much they deviate, and the step of float32 at that size; `column` is
    what they are called."""

    column: str
    size: float
    deviation: float
    step: float

    def __str__(self) -> str:
        return (
            f"{self.column} deviates by {self.deviation:.3g} around {self.size:.3g}, where float32 goes in "
            f"steps of {self.step:.3g}"
        )


def coarse(values: np.ndarray, called: Sequence[str]) -> list[Coarse]:
    """The features, on the last axis, whose standard deviation is less than `STEPS` steps of float32."""
    if not values.size or values.dtype.itemsize < 4 or values.dtype.kind not in "iuf":
        return []
    rows = values.reshape(-1, len(called))
    low, high = np.fmin.reduce(rows, axis=0), np.fmax.reduce(rows, axis=0)  # NaN is left out
    size = np.maximum(np.abs(low.astype(np.float64)), np.abs(high.astype(np.float64)))
    step = np.spacing(size.astype(np.float32)).astype(np.float64)
    reach = high.astype(np.float64) - low
    found = []
    for place in np.flatnonzero((reach > 0) & (reach < 100 * STEPS * step)).tolist():
        deviation = float(np.nanstd((rows[:, place] - low[place]).astype(np.float64)))
        if deviation < STEPS * step[place]:
            found.append(Coarse(called[place], float(size[place]), deviation, float(step[place])))
    return found
