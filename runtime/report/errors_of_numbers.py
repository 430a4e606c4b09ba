"""The errors of answers that are numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.dims.dim import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.types import Tensor

APART = 12  # maximum number of entries of a vector that are measured apart
PAIRS = 4096  # pairs of a target and an answer that are kept


@dataclass
class Errors:
    """Sums over pairs of a target and an answer, and some of the pairs at equal distances. `endless` counts
    answers that are NaN or infinite, which no sum has."""

    name: str
    count: int = 0
    endless: int = 0
    error: float = 0.0
    absolute: float = 0.0
    square: float = 0.0
    mean_target: float = 0.0
    spread: float = 0.0  # the sum of squares of distances from the mean
    step: int = 1
    seen: int = 0
    pairs: list[np.ndarray] = field(default_factory=list)

    def add(self, value: np.ndarray, truth: np.ndarray) -> None:
        finite = np.isfinite(value) & np.isfinite(truth)
        self.endless += int((~finite).sum())
        value, truth = value[finite], truth[finite]
        if not len(value):
            return
        apart, mean, own = value - truth, float(truth.mean()), len(truth)
        self.error += float(apart.sum())
        self.absolute += float(np.abs(apart).sum())
        with np.errstate(over="ignore"):
            self.square += float((apart**2).sum())
        whole, shift = self.count + own, mean - self.mean_target  # Chan, Golub and LeVeque 1979
        self.spread += float(((truth - mean) ** 2).sum()) + shift**2 * self.count * own / whole
        self.mean_target += shift * own / whole
        self.count = whole
        self._keep(np.stack([truth, value], 1))

    def _keep(self, pairs: np.ndarray) -> None:
        """Keep every `step`-th pair; the step doubles when they are too many."""
        start = -self.seen % self.step
        self.pairs.append(pairs[start :: self.step])
        self.seen += len(pairs)
        while sum(map(len, self.pairs)) > PAIRS:
            self.pairs = [np.concatenate(self.pairs)[::2]]
            self.step *= 2

    @property
    def sample(self) -> np.ndarray:
        """The kept pairs: targets in the first column, answers in the second."""
        return np.concatenate(self.pairs) if self.pairs else np.zeros((0, 2))

    @property
    def bias(self) -> float | None:
        """The mean of answer minus target."""
        return self.error / self.count if self.count else None

    @property
    def mae(self) -> float | None:
        return self.absolute / self.count if self.count else None

    @property
    def rmse(self) -> float | None:
        return (self.square / self.count) ** 0.5 if self.count else None

    @property
    def r2(self) -> float | None:
        """1 minus the squared errors divided by the spread of the targets; None if all targets are equal."""
        return 1 - self.square / self.spread if self.spread > 0 else None


class NumberErrors:
    """The errors of an output: of each entry of a short vector, else of all entries together."""

    def __init__(self, type: Tensor, target: str, columns: Sequence[str]) -> None:
        shape = type.shape
        short = len(shape) == 1 and isinstance(shape[0], int) and 1 < shape[0] <= APART
        size = number(shape[0]) if short else 1
        names = [f"{target}[{i}]" for i in range(size)] if short else [target]
        names = list(columns) if short and len(columns) == size else names
        self.apart = short
        self.of = [Errors(name) for name in names]

    def add(self, value: np.ndarray, truth: np.ndarray, counts: np.ndarray) -> None:
        """Add rows. `counts` is the mask of the entries that count."""
        if not self.apart:
            self.of[0].add(value[counts], truth[counts])
            return
        for place, errors in enumerate(self.of):
            there = counts[:, place]
            errors.add(value[there, place], truth[there, place])
