"""Columns whose differences are lost where their numbers are made float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dlc.runtime.data.convert import as_numbers

if TYPE_CHECKING:
    from dlc.runtime.data.source import Column

STEPS = 1000  # that a column has to deviate by


@dataclass(frozen=True)
class Coarse:
    """A column, how large its numbers are and how much they deviate, and the step of float32 at that size."""

    column: str
    size: float
    deviation: float
    step: float


def coarse(column: Column, name: str) -> Coarse | None:
    """The column, if its standard deviation is less than `STEPS` steps of float32."""
    values = as_numbers(column)
    if not values.size or values.dtype.kind == "b" or values.dtype.itemsize < 4:
        return None
    low, high = (float(end) for end in (np.nanmin(values), np.nanmax(values)))
    size = max(abs(low), abs(high))
    step = float(np.spacing(np.float32(size)))
    if not high - low > 0 or high - low > 100 * STEPS * step:
        return None
    deviation = float(np.nanstd(values - values.dtype.type(low), dtype=np.float64))
    return Coarse(name, size, deviation, step) if deviation < STEPS * step else None
