"""Reductions over axes of the sample: sum, mean, maximum, minimum, norm, argmax; and cumulative sums."""

from __future__ import annotations

from abc import abstractmethod
from math import prod
from typing import Any

from dlc.compiler.definitions.parameter_types import Integer, ListOf, Nothing, OneOf
from dlc.compiler.operators.base import Example, Operator, Reject, setting
from dlc.compiler.operators.operands import (
    NAN_IS_GREATEST,
    PASSES_NAN_OVER,
    only_axis,
    onnx_cast,
    sample_axis,
)
from dlc.compiler.operators.postprocessing import near_maximum
from dlc.compiler.types import Tensor


class Reduction(Operator, abstract=True):
    batchless = True
    axis: int | tuple[int, ...] | None = setting(
        "the axis to reduce, or a list of them",
        OneOf(Integer(), ListOf(Integer()), Nothing()),
        None,
        shown="all axes of the sample",
    )

    def type(self, x: Tensor) -> Tensor:
        axes = self.axes(x)
        return x.with_shape(*(size for axis, size in enumerate(x.shape) if axis not in axes))

    def axes(self, x: Tensor) -> list[int]:
        """The sample axes that are reduced."""
        if self.axis is None:
            return list(range(x.rank))
        given = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        axes = [sample_axis(x, axis) for axis in given]
        if len(set(axes)) != len(axes) or not axes:
            found = "no axis" if not axes else f"a repeated axis in {list(given)}"
            raise Reject(f"`{self.name}` needs different axes, found {found}", at="axis")
        return sorted(axes)

    def tensor_axes(self) -> list[int]:
        """The reduced axes of the whole tensor."""
        x = self.operands[0]
        return [axis + x.batched for axis in self.axes(x)]

    def torch(self, F, x):
        return self.torch_reduced(x, self.tensor_axes()) if self.tensor_axes() else self.torch_scalar(x)

    def onnx(self, op, x):
        if not self.tensor_axes():
            return self.onnx_scalar(op, x)
        return self.onnx_reduced(op, x, op.constant(self.tensor_axes(), "int64"))

    @abstractmethod
    def torch_reduced(self, x: Any, axes: list[int]) -> Any:
        raise NotImplementedError

    @abstractmethod
    def onnx_reduced(self, op: Any, x: Any, axes: Any) -> Any:
        raise NotImplementedError

    def torch_scalar(self, x: Any) -> Any:
        """The result for a sample without axes."""
        return x

    def onnx_scalar(self, op: Any, x: Any) -> Any:
        return op.Identity(x)


class Sum(Reduction):
    """The sum over axes (torch `sum`, ONNX `ReduceSum`)."""

    takes = "number"

    def torch_reduced(self, x, axes):
        return x.sum(axes)

    def onnx_reduced(self, op, x, axes):
        return op.ReduceSum(x, axes, keepdims=0)

    examples = (
        Example("sum", "float[3, 4]", "float"),
        Example("sum(axis=0)", "float[3, 4]", "float[4]"),
        Example("sum(axis=[0, -1])", "float[3, 4, 5]", "float[4]"),
        Example("sum(axis=0)", "float[T, 4]", "float[4]"),
        Example("sum", "float", "float"),
        Example("sum", "int64[3]", "int64"),
        Example("sum(axis=-1)", "bool[2, 3]", "int64[2]"),
        Example("sum(axis=2)", "float[3, 4]", rejects="E0201"),
        Example("sum(axis=[0, 0])", "float[3, 4]", rejects="E0201"),
        Example("sum(axis=0.5)", "float[3, 4]", rejects="E0403"),
    )


class Mean(Reduction):
    """The mean over axes (torch `mean`, ONNX `ReduceMean`)."""

    def torch_reduced(self, x, axes):
        return x.mean(axes)

    def onnx_reduced(self, op, x, axes):
        return op.ReduceMean(x, axes, keepdims=0)

    examples = (
        Example("mean", "float[3, 4]", "float"),
        Example("mean(axis=-1)", "float[T, 4]", "float[T]"),
        Example("mean(axis=[1, 2])", "float[3, 4, 5]", "float[3]"),
        Example("mean", "uint8[3]", "float", low=0, high=9),
        Example("mean(axis=1)", "float[3]", rejects="E0201"),
    )


def onnx_extreme(op: Any, reduce: Any, x: Any, axes: Any, result: Tensor) -> Any:
    """Maximum or minimum in ONNX. On x86 ONNX Runtime is wrong for int64 above 2 ** 31. It is computed in
    float64 instead, which represents integers up to 2 ** 53."""
    if not result.is_integer:
        return reduce(x, axes, keepdims=0)
    return onnx_cast(op, reduce(onnx_cast(op, x, "int64", "float64"), axes, keepdims=0), "float64", "int64")


class Max(Reduction):
    """The maximum over axes (torch `amax`, ONNX `ReduceMax`)."""

    takes = "number"
    differs_on_nan = PASSES_NAN_OVER

    def torch_reduced(self, x, axes):
        return x.amax(axes)

    def onnx_reduced(self, op, x, axes):
        return onnx_extreme(op, op.ReduceMax, x, axes, self.results[0])

    examples = (
        Example("max", "float[3, 4]", "float"),
        Example("max(axis=0)", "float[T, 4]", "float[4]"),
        Example("max(axis=[0, 2])", "float[3, 4, 5]", "float[4]"),
        Example("max", "int64[3]", "int64"),
        Example("max(axis=1)", "float[3]", rejects="E0201"),
    )


