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
    return np.bincount(pairs, minlength=labels * 4).reshape(labels, 2, 2)


def tallies(np: Any, type: Tensor, per_label: bool, value: Any, target: Any) -> Any:
    """True positives, false positives and false negatives of each class, or of each label."""
    if type.element == "class" and type.classes is not None:
        k, truth = number(type.classes.count), np.asarray(target, np.int64).ravel()
        answers = np.asarray(value).ravel()
        correct = truth[answers == truth]
        hit, answered, true = (np.bincount(n, minlength=k) for n in (correct, answers, truth))
        return np.stack([hit, answered - hit, true - hit])
    matrix = confusion(np, type, per_label, value, target)
    return np.stack([matrix[:, 1, 1], matrix[:, 0, 1], matrix[:, 1, 0]])


def pooled(np: Any, type: Tensor, per_label: bool, probability: Any, target: Any) -> tuple[Any, Any]:
    """Probabilities as rows with a column for each class or label, and the true class or labels of each
    row."""
    target, probability = np.asarray(target), np.asarray(probability)
    if type.element == "class":
        axis = class_axis(type.rank + 1) or 1  # after the batch axis
        scores = np.moveaxis(probability, axis, -1)
        return scores.reshape(-1, scores.shape[-1]), target.ravel()
    labels = type.shape[0] if per_label else 1
    return probability.reshape(-1, labels), (target >= 0.5).reshape(-1, labels)


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
    """Count, mean and sum of squared deviations of each column, merged batch by batch (Chan et al. 1979)."""

    def __init__(self) -> None:
        self.n, self.mean, self.squares = 0, 0.0, 0.0

    def add(self, np: Any, rows: Any) -> None:
        n = len(rows)
        if not n:
            return
        mean = rows.mean(0)
        difference = mean - self.mean
        squares = np.square(rows - mean).sum(0)
        self.squares = self.squares + squares + np.square(difference) * (self.n * n / (self.n + n))
        self.mean = self.mean + difference * (n / (self.n + n))
        self.n += n

    def varies(self, np: Any) -> Any:
        """True for columns whose deviation exceeds the rounding error of their mean."""
        return self.squares > self.n * np.square(1e-15 * self.mean)
