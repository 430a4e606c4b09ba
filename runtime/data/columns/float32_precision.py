"""Columns that lose their differences when they are cast to float32."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlc.runtime.data_figures import ColumnMoments

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


def precision_loss(values: np.ndarray, column: str) -> PrecisionLoss | None:
    """The first feature of a column `[rows, features]` or `[rows]` with a standard deviation of less than
    `STEPS` float32 steps, if there is one."""
    spread = PrecisionSpread(column)
    spread.add(values)
    return spread.loss()


class PrecisionSpread:
    """The spread of the features of a column, whose rows may be added in pieces."""

    def __init__(self, column: str) -> None:
        self._column = column
        self._low = self._high = self._origin = np.zeros(0)
        self._near = np.array([True])  # features whose range is so small that their deviation matters
        self._moments: dict[int, ColumnMoments] = {}  # of the distances from the origin

    def add(self, values: np.ndarray) -> None:
        """Rows that follow those before. NaN is missing."""
        if values.dtype.itemsize < 4 or values.dtype.kind not in "iuf":
            self._near = np.array([False])
        if not values.size or not self._near.any():
            return
        rows = values.reshape(len(values), -1)
        low, high = np.fmin.reduce(rows, axis=0), np.fmax.reduce(rows, axis=0)  # ignores NaN
        first = not self._low.size
        self._low = low if first else np.fmin(self._low, low)
        self._high = high if first else np.fmax(self._high, high)
        self._origin = low if first else np.where(np.isnan(self._origin), low, self._origin)
        self._near = self._near & ~(self._reach >= 100 * STEPS * self._step)
        for place in np.flatnonzero(self._near).tolist():
            distances = apart(rows[:, place], self._origin[place])
            self._moments.setdefault(place, ColumnMoments(1)).add(distances[:, None])

    @property
    def _reach(self) -> np.ndarray:
        return self._high.astype(np.float64) - self._low

    @property
    def _size(self) -> np.ndarray:
        return np.maximum(np.abs(self._low.astype(np.float64)), np.abs(self._high.astype(np.float64)))

    @property
    def _step(self) -> np.ndarray:
        """The step of float32 at the largest value of each feature."""
        with np.errstate(over="ignore", invalid="ignore"):  # of infinity
            return np.spacing(self._size.astype(np.float32)).astype(np.float64)

    def loss(self) -> PrecisionLoss | None:
        """What is lost of the first feature that loses something."""
        size, step = self._size, self._step
        for place in np.flatnonzero(self._near & (self._reach > 0)).tolist():
            deviation = float(self._moments[place].deviation[0])
            if deviation < STEPS * step[place]:
                return PrecisionLoss(self._column, float(size[place]), deviation, float(step[place]))
        return None


def apart(values: np.ndarray, origin: np.generic) -> np.ndarray:
    """The exact distances of values from one that is close to them."""
    distances = values - origin
    return distances.view(f"i{distances.itemsize}") if distances.dtype.kind == "u" else distances
