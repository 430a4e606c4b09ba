"""Metrics of numbers: errors, and how much of the target is explained."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from dlc.compiler.training.metric_counts import Moments
from dlc.compiler.training.metrics import Metric
from dlc.compiler.types import FLOATS, INTEGERS


class _Error(Metric, abstract=True):
    """A mean over all entries of all rows, in float64."""

    for_elements = (*FLOATS, *INTEGERS)
    better = "lower"

    @abstractmethod
    def of(self, np: Any, difference: Any) -> Any:
        raise NotImplementedError

    def update(self, np, state, answer, target):
        difference = np.asarray(answer.value, np.float64) - np.reshape(target, np.shape(answer.value))
        state.add(sum=float(self.of(np, difference).sum()), all=difference.size)

    def value(self, np, state):
        return state.mean()


class MaeMetric(_Error):
    """Mean absolute error (scikit-learn `mean_absolute_error`)."""

    def of(self, np, difference):
        return np.abs(difference)


class Rmse(_Error):
    """Root of the mean squared error of all entries (scikit-learn `mean_squared_error`, its root)."""

    def of(self, np, difference):
        return np.square(difference)

    def value(self, np, state):
        return super().value(np, state) ** 0.5


class R2(Metric):
    """Share of the target's variance that is explained (scikit-learn `r2_score`).

    For a vector the mean over its places; a place that never varies counts 1 if it is met exactly, else 0.
    """

    name = "r2"
    for_elements = (*FLOATS, *INTEGERS)

    def update(self, np, state, answer, target):
        columns = state.type.shape[0] if state.per_label else 1
        target = np.asarray(target, np.float64).reshape(-1, columns)
        left = np.asarray(answer.value, np.float64).reshape(-1, columns) - target
        state.add(left=np.square(left).sum(0))
        state.counts.setdefault("target", Moments()).add(np, target)

    def value(self, np, state):
        moments = state.counts.get("target")
        if moments is None or moments.n < 2:
            return float("nan")
        left, varies = state.counts["left"], moments.varies(np)
        explained = 1 - left / np.where(varies, moments.squares, 1)
        met = np.where(np.isnan(left), np.nan, left == 0)
        return float(np.where(varies, explained, met).mean())
