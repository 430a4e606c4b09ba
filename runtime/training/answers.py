"""What a model answers, counted at the end of a training: by class, or as the variance that is explained."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.dims.dim import number

if TYPE_CHECKING:
    from dlc.compiler.training.metrics import Prediction
    from dlc.compiler.types import Tensor

CLASSES = 1000  # classes that are counted; a vocabulary has more


class ClassAnswers:
    """For each class of an output the number of entries of that class, of those that are answered right, and
    of those that are answered so."""

    def __init__(self, type: Tensor) -> None:
        classes = type.classes
        count = number(classes.count) if classes is not None and type.element == "class" else 2
        named = classes is not None and (type.element == "class" or classes.names)
        indices = [*range(count)] if type.element == "class" else ["no", "yes"]
        self._labels = [*classes.labels] if classes is not None and named and classes.labels else indices
        self._found = np.zeros((3, count), np.int64)

    def add(self, answer: Prediction, target: np.ndarray) -> None:
        count = self._found.shape[1]
        wanted = (target if target.dtype.kind in "iu" else target >= 0.5).ravel().astype(np.int64)
        given = np.asarray(answer.value).ravel().astype(np.int64)
        counts = (wanted >= 0) & (given >= 0)
        wanted, given = wanted[counts], given[counts]
        for place, classes in enumerate((wanted, wanted[wanted == given], given)):
            self._found[place] += np.bincount(classes, minlength=count)

    def record(self) -> dict[str, Any]:
        rows, right, answered = self._found.tolist()
        return {"labels": self._labels, "rows": rows, "right": right, "answered": answered}


class NumberAnswers:
    """The variance of the numbers of a target, and the mean squared error of the answers. The mean of a
    vector is that of each entry."""

    def __init__(self, type: Tensor) -> None:
        fixed = all(isinstance(size, int) for size in type.shape)
        self._shape = tuple(map(number, type.shape)) if fixed else None
        self._count, self._sums, self._squares, self._errors = 0, np.float64(0), 0.0, 0.0
        self._shift: Any = None  # near the mean, to keep the digits of large numbers

    def add(self, answer: Prediction, target: np.ndarray) -> None:
        whole = self._shape is not None and target.shape[1:] == self._shape
        target = target.astype(np.float64).reshape(len(target), -1) if whole else target.reshape(-1, 1)
        answered = np.asarray(answer.value, np.float64).reshape(target.shape)
        if self._shift is None and len(target):
            self._shift = target.mean(0)
        if len(target):
            moved = target - self._shift
            self._count += len(target)
            self._sums = self._sums + moved.sum(0)
            self._squares += np.square(moved).sum()
            self._errors += np.square(target - answered).sum()

    def record(self) -> dict[str, Any]:
        entries = self._count * np.size(self._sums)
        variance = (self._squares - np.square(self._sums).sum() / max(self._count, 1)) / max(entries, 1)
        numbers = {"variance": float(variance), "error": float(self._errors / max(entries, 1))}
        if self._shift is not None:
            numbers["mean"] = float(np.mean(self._shift + self._sums / max(self._count, 1)))
        return {"rows": self._count, **{k: n if isfinite(n) else None for k, n in numbers.items()}}


def counter(type: Tensor) -> ClassAnswers | NumberAnswers | None:
    """What counts the answers of an output of this type; none if nothing does."""
    if type.decoded or (type.element == "class" and type.classes is None):
        return None
    if type.element == "class":
        assert type.classes is not None
        return ClassAnswers(type) if number(type.classes.count) <= CLASSES else None
    if type.element == "binary":
        return ClassAnswers(type)
    return NumberAnswers(type) if type.is_float else None
