"""Counts of classes and of probabilities, from which precision, recall and calibration are computed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

BINS = 10  # of probabilities, equally wide
MATRIX = 400  # maximum number of classes of which pairs are counted


class ClassFigures(NamedTuple):
    """The figures of one class. One that is not defined, such as the precision of a class that is never
    answered, is None."""

    label: str
    rows: int
    answered: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass
class CountsByClass:
    """How often each class is true, is answered, and is answered rightly; and the number of each pair of true
    class and answer, if the classes are not too many."""

    labels: Sequence[str]
    rows: np.ndarray
    answered: np.ndarray
    right: np.ndarray
    matrix: np.ndarray | None

    @classmethod
    def of(cls, labels: Sequence[str]) -> CountsByClass:
        count = len(labels)
        rows, answered, right = np.zeros((3, count), np.int64)
        matrix = np.zeros((count, count), np.int64) if count <= MATRIX else None
        return cls(labels, rows, answered, right, matrix)

    @classmethod
    def of_matrix(cls, labels: Sequence[str], matrix: np.ndarray) -> CountsByClass:
        """The counts of a table with a row for each true class and a column for each answer."""
        return cls(labels, matrix.sum(1), matrix.sum(0), np.diag(matrix).copy(), matrix)

    def add(self, answer: np.ndarray, target: np.ndarray) -> None:
        """Add entries: indices of classes. An answer that is no class, -1, counts for no class."""
        count = len(self.labels)
        known = (answer >= 0) & (answer < count)
        self.rows += np.bincount(target, minlength=count)
        self.answered += np.bincount(answer[known], minlength=count)
        self.right += np.bincount(target[answer == target], minlength=count)
        if self.matrix is not None:
            pairs = target[known] * count + answer[known]
            self.matrix += np.bincount(pairs, minlength=count * count).reshape(count, count)

    @property
    def total(self) -> int:
        return int(self.rows.sum())

    @property
    def accuracy(self) -> float | None:
        return share(int(self.right.sum()), self.total)

    def figures(self) -> list[ClassFigures]:
        """The figures of each class."""
        counts = zip(
            self.labels, self.rows.tolist(), self.answered.tolist(), self.right.tolist(), strict=True
        )
        return [
            ClassFigures(
                label, rows, answered, share(right, answered), share(right, rows),
                share(2 * right, rows + answered),
            )
            for label, rows, answered, right in counts
        ]  # fmt: skip

    def confusions(self, most: int) -> list[tuple[str, str, int]]:
        """The most frequent wrong answers: the true class, the answer, and their number."""
        if self.matrix is None:
            return []
        wrong = self.matrix.copy()
        np.fill_diagonal(wrong, 0)
        order = np.argsort(-wrong, axis=None, kind="stable")[:most]
        names = list(self.labels)
        pairs = [divmod(int(place), len(wrong)) for place in order]
        return [(names[t], names[a], int(wrong[t, a])) for t, a in pairs if wrong[t, a]]


def share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


@dataclass
class Calibration:
    """Probabilities and outcomes, in bins of equal width."""

    count: np.ndarray = field(default_factory=lambda: np.zeros(BINS, np.int64))
    probability: np.ndarray = field(default_factory=lambda: np.zeros(BINS))  # sums
    happened: np.ndarray = field(default_factory=lambda: np.zeros(BINS))  # sums

    def add(self, probability: np.ndarray, happened: np.ndarray) -> None:
        """Add probabilities of an outcome, and whether it came. Those that are not finite are left out."""
        finite = np.isfinite(probability)
        p, came = probability[finite].astype(np.float64), happened[finite].astype(np.float64)
        bins = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], p)
        self.count += np.bincount(bins, minlength=BINS)
        self.probability += np.bincount(bins, p, BINS)
        self.happened += np.bincount(bins, came, BINS)

    def points(self) -> list[tuple[float, float, int]]:
        """For each bin that has some: the mean probability, the share of outcomes that came, their number."""
        sums = zip(self.probability.tolist(), self.happened.tolist(), self.count.tolist(), strict=True)
        return [(p / n, came / n, n) for p, came, n in sums if n]

    @property
    def error(self) -> float | None:
        """The expected calibration error (Naeini et al. 2015): the mean distance of the two, by the number in
        each bin."""
        total = int(self.count.sum())
        return float(np.abs(self.happened - self.probability).sum() / total) if total else None
