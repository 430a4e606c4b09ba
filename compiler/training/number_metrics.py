"""Metrics of numbers: mean errors and R2."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from dlc.compiler.training.metric_counts import Moments
from dlc.compiler.training.metrics import Metric
from dlc.compiler.types import FLOATS, INTEGERS


class _Error(Metric, abstract=True):
    """A mean error over all entries of all rows, in float64."""

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
    """Square root of the mean squared error of all entries (scikit-learn `mean_squared_error`, its root)."""

    def of(self, np, difference):
        return np.square(difference)

    def value(self, np, state):
        return super().value(np, state) ** 0.5


class R2(Metric):
    """Coefficient of determination, the explained share of the variance (scikit-learn `r2_score`).

    For a vector it is the mean over its entries. A constant entry has 1 if all answers are exact, else 0.
    """

    name = "r2"
    separates = True
    for_elements = (*FLOATS, *INTEGERS)

    def update(self, np, state, answer, target):
        columns = state.type.shape[0] if state.per_label else 1
        target = np.asarray(target, np.float64).reshape(-1, columns)
        residual = np.asarray(answer.value, np.float64).reshape(-1, columns) - target
        state.add(squares=np.where(np.isnan(target), 0, np.square(residual)).sum(0))
        state.counts.setdefault("target", Moments()).add(np, target)

    def value(self, np, state):
        moments = state.counts.get("target")
        if moments is None or not (moments.n > 1).any():
            return float("nan")
        squares, varies = state.counts["squares"], moments.varies(np)
        explained = 1 - squares / np.where(varies, moments.squares, 1)
        exact = np.where(np.isnan(squares), np.nan, squares == 0)
        return float(np.where(varies, explained, exact)[moments.n > 1].mean())
