"""Numbers sorted into bins, whose edges are learnt from the training rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dlc.compiler.definitions.initializers import Zeros
from dlc.compiler.definitions.parameter_types import Integer
from dlc.compiler.operators.base import Example, WeightSpec, setting
from dlc.compiler.operators.fitted import Fitted
from dlc.compiler.operators.operands import CLOSE, onnx_cast
from dlc.compiler.types import Classes, Tensor


class Bucketize(Fitted):
    """The bin of each value as a class: bins that hold equally many of the training rows, `n` a feature
    (torch `bucketize` with `right=True`, ONNX `GreaterOrEqual` and `ReduceSum`).

    Between the bins stand the quantiles of the feature, as `numpy.quantile` has them; one belongs to the bin
    above it. Where rows are so alike that quantiles coincide, the bins between them stay empty.
    Features stand on the last axis, or on axis 0 (channels) from three axes up.
    """

    n: int = setting("how many bins", Integer(2, 10_000))

    def type(self, x: Tensor) -> Tensor:
        return replace(super().type(x), element="class", classes=Classes(self.n))

    def weights(self, x: Tensor):
        yield WeightSpec("edges", (*self.features(x), self.n - 1), "learnt", Zeros())

    def torch(self, F, x, edges):
        return F.sum(F.unsqueeze(x, -1) >= self.behind(edges), -1)

    def onnx(self, op, x, edges):
        last = op.constant([self.operands[0].rank + 1], "int64")
        reached = op.GreaterOrEqual(op.Unsqueeze(x, last), self.onnx_behind(op, edges))
        return op.ReduceSum(onnx_cast(op, reached, "bool", "int64"), last, keepdims=0)

    def slack(self, np):
        """Any bin will do where rounding may have put a value on the other side of an edge."""

        def of(x: Any, edges: Any) -> Any:
            edges = self.behind(edges.astype(np.float64))
            room = CLOSE * np.abs(edges).max(-1, keepdims=True)
            return np.where((np.abs(x[..., None] - edges) <= room).any(-1), np.inf, 0)

        return of

    def learnt(self, F, x):
        parts = F.tensor([part / self.n for part in range(1, self.n)])
        return {"edges": self.flat(x).nanquantile(parts, 0).movedim(0, -1).nan_to_num(0.0)}

    def fit(self, np: Any, batches: Any) -> dict[str, Any]:
        parts = np.linspace(0, 1, self.n + 1)[1:-1]
        found = [
            np.quantile(values, parts) if len(values) else 0 * parts for values in self.known(np, batches)
        ]
        edges = np.array(found).reshape(*self.features(self.operands[0]), self.n - 1)
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
    """In the dtype, and none less than it was: values of it are at least the one exactly
    if they are at least the other."""
    rounded = numbers.astype(dtype)
    return np.where(rounded < numbers, np.nextafter(rounded, dtype(np.inf)), rounded)
