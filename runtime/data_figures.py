"""Figures of values that are read in chunks: moments, distinct values, counts of classes."""

from __future__ import annotations

import numpy as np

MAX_DISTINCT = 1 << 20  # distinct values that are counted
WAITING = 1 << 20  # values that are held before they are compared


class ColumnMoments:
    """Count, missing values, range, mean and deviation of columns, in one pass (Chan, Golub and LeVeque)."""

    def __init__(self, columns: int) -> None:
        self.count = np.zeros(columns, np.int64)
        self.missing = np.zeros(columns, np.int64)
        self.mean = np.zeros(columns)
        self.squares = np.zeros(columns)  # of the distances from the mean
        self.low: np.ndarray | None = None  # in the type of the values
        self.high: np.ndarray | None = None

    def add(self, values: np.ndarray) -> None:
        """Add rows `[rows, columns]`; NaN is missing."""
        if not len(values):
            return
        lacks = np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)
        count = len(values) - lacks.sum(axis=0)
        exact = values.astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):  # of infinity and numbers near it
            mean = np.where(lacks, 0, exact).sum(axis=0) / np.maximum(count, 1)
            squares = np.square(np.where(lacks, 0, exact - mean)).sum(axis=0)
        self._merge(count, mean, squares)
        self.missing += lacks.sum(axis=0)
        low, high = np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)
        self.low = low if self.low is None else np.fmin(self.low, low)
        self.high = high if self.high is None else np.fmax(self.high, high)

    def _merge(self, count: np.ndarray, mean: np.ndarray, squares: np.ndarray) -> None:
        total = self.count + count
        share = count / np.maximum(total, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            apart = mean - self.mean
            self.squares = self.squares + squares + np.square(apart) * self.count * share
            self.mean, self.count = self.mean + apart * share, total

    @property
    def deviation(self) -> np.ndarray:
        return np.sqrt(self.squares / np.maximum(self.count, 1))

    def together(self) -> ColumnMoments:
        """The figures of all columns as one."""
        found = ColumnMoments(1)
        for place in range(len(self.count)):
            one = slice(place, place + 1)
            found._merge(self.count[one], self.mean[one], self.squares[one])
        found.missing = self.missing.sum(keepdims=True)
        if self.low is not None and self.high is not None:
            found.low = np.fmin.reduce(self.low, keepdims=True)
            found.high = np.fmax.reduce(self.high, keepdims=True)
        return found


class DistinctCount:
    """The number of distinct values. Beyond `MAX_DISTINCT`, they are no longer counted."""

    def __init__(self) -> None:
        self.many = False
        self._known = np.zeros(0)
        self._waiting: list[np.ndarray] = []
        self._held = 0

    def add(self, values: np.ndarray) -> None:
        if self.many or not values.size:
            return
        found = np.unique(values)
        self._waiting.append(found[~np.isnan(found)] if found.dtype.kind == "f" else found)
        self._held += len(found)
        if self._held > WAITING:
            self._compare()

    def _compare(self) -> None:
        known = [self._known] if len(self._known) else []
        self._known = np.unique(np.concatenate([*known, *self._waiting])) if self._waiting else self._known
        self._waiting, self._held = [], 0
        if len(self._known) > MAX_DISTINCT:
            self.many, self._known = True, self._known[:MAX_DISTINCT]

    @property
    def count(self) -> int:
        self._compare()
        return len(self._known)


class ClassCounts:
    """The number of values of each class, of missing values, and of values that are no class."""

    def __init__(self, classes: int) -> None:
        self.counts = np.zeros(classes, np.int64)
        self.missing = self.others = 0

    def add(self, values: np.ndarray) -> None:
        """Add class indices. A negative one or NaN is missing; one behind the last is no class."""
        flat = values.ravel()
        there = flat >= 0
        self.missing += int(flat.size - there.sum())
        places = flat[there]
        whole = places.astype(np.int64)
        known = (whole == places) & (whole < len(self.counts))
        self.others += int(known.size - known.sum())
        self.counts += np.bincount(whole[known], minlength=len(self.counts))
