"""Metrics of numbers: mean errors, coverage and R2."""

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
    def of(self, np: Any, value: Any, target: Any) -> Any:
        """The number of each entry that is averaged."""
        raise NotImplementedError

    def update(self, np, state, answer, target):
        value = np.asarray(answer.value, np.float64)
        each = self.of(np, value, np.reshape(np.asarray(target, np.float64), value.shape))
        state.add(sum=float(each.sum()), all=each.size)

    def value(self, np, state):
        return state.mean()


class MaeMetric(_Error):
    """Mean absolute error (scikit-learn `mean_absolute_error`)."""

    def of(self, np, value, target):
        return np.abs(value - target)


class MseMetric(_Error):
    """Mean squared error of all entries (scikit-learn `mean_squared_error`)."""

    def of(self, np, value, target):
        return np.square(value - target)


class Rmse(MseMetric):
    """Square root of the mean squared error of all entries (scikit-learn `root_mean_squared_error`)."""

    def value(self, np, state):
        return super().value(np, state) ** 0.5


class Mape(_Error):
    """Mean absolute error relative to the target, `abs(v - t) / abs(t)`, as a fraction (scikit-learn
    `mean_absolute_percentage_error`). A target of 0 counts as 2.2e-16, the precision of float64."""

    def of(self, np, value, target):
        return np.abs(value - target) / np.maximum(np.abs(target), np.finfo(np.float64).eps)


class QuantileCoverage(_Error):
    """Share of the targets that are at or below the answer. For an output that is trained with
    `quantile(y, q=0.9)` it should be 0.9."""

    better = "higher"

    def of(self, np, value, target):
        return target <= value


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
