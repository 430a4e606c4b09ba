"""Functions of every element, choices among tensors, and reductions over axes."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import Any

from dlc.compiler.kinds import ListOf, Nothing, Number, OneOf, Whole
from dlc.compiler.operators.base import Example, Operator, Reject, setting
from dlc.compiler.operators.operands import (
    DTYPES,
    broadcast,
    only_axis,
    onnx_cast,
    sample_axis,
    torch_cast,
    unify,
)
from dlc.compiler.types import Tensor


class Function(Operator):
    batchless = True

    def type(self, x: Tensor) -> Tensor:
        return x


class Exp(Function):
    """`e ** x` (torch `exp`, ONNX `Exp`)."""

    def torch(self, F, x):
        return F.exp(x)

    def onnx(self, op, x):
        return op.Exp(x)

    examples = (Example("exp", "float[3]", "float[3]"), Example("exp", "float[T, 4]", "float[T, 4]"))


class Log(Function):
    """The natural logarithm (torch `log`, ONNX `Log`)."""

    def torch(self, F, x):
        return F.log(x)

    def onnx(self, op, x):
        return op.Log(x)

    examples = (Example("log", "float[3]", "float[3]", low=0.1), Example("log", "float", "float", low=0.1))


class Sqrt(Function):
    """The square root (torch `sqrt`, ONNX `Sqrt`)."""

    def torch(self, F, x):
        return F.sqrt(x)

    def onnx(self, op, x):
        return op.Sqrt(x)

    examples = (
        Example("sqrt", "float[3]", "float[3]", low=0.0),
        Example("sqrt", "float[T]", "float[T]", low=0.0),
    )


class Abs(Function):
    """`x` without its sign (torch `abs`, ONNX `Abs`)."""

    def torch(self, F, x):
        return F.abs(x)

    def onnx(self, op, x):
        return op.Abs(x)

    examples = (Example("abs", "float[3]", "float[3]"), Example("abs", "int64[T, 4]", "float[T, 4]"))


class Square(Function):
    """`x * x` (torch `square`, ONNX `Mul`)."""

    def torch(self, F, x):
        return F.square(x)

    def onnx(self, op, x):
        return op.Mul(x, x)

    examples = (Example("square", "float[3]", "float[3]"), Example("square", "float[T, 4]", "float[T, 4]"))


class Sin(Function):
    """The sine, `x` in radians (torch `sin`, ONNX `Sin`)."""

    def torch(self, F, x):
        return F.sin(x)

    def onnx(self, op, x):
        return op.Sin(x)

    examples = (Example("sin", "float[3]", "float[3]"), Example("sin", "float[T, 4]", "float[T, 4]"))


class Cos(Function):
    """The cosine, `x` in radians (torch `cos`, ONNX `Cos`)."""

    def torch(self, F, x):
        return F.cos(x)

    def onnx(self, op, x):
        return op.Cos(x)

    examples = (Example("cos", "float[3]", "float[3]"), Example("cos", "float[T, 4]", "float[T, 4]"))


class Detach(Operator):
    """`x`, through which no gradient flows back (torch `detach`, ONNX `Identity`)."""

    takes = "any"
    batchless = True

    def type(self, x: Tensor) -> Tensor:
        return x

    def torch(self, F, x):
        return x.detach()

    def onnx(self, op, x):
        return op.Identity(x)

    examples = (Example("detach", "float[3]", "float[3]"), Example("detach", "float[T, 4]", "float[T, 4]"))


class Clip(Operator):
    """`x` held between two bounds; either may be `none` (torch `clamp`, ONNX `Clip`)."""

    takes = "number"
    batchless = True
    low: float | None = setting(
        "the least value of the result", OneOf(Number(), Nothing()), None, shown="no bound"
    )
    high: float | None = setting(
        "the greatest value of the result", OneOf(Number(), Nothing()), None, shown="no bound"
    )

    def type(self, x: Tensor) -> Tensor:
        given = [bound for bound in (self.low, self.high) if bound is not None]
        if not given:
            raise Reject("`clip` needs a bound, `low` or `high`", code="E0405")
        if len(given) == 2 and self.low > self.high:
            raise Reject(
                f"`low` is above `high`: {self.low} and {self.high}", at="low", help="exchange the two"
            )
        whole = x.is_integer and all(isinstance(bound, int) for bound in given)
        return x if whole or x.is_float else x.with_element("float")

    def torch(self, F, x):
        x = torch_cast(F, x, self.operands[0].element, self.results[0].element)
        return x.clamp(self.low, self.high)

    def onnx(self, op, x):
        element = self.results[0].element
        number = int if self.results[0].is_integer else float
        x = onnx_cast(op, x, self.operands[0].element, element)
        low, high = (
            b if b is None else op.constant(number(b), DTYPES[element][0]) for b in (self.low, self.high)
        )
        return op.Clip(x, low) if high is None else op.Clip(x, low, high)

    examples = (
        Example("clip(-1, 1)", "float[3]", "float[3]"),
        Example("clip(0.5, none)", "float[T, 4]", "float[T, 4]"),
        Example("clip(high=0.5)", "float[3]", "float[3]"),
        Example("clip(0, 3)", "int64[3]", "int64[3]", low=-5, high=5),
        Example("clip(0, 0.5)", "int64[3]", "float[3]"),
        Example("clip", "float[3]", rejects="E0405"),
        Example("clip(1, -1)", "float[3]", rejects="E0201"),
    )


# --- several tensors --------------------------------------------------------------------------------------


class Where(Operator):
    """`a` where the condition is true, else `b`; shapes broadcast (torch `where`, ONNX `Where`)."""

    takes = ("bool", "any", "any")
    batchless = True
    broadcasts = True

    def type(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
        for x in (a, b):
            if x.element == "string":
                raise Reject(
                    f"text cannot be chosen among, found {x}", help="`vocabulary` makes classes of text"
                )
        shape = broadcast((condition, a, b), "brought together")
        batched = condition.batched or a.batched or b.batched
        return replace(unify((a, b), "brought together"), shape=shape, batched=batched)

    def torch(self, F, condition, a, b):
        _, left, right = (x.element for x in self.operands)
        both = self.results[0].element
        return F.where(condition, torch_cast(F, a, left, both), torch_cast(F, b, right, both))

    def onnx(self, op, condition, a, b):
        _, left, right = (x.element for x in self.operands)
        both = self.results[0].element
        return op.Where(condition, onnx_cast(op, a, left, both), onnx_cast(op, b, right, both))

    examples = (
        Example("where", ("bool[3]", "float[3]", "float[3]"), "float[3]"),
        Example("where", ("bool", "float[T, 4]", "float[4]"), "float[T, 4]"),
        Example("where", ("bool[3]", "int64[3]", "bool[3]"), "int64[3]"),
        Example("where", ("bool[3]", "int64[3]", "float"), "float[3]"),
        Example("where", ("bool[3]", "float[4]", "float[4]"), rejects="E0203"),
        Example("where", ("bool[3]", "float[T]", "float[T]"), rejects="E0204"),
    )


class Extreme(Operator):
    takes = "number"
    batchless = True
    broadcasts = True

    def type(self, *tensors: Tensor) -> Tensor:
        shape = broadcast(tensors, "compared")
        return replace(unify(tensors, "compared"), shape=shape, batched=any(x.batched for x in tensors))


class Minimum(Extreme):
    """The least of several tensors, place by place (torch `minimum`, ONNX `Min`)."""

    def torch(self, F, *xs):
        return reduce(F.minimum, xs)

    def onnx(self, op, *xs):
        return op.Min(*xs)

    examples = (
        Example("minimum", ("float[3]", "float[3]"), "float[3]"),
        Example("minimum", ("float[T, 4]", "float[4]", "float"), "float[T, 4]"),
        Example("minimum", ("int64[3]", "uint8[3]"), "int64[3]", low=0, high=9),
        Example("minimum", ("float[3]", "float[4]"), rejects="E0203"),
    )


class Maximum(Extreme):
    """The greatest of several tensors, place by place (torch `maximum`, ONNX `Max`)."""

    def torch(self, F, *xs):
        return reduce(F.maximum, xs)

    def onnx(self, op, *xs):
        return op.Max(*xs)

    examples = (
        Example("maximum", ("float[3]", "float[3]"), "float[3]"),
        Example("maximum", ("float[T, 4]", "float[4]", "float"), "float[T, 4]"),
        Example("maximum", ("int64[3]", "bool[3]"), "int64[3]"),
        Example("maximum", ("float[3]", "float[4]"), rejects="E0203"),
    )


# --- reductions -------------------------------------------------------------------------------------------


class Reduction(Operator):
    batchless = True
    axis: int | tuple[int, ...] | None = setting(
        "the axis to reduce, or a list of them",
        OneOf(Whole(), ListOf(Whole()), Nothing()),
        None,
        shown="all axes of the sample",
    )

    def type(self, x: Tensor) -> Tensor:
        axes = self.axes(x)
        return x.with_shape(*(size for axis, size in enumerate(x.shape) if axis not in axes))

    def axes(self, x: Tensor) -> list[int]:
        """The sample's axes that are reduced."""
        if self.axis is None:
            return list(range(x.rank))
        given = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        axes = [sample_axis(x, axis) for axis in given]
        if len(set(axes)) != len(axes) or not axes:
            found = "no axis" if not axes else f"one twice in {list(given)}"
            raise Reject(f"`{self.name}` needs different axes, found {found}", at="axis")
        return sorted(axes)

    def places(self) -> list[int]:
        """The reduced axes of the whole tensor."""
        x = self.operands[0]
        return [axis + x.batched for axis in self.axes(x)]

    def torch(self, F, x):
        return self.torch_reduced(x, self.places()) if self.places() else self.torch_scalar(x)

    def onnx(self, op, x):
        if not self.places():
            return self.onnx_scalar(op, x)
        return self.onnx_reduced(op, x, op.constant(self.places(), "int64"))

    def torch_reduced(self, x: Any, axes: list[int]) -> Any:
        raise NotImplementedError

    def onnx_reduced(self, op: Any, x: Any, axes: Any) -> Any:
        raise NotImplementedError

    def torch_scalar(self, x: Any) -> Any:
        """Of a sample without axes."""
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


