"""Counts for metrics, in NumPy: confusion matrices, ranks and moments."""

from __future__ import annotations

from typing import Any

from dlc.compiler.dims.dim import number
from dlc.compiler.output_kinds import class_axis
from dlc.compiler.types import Tensor


def confusion(np: Any, type: Tensor, per_label: bool, value: Any, target: Any) -> Any:
    """The confusion matrix: a row for each true class, a column for each answer. For labels it is one 2 x 2
    matrix per label."""
    target = np.asarray(target)
    if type.element == "class" and type.classes is not None:
        k = number(type.classes.count)
        value = np.reshape(value, target.shape)
        return np.bincount((target.astype(np.int64) * k + value).ravel(), minlength=k * k).reshape(k, k)
    truth = target >= 0.5
    answered = np.asarray(value, bool).reshape(truth.shape)
    labels = number(type.shape[0]) if per_label else 1
    label = np.arange(truth.size) % labels if labels > 1 else 0
    pairs = label * 4 + truth.ravel() * 2 + answered.ravel()
    return np.bincount(pairs[~np.isnan(target).ravel()], minlength=labels * 4).reshape(labels, 2, 2)


def tallies(np: Any, type: Tensor, per_label: bool, value: Any, target: Any) -> Any:
    """True positives, false positives, false negatives and values of each class, or of each label. A NaN in a
    target does not count."""
    if type.element == "class" and type.classes is not None:
        k, truth = number(type.classes.count), np.asarray(target, np.int64).ravel()
        answers = np.asarray(value).ravel()
        correct = truth[answers == truth]
        hit, answered, true = (np.bincount(n, minlength=k) for n in (correct, answers, truth))
        return np.stack([hit, answered - hit, true - hit, np.full(k, truth.size)])
    matrix = confusion(np, type, per_label, value, target)
    return np.stack([matrix[:, 1, 1], matrix[:, 0, 1], matrix[:, 1, 0], matrix.sum((1, 2))])


def pooled(np: Any, type: Tensor, per_label: bool, probability: Any, target: Any) -> tuple[Any, Any]:
    """Probabilities as rows with a column for each class or label, and the true class or labels of each row;
    a label that does not count is -1."""
    target, probability = np.asarray(target), np.asarray(probability)
    if type.element == "class":
        axis = class_axis(type.rank + 1) or 1  # after the batch axis
        scores = np.moveaxis(probability, axis, -1)
        return scores.reshape(-1, scores.shape[-1]), target.ravel()
    labels = type.shape[0] if per_label else 1
    truth = np.where(np.isnan(target), -1, target >= 0.5).astype(np.int8)
    return probability.reshape(-1, labels), truth.reshape(-1, labels)


def packed(np: Any, values: Any, kept: Any) -> tuple[Any, Any]:
    """The values that are kept at the start of each row, -1 after them, and how many they are."""
    order = np.argsort(~kept, axis=1, kind="stable")
    return np.take_along_axis(np.where(kept, values, -1), order, 1), kept.sum(1)


def area(np: Any, scores: Any, truth: Any) -> float:
    """Area under the ROC curve: the probability that a positive has a higher score than a negative (Mann and
    Whitney)."""
    positives = int(truth.sum())
    negatives = truth.size - positives
    if not positives or not negatives:
        return float("nan")
    _, group, count = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    rank = (last - (count - 1) / 2)[group.ravel()]  # from 1; ties have their mean rank
    return (float(rank[truth].sum()) - positives * (positives + 1) / 2) / (positives * negatives)


class Moments:
    """Count, mean and sum of squared deviations of each column without NaN, merged batch by batch (Chan et
    al. 1979)."""

    def __init__(self) -> None:
        self.n: Any = 0
        self.mean: Any = 0.0
        self.squares: Any = 0.0

    def add(self, np: Any, rows: Any) -> None:
        known = ~np.isnan(rows)
        n = known.sum(0)
        total = np.maximum(self.n + n, 1)
        mean = np.where(known, rows, 0).sum(0) / np.maximum(n, 1)
        difference = mean - self.mean
        squares = np.square(np.where(known, rows - mean, 0)).sum(0)
        self.squares = self.squares + squares + np.square(difference) * (self.n * n / total)
        self.mean = self.mean + difference * (n / total)
        self.n = self.n + n

    def varies(self, np: Any) -> Any:
        """True for columns whose deviation exceeds the rounding error of their mean."""
        return self.squares > self.n * np.square(1e-15 * self.mean)
