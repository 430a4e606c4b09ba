"""Numbers assigned to bins whose edges are fitted to the training rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dlc.compiler.definitions.initializers import Zeros
from dlc.compiler.definitions.parameter_types import Integer
from dlc.compiler.operators.base import Example, WeightSpec, setting
from dlc.compiler.operators.fitted import Fitted
from dlc.compiler.operators.operands import CLOSE, onnx_cast
from dlc.compiler.operators.order_statistics import quantiles
from dlc.compiler.types import Classes, Tensor


class Bucketize(Fitted):
    """The bin of each value as a class. Each feature has `n` bins with equally many training rows each
    (torch `bucketize` with `right=True`, ONNX `GreaterOrEqual` and `ReduceSum`).

    The edges between the bins are the quantiles of the feature, as in `numpy.quantile`. A value equal to an
    edge belongs to the upper bin. Where quantiles coincide, the bins between them stay empty. Features are on
    the last axis, or on axis 0 (channels) for three or more axes.
    """

    n: int = setting("number of bins", Integer(2, 10_000))

    def type(self, x: Tensor) -> Tensor:
        return replace(super().type(x), element="class", classes=Classes(self.n))

    def weights(self, x: Tensor):
        yield WeightSpec("edges", (*self.features(x), self.n - 1), "fitted", Zeros())

    def torch(self, F, x, edges):
        return F.sum(F.unsqueeze(x, -1) >= self.per_channel(edges), -1)

    def onnx(self, op, x, edges):
        last = op.constant([self.operands[0].rank + 1], "int64")
        reached = op.GreaterOrEqual(op.Unsqueeze(x, last), self.onnx_per_channel(op, edges))
        return op.ReduceSum(onnx_cast(op, reached, "bool", "int64"), last, keepdims=0)

    def tolerance(self, np):
        """Any bin is accepted where a value is close to an edge."""

        def of(x: Any, edges: Any) -> Any:
            edges = self.per_channel(edges.astype(np.float64))
            tolerance = CLOSE * np.abs(edges).max(-1, keepdims=True)
            return np.where((np.abs(x[..., None] - edges) <= tolerance).any(-1), np.inf, 0)

        return of

    def fit_torch(self, F, x):
        shares = F.tensor([bin / self.n for bin in range(1, self.n)])
        return {"edges": self.flat(x).nanquantile(shares, 0).movedim(0, -1).nan_to_num(0.0)}

    def fit(self, np: Any, batches: Any) -> dict[str, Any]:
        shares = np.linspace(0, 1, self.n + 1)[1:-1]
        found = quantiles(np, self.passes(np, batches), shares)
        edges = found.reshape(*self.features(self.operands[0]), self.n - 1)
        return {"edges": rounded_up(np, edges, self.dtype(np))}

    examples = (
        Example("bucketize(4)", "float", "class"),
        Example("bucketize(4)", "float[3]", "class[3]"),
        Example("bucketize(2)", "float[T, 3]", "class[T, 3]"),
        Example("bucketize(4)", "float[3, H, W]", "class[3, H, W]"),
        Example("bucketize(4) -> one_hot", "float[3]", "float[3, 4]"),
        Example("bucketize(4) -> embedding(2)", "float[3]", "float[3, 2]"),
        Example("bucketize(1)", "float[3]", rejects="E0403"),
        Example("bucketize(4)", "float[T]", rejects="E0201"),
        Example("bucketize(4)", "class(3)", rejects="E0202"),
    )


def rounded_up(np: Any, numbers: Any, dtype: Any) -> Any:
    """Numbers in the dtype, rounded up: a value of the dtype reaches the rounded number if and only if it
    reaches the exact one."""
    rounded = numbers.astype(dtype)
    return np.where(rounded < numbers, np.nextafter(rounded, dtype(np.inf)), rounded)