class Max(Reduction):
    """The greatest value over axes (torch `amax`, ONNX `ReduceMax`)."""

    takes = "number"

    def torch_reduced(self, x, axes):
        return x.amax(axes)

    def onnx_reduced(self, op, x, axes):
        return op.ReduceMax(x, axes, keepdims=0)

    examples = (
        Example("max", "float[3, 4]", "float"),
        Example("max(axis=0)", "float[T, 4]", "float[4]"),
        Example("max(axis=[0, 2])", "float[3, 4, 5]", "float[4]"),
        Example("max", "int64[3]", "int64"),
        Example("max(axis=1)", "float[3]", rejects="E0201"),
    )


class Min(Reduction):
    """The least value over axes (torch `amin`, ONNX `ReduceMin`)."""

    takes = "number"

    def torch_reduced(self, x, axes):
        return x.amin(axes)

    def onnx_reduced(self, op, x, axes):
        return op.ReduceMin(x, axes, keepdims=0)

    examples = (
        Example("min", "float[3, 4]", "float"),
        Example("min(axis=0)", "float[T, 4]", "float[4]"),
        Example("min(axis=[0, 2])", "float[3, 4, 5]", "float[4]"),
        Example("min", "int64[3]", "int64"),
        Example("min(axis=1)", "float[3]", rejects="E0201"),
    )


