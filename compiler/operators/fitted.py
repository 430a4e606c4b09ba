"""Operators with constants that are fitted to the training rows before training."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.initializers import Ones, Zeros
from dlc.compiler.operators.base import Example, Operator, Reject, WeightSpec
from dlc.compiler.operators.order_statistics import ValuePasses
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator


class Fitted(Operator, abstract=True):
    """Fits statistics per feature. Features are on the last axis, or on axis 0 (channels) for three or more
    axes. In a net that is used several times it is fitted to the values of all uses."""

    elementwise = True
    group = "fitted"
    keeps = ("axes",)
    offset = "subtracts"

    def type(self, x: Tensor) -> Tensor:
        if not all(isinstance(size, int) for size in self.features(x)):
            features = "channels on axis 0" if x.rank > 2 else "features on the last axis"
            raise Reject(f"`{self.name}` is fitted to each of the {features}, whose number must be "
                         f"known, found {x}", at="x",
                         help="`transpose` moves the free dimension to another axis")  # fmt: skip
        return x

    @staticmethod
    def features(x: Tensor) -> tuple:
        """The shape of the statistics, one number per feature."""
        return x.shape[:1] if x.rank > 2 else x.shape[-1:]

    def per_channel(self, statistic: Any) -> Any:
        """A statistic per channel, with axes of size 1 in place of the space axes."""
        rank = self.operands[0].rank
        return statistic[(slice(None), *[None] * (rank - 1))] if rank > 2 else statistic

    def onnx_per_channel(self, op: Any, statistic: Any) -> Any:
        rank = self.operands[0].rank
        axes = list(range(1, rank))
        return op.Unsqueeze(statistic, op.constant(axes, "int64")) if rank > 2 else statistic

    def flat(self, x: Any) -> Any:
        """The operand as rows of features, in PyTorch."""
        rank = self.operands[0].rank
        x = x.movedim(1, -1) if rank > 2 else x
        return x.flatten(0, rank - 1) if rank > 1 else x

    def dtype(self, np: Any) -> Any:
        """The dtype of the statistics: float64 for float64 operands, which may have a large offset."""
        return np.float64 if self.operands[0].element == "float64" else np.float32

    def rows(self, np: Any, batches: Any) -> Iterator[Any]:
        """The operand as rows of features, one for each position of each sample."""
        features = self.features(self.operands[0])
        for batch in batches():
            rows = np.moveaxis(batch, 1, -1) if batch.ndim > 3 else batch
            yield rows.reshape(-1, *features)

    def passes(self, np: Any, batches: Any) -> ValuePasses:
        """The operand as rows of features in float64, NaN where a value is missing."""

        def read() -> Iterator[Any]:
            for rows in self.rows(np, batches):
                rows = rows.reshape(len(rows), prod(self.features(self.operands[0])))
                found = rows.astype(np.float64)
                yield found if self.operands[0].classes is None else np.where(rows < 0, np.nan, found)

        return ValuePasses(read)


class Standardize(Fitted):
    """`(x - mean) / std` of each feature, fitted to the training rows (ONNX `Sub` and `Div`).

    Features are on the last axis, or on axis 0 (channels) for three or more axes. Missing values (NaN) are
    ignored, the variance divides by n, and a standard deviation of 0 is replaced by 1.
    """

    keeps = ("axes", "missing")
    normalizes = True

    def weights(self, x: Tensor):
        yield WeightSpec("mean", self.features(x), "fitted", Zeros())
        yield WeightSpec("std", self.features(x), "fitted", Ones())

    def torch(self, F, x, mean, std):
        return (x - self.per_channel(mean)) / self.per_channel(std)

    def onnx(self, op, x, mean, std):
        return op.Div(op.Sub(x, self.onnx_per_channel(op, mean)), self.onnx_per_channel(op, std))

    def fit_torch(self, F, x):
        x = self.flat(x)
        mean, (low, high) = x.nanmean(0), bounds(x)
        std = F.sqrt(F.square(x - mean).nanmean(0))
        return {"mean": mean, "std": F.where(low < high, std, 1.0)}

    def fit(self, np: Any, batches: Any) -> dict[str, Any]:
        spread = spread_of(np, self, batches)
        return {"mean": spread.mean, "std": spread.std}

    examples = (
        Example("standardize", "float", "float"),
        Example("standardize", "float[3]", "float[3]"),
        Example("standardize", "float[5, 3]", "float[5, 3]"),
        Example("standardize", "float[T, 3]", "float[T, 3]"),
        Example("standardize", "float[3, H, W]", "float[3, H, W]"),
        Example("standardize", "uint8[3, 4, 5]", "float[3, 4, 5]", low=0, high=255),
        Example("standardize", "float[2, 3, 4, 5]", "float[2, 3, 4, 5]"),
        Example("standardize", "float[3, T]", rejects="E0201"),
        Example("standardize", "float[T, 3, 4]", rejects="E0201"),
    )


class Minmax(Fitted):
    """`(x - min) / range` of each feature, fitted to the training rows: their minimum becomes 0 and their
    maximum 1 (ONNX `Sub` and `Div`).

    Features are on the last axis, or on axis 0 (channels) for three or more axes. Missing values (NaN) are
    ignored, and a range of 0 is replaced by 1. Values of other rows may be outside of 0 to 1.
    """

    keeps = ("axes", "missing")
    normalizes = True

    def weights(self, x: Tensor):
        yield WeightSpec("min", self.features(x), "fitted", Zeros())
        yield WeightSpec("range", self.features(x), "fitted", Ones())

    def torch(self, F, x, min, range):
        return (x - self.per_channel(min)) / self.per_channel(range)

    def onnx(self, op, x, min, range):
        return op.Div(op.Sub(x, self.onnx_per_channel(op, min)), self.onnx_per_channel(op, range))

    def fit_torch(self, F, x):
        low, high = bounds(self.flat(x))
        return {"min": F.where(low > high, 0.0, low), "range": F.where(low < high, high - low, 1.0)}

    def fit(self, np: Any, batches: Any) -> dict[str, Any]:
        spread, dtype = spread_of(np, self, batches), self.dtype(np)
        low, high = (np.where(spread.count > 0, end, 0).astype(dtype) for end in (spread.low, spread.high))
        return {"min": low, "range": np.where(high > low, high - low, dtype(1))}

    examples = (
        Example("minmax", "float", "float"),
        Example("minmax", "float[3]", "float[3]"),
        Example("minmax", "float[T, 3]", "float[T, 3]"),
        Example("minmax", "uint8[3, H, W]", "float[3, H, W]", low=0, high=255),
        Example("minmax", "float[3, T]", rejects="E0201"),
    )


def bounds(x: Any) -> tuple[Any, Any]:
    """The minimum and the maximum of each feature without missing values, in PyTorch."""
    return x.nan_to_num(float("inf")).amin(0), x.nan_to_num(float("-inf")).amax(0)


def spread_of(np: Any, operator: Fitted, batches: Any) -> Spread:
    spread = Spread(np, operator.features(operator.operands[0]), operator.dtype(np))
    for rows in operator.rows(np, batches):
        spread.add(rows.astype(np.float64))
    return spread


class Spread:
    """Mean, standard deviation, minimum and maximum of each feature, in one pass over batches of rows
    (Chan, Golub and LeVeque 1983)."""

    def __init__(self, np: Any, shape: tuple[int, ...], dtype: Any):
        self.np, self.shape, self.dtype = np, shape, dtype
        self.count, self._mean, self._squares = np.zeros((3, *shape))
        self.low, self.high = np.full(shape, np.inf), np.full(shape, -np.inf)

    def add(self, rows: Any) -> None:
        np = self.np
        known = ~np.isnan(rows)
        count = known.sum(0)
        mean = np.where(known, rows, 0).sum(0) / np.maximum(count, 1)
        squares = (np.where(known, rows - mean, 0) ** 2).sum(0)
        total = np.maximum(self.count + count, 1)
        difference = mean - self._mean
        self._squares = self._squares + squares + difference**2 * self.count * count / total
        self._mean = self._mean + difference * count / total
        self.count = self.count + count
        self.low = np.minimum(self.low, np.where(known, rows, np.inf).min(0, initial=np.inf))
        self.high = np.maximum(self.high, np.where(known, rows, -np.inf).max(0, initial=-np.inf))

    @property
    def mean(self) -> Any:
        """The mean; for a constant feature exactly its value, without rounding of the sums."""
        np = self.np
        return np.where(self.high == self.low, self.low, self._mean).astype(self.dtype)

    @property
    def std(self) -> Any:
        """The standard deviation; 1 for a constant feature."""
        np = self.np
        std = np.sqrt(self._squares / np.maximum(self.count, 1)).astype(self.dtype)
        return np.where((self.high > self.low) & (std > 0), std, self.dtype(1))