class Min(Reduction):
    """The minimum over axes (torch `amin`, ONNX `ReduceMin`)."""

    takes = "number"
    differs_on_nan = PASSES_NAN_OVER

    def torch_reduced(self, x, axes):
        return x.amin(axes)

    def onnx_reduced(self, op, x, axes):
        return onnx_extreme(op, op.ReduceMin, x, axes, self.results[0])

    examples = (
        Example("min", "float[3, 4]", "float"),
        Example("min(axis=0)", "float[T, 4]", "float[4]"),
        Example("min(axis=[0, 2])", "float[3, 4, 5]", "float[4]"),
        Example("min", "int64[3]", "int64"),
        Example("min(axis=1)", "float[3]", rejects="E0201"),
    )


class Norm(Reduction):
    """The Euclidean norm, `sqrt(sum(x ** 2))` over axes (torch `norm`, ONNX `ReduceL2`)."""

    def torch_reduced(self, x, axes):
        return x.norm(p=2, dim=axes)

    def onnx_reduced(self, op, x, axes):
        return op.ReduceL2(x, axes, keepdims=0)

    def torch_scalar(self, x):
        return x.abs()

    def onnx_scalar(self, op, x):
        return op.Abs(x)

    examples = (
        Example("norm", "float[3, 4]", "float"),
        Example("norm(axis=-1)", "float[T, 4]", "float[T]"),
        Example("norm(axis=[0, 1])", "float[3, 4, 5]", "float[5]"),
        Example("norm", "float[2, 3, 4]", "float"),
        Example("norm", "float", "float"),
        Example("norm(axis=1)", "float[3]", rejects="E0201"),
    )


class Argmax(Operator):
    """The index of the maximum, the first of equal ones (torch `argmax`, ONNX `ArgMax`).

    Over all axes it is the index into the flattened sample (row-major order).
    """

    takes = "number"
    batchless = True
    differs_on_nan = NAN_IS_GREATEST
    axis: int | None = setting("the axis to search along", OneOf(Integer(), Nothing()), None,
                               shown="all axes of the sample")  # fmt: skip

    def type(self, x: Tensor) -> Tensor:
        if self.axis is None:
            return x.with_shape().with_element("int64")
        axis = sample_axis(x, self.axis)
        return x.with_shape(*x.shape[:axis], *x.shape[axis + 1 :]).with_element("int64")

    def torch(self, F, x):
        have = self.operands[0]
        if self.axis is not None:
            return x.argmax(have.axis(self.axis))
        return (x.flatten(have.axis(0)) if have.rank else x.unsqueeze(-1)).argmax(-1)

    def onnx(self, op, x):
        have = self.operands[0]
        if have.is_integer:
            x = onnx_cast(op, x, "int64", "float64")  # ONNX Runtime has no ArgMax for int64
        if self.axis is not None:
            return op.ArgMax(x, axis=have.axis(self.axis), keepdims=0)
        flat = op.Flatten(x, axis=1) if have.batched else op.Reshape(x, op.constant([-1], "int64"))
        return op.ArgMax(flat, axis=int(have.batched), keepdims=0)

    def tolerance(self, np):
        have = self.operands[0]
        if self.axis is not None:
            return near_maximum(np, have.axis(self.axis))
        return lambda x: near_maximum(np, -1)(
            x.reshape(*x.shape[: have.batched], prod(x.shape[have.batched :]))
        )

    examples = (
        Example("argmax", "float[5]", "int64"),
        Example("argmax", "float[3, 4]", "int64"),
        Example("argmax", "float", "int64"),
        Example("argmax(axis=0)", "float[3, T]", "int64[T]"),
        Example("argmax(axis=-1)", "float[T, 4]", "int64[T]"),
        Example("argmax", "int64[5]", "int64"),
        Example("argmax(axis=1)", "float[5]", rejects="E0201"),
    )


class Cumsum(Operator):
    """The cumulative sum along an axis (torch `cumsum`, ONNX `CumSum`)."""

    takes = "number"
    batchless = True
    axis: int | None = setting(
        "the axis to sum along", OneOf(Integer(), Nothing()), None, shown="the only one"
    )

    def type(self, x: Tensor) -> Tensor:
        only_axis(x, self.axis, "cumsum")
        return x

    def tensor_axis(self) -> int:
        x = self.operands[0]
        return x.axis(only_axis(x, self.axis, "cumsum"))

    def torch(self, F, x):
        return x.cumsum(self.tensor_axis())

    def onnx(self, op, x):
        return op.CumSum(x, op.constant(self.tensor_axis(), "int64"))

    examples = (
        Example("cumsum(axis=0)", "float[T, 4]", "float[T, 4]"),
        Example("cumsum(axis=-1)", "float[3, 4]", "float[3, 4]"),
        Example("cumsum", "int64[5]", "int64[5]"),
        Example("cumsum", "float[3, 4]", rejects="E0405"),
        Example("cumsum(axis=2)", "float[3, 4]", rejects="E0201"),
    )