class Norm(Reduction):
    """The Euclidean length, `sqrt(sum(x ** 2))` over axes (torch `norm`, ONNX `ReduceL2`)."""

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
    """The place of the greatest value, the first of several (torch `argmax`, ONNX `ArgMax`).

    Over all axes it counts the values of the sample in order, the last axis fastest.
    """

    takes = "number"
    batchless = True
    axis: int | None = setting("the axis to look along", OneOf(Whole(), Nothing()), None, shown="all axes of the sample")  # fmt: skip

    def type(self, x: Tensor) -> Tensor:
        if self.axis is None:
            return x.with_shape().with_element("int64")
        axis = sample_axis(x, self.axis)
        return x.with_shape(*x.shape[:axis], *x.shape[axis + 1 :]).with_element("int64")

    def torch(self, F, x):
        have = self.operands[0]
        if self.axis is not None:
            return x.argmax(have.axis(self.axis))
        return x.reshape(F.batch, -1).argmax(1) if have.batched else x.argmax()

    def onnx(self, op, x):
        have = self.operands[0]
        if have.is_integer:
            x = op.Cast(x, to=DTYPES["float64"][1])  # ONNX Runtime has none for int64
        if self.axis is not None:
            return op.ArgMax(x, axis=have.axis(self.axis), keepdims=0)
        flat = op.Flatten(x, axis=1) if have.batched else op.Reshape(x, op.constant([-1], "int64"))
        return op.ArgMax(flat, axis=int(have.batched), keepdims=0)

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
    """The sum of the entries up to each one (torch `cumsum`, ONNX `CumSum`)."""

    takes = "number"
    batchless = True
    axis: int | None = setting("the axis to sum along", OneOf(Whole(), Nothing()), None, shown="the only one")

    def type(self, x: Tensor) -> Tensor:
        only_axis(x, self.axis, "cumsum")
        return x

    def place(self) -> int:
        x = self.operands[0]
        return x.axis(only_axis(x, self.axis, "cumsum"))

    def torch(self, F, x):
        return x.cumsum(self.place())

    def onnx(self, op, x):
        return op.CumSum(x, op.constant(self.place(), "int64"))

    examples = (
        Example("cumsum(axis=0)", "float[T, 4]", "float[T, 4]"),
        Example("cumsum(axis=-1)", "float[3, 4]", "float[3, 4]"),
        Example("cumsum", "int64[5]", "int64[5]"),
        Example("cumsum", "float[3, 4]", rejects="E0405"),
        Example("cumsum(axis=2)", "float[3, 4]", rejects="E0201"),
    )
