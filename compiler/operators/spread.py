"""Variance and standard deviation over axes of the sample."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import Any

from dlc.compiler.dims.dim import Size, product
from dlc.compiler.operators.base import Example, Reject
from dlc.compiler.operators.operands import onnx_cast
from dlc.compiler.operators.padding import (
    APART,
    Fill,
    onnx_counts,
    onnx_zeroed,
    torch_counts,
    torch_zeroed,
)
from dlc.compiler.operators.reductions import Reduction
from dlc.compiler.types import Tensor


class _Spread(Reduction, abstract=True):
    """Forms in arithmetic: torch `var` and `std` warn about an empty batch."""

    group = "reductions"

    @property
    def least(self) -> int:
        return 2 if len(self.axes(self.operands[0])) == 1 else 1

    def type(self, x: Tensor) -> Tensor:
        if self.count(x) == 1:
            raise Reject(f"`{self.name}` divides by n - 1 and needs at least two values, found one, in {x}",
                         at="x", help="reduce an axis of more values")  # fmt: skip
        return super().type(x)

    def padding_of(self, place, axis):
        return Fill(0, lengths=True) if axis in self.axes(self.operands[0]) else APART

    def count(self, x: Tensor) -> Size:
        """The number of values that are reduced to one."""
        return product(x.shape[axis] for axis in self.axes(x))

    def torch(self, F, x, lengths=None):
        if lengths is None:
            return super().torch(F, x)
        axes, counts = self.axes(self.operands[0]), partial(torch_counts, F, self, lengths=lengths)
        mean = x.sum(self.tensor_axes(), True) / counts(axes, rank=self.operands[0].rank)
        divisor = counts(axes, rank=self.results[0].rank).to(F.float32) - 1
        deviation, keep = torch_zeroed(F, self, x - mean, lengths), {"keepdim": self.keepdims}
        return self.torch_spread(deviation, divisor, self.tensor_axes(), keep)

    def onnx(self, op, x, lengths=None):
        if lengths is None:
            return super().onnx(op, x)
        axes, counts = self.axes(self.operands[0]), partial(onnx_counts, op, self, lengths=lengths)
        reduced = op.constant(self.tensor_axes(), "int64")
        mean = op.Div(op.ReduceSum(x, reduced, keepdims=1), counts(axes, rank=self.operands[0].rank))
        deviation = onnx_zeroed(op, self, op.Sub(x, mean), lengths)
        squares = op.ReduceSum(op.Mul(deviation, deviation), reduced, keepdims=int(self.keepdims))
        divisor = op.Sub(counts(axes, rank=self.results[0].rank), op.constant(1, "float32"))
        return self.onnx_spread(op, op.Div(squares, divisor))

    def torch_reduced(self, F: Any, x: Any, axes: list[int], keep: dict[str, bool]) -> Any:
        deviation, divisor = x - x.mean(axes, keepdim=True), F.size(self.count(self.operands[0])) - 1
        return self.torch_spread(deviation, divisor, axes, keep)

    @abstractmethod
    def torch_spread(self, deviation: Any, divisor: Any, axes: list[int], keep: dict[str, bool]) -> Any:
        """The result for differences from the mean."""
        raise NotImplementedError

    def onnx_spread(self, op: Any, variance: Any) -> Any:
        """The result for a variance."""
        return variance

    def onnx_reduced(self, op: Any, x: Any, axes: Any, keepdims: int) -> Any:
        return self.onnx_spread(op, self.onnx_variance(op, x, axes, keepdims))

    def onnx_variance(self, op: Any, x: Any, axes: Any, keepdims: int) -> Any:
        deviation = op.Sub(x, op.ReduceMean(x, axes, keepdims=1))
        squares = op.ReduceSum(op.Mul(deviation, deviation), axes, keepdims=keepdims)
        count = self.count(self.operands[0])
        if isinstance(count, int):
            return op.Div(squares, op.constant(float(count - 1), "float32"))
        divisor = op.Sub(op.size(count), op.constant(1, "int64"))
        return op.Div(squares, onnx_cast(op, divisor, "int64", "float"))


def spread_examples(name: str) -> tuple[Example, ...]:
    return (
        Example(name, "float[3, 4]", "float"),
        Example(f"{name}(axis=0)", "float[T, 4]", "float[4]"),
        Example(f"{name}(axis=[0, -1])", "float[3, 4, T]", "float[4]"),
        Example(f"{name}(axis=-1, keepdims=true)", "float[T, 4]", "float[T, 1]"),
        Example(f"{name}(keepdims=true)", "float[3, 4]", "float[1, 1]"),
        Example(name, "uint8[3]", "float", low=0, high=9),
        Example(f"{name}(axis=1)", "float[3]", rejects="E0201"),
        Example(f"{name}(axis=0)", "float[1, 4]", rejects="E0201"),
        Example(name, "float", rejects="E0201"),
    )


class Var(_Spread):
    """The variance over axes, divided by n - 1 (torch `var`, ONNX `ReduceMean`, `ReduceSum`).

    Over a free dimension of size 1 it is NaN.
    """

    def torch_spread(self, deviation, divisor, axes, keep):
        return deviation.square().sum(axes, **keep) / divisor

    examples = spread_examples("var")


class Std(_Spread):
    """The standard deviation over axes, the root of `var` (torch `std`, ONNX `ReduceMean`, `ReduceSum`,
    `Sqrt`).

    Over a free dimension of size 1 it is NaN.
    """

    def torch_spread(self, deviation, divisor, axes, keep):
        return deviation.norm(p=2, dim=axes, **keep) / divisor**0.5

    def onnx_spread(self, op, variance):
        return op.Sqrt(variance)

    examples = spread_examples("std")
