"""Clipping, selection, minimum and maximum of values, one by one."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

from dlc.compiler.definitions.parameter_types import Nothing, Number, OneOf
from dlc.compiler.operators.base import Example, Operator, Reject, setting
from dlc.compiler.operators.operands import (
    WIDER,
    broadcast,
    check_representable,
    onnx_cast,
    onnx_clip,
    onnx_maximum,
    onnx_minimum,
    promote_types,
    torch_cast,
)
from dlc.compiler.types import Tensor


class Detach(Operator):
    """`x` without its gradient (torch `detach`, ONNX `Identity`)."""

    elementwise = True
    detaches = True
    keeps = ("numbers", "axes", "missing")
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
    """`x` limited to two bounds; either may be `none` (torch `clamp`, ONNX `Clip`)."""

    elementwise = True
    keeps = ("numbers", "axes")
    bounds = True
    takes = "number"
    batchless = True
    low: float | None = setting(
        "minimum of the result", OneOf(Number(keeps_whole=True), Nothing()), None, shown="no bound"
    )
    high: float | None = setting(
        "maximum of the result", OneOf(Number(keeps_whole=True), Nothing()), None, shown="no bound"
    )

    def type(self, x: Tensor) -> Tensor:
        given = [bound for bound in (self.low, self.high) if bound is not None]
        if not given:
            raise Reject("`clip` needs a bound, `low` or `high`", code="E0405")
        if len(given) == 2 and given[0] > given[1]:
            raise Reject(
                f"`low` is above `high`: {self.low} and {self.high}", at="low", help="exchange the two"
            )
        integer = x.is_integer and all(isinstance(bound, int) for bound in given)
        for bound in given if integer else ():
            check_representable(bound, "int64", "low" if bound is self.low else "high")
        return x if integer or x.is_float else x.with_element("float")

    def torch(self, F, x):
        x = torch_cast(F, x, self.operands[0].element, self.results[0].element)
        return x.clamp(self.low, self.high)

    def onnx(self, op, x):
        element = self.results[0].element
        x = onnx_cast(op, x, self.operands[0].element, element)
        return onnx_clip(op, x, self.low, self.high, element)

    examples = (
        Example("clip(-1, 1)", "float[3]", "float[3]"),
        Example("clip(0.5, none)", "float[T, 4]", "float[T, 4]"),
        Example("clip(high=0.5)", "float[3]", "float[3]"),
        Example("clip(0, 3)", "int64[3]", "int64[3]", low=-5, high=5),
        Example("clip(0, 0.5)", "int64[3]", "float[3]"),
        Example("clip", "float[3]", rejects="E0405"),
        Example("clip(1, -1)", "float[3]", rejects="E0201"),
        Example("clip(high=9223372036854775808)", "int64[3]", rejects="E0201"),
    )


# --- several tensors --------------------------------------------------------------------------------------


class Where(Operator):
    """`a` where the condition is true, else `b`; shapes broadcast (torch `where`, ONNX `Where`)."""

    elementwise = True
    keeps = ("axes", "missing")
    leaves_out_ignored = True
    takes = ("bool", "any", "any")
    batchless = True
    broadcasts = True

    def type(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
        for x in (a, b):
            if x.element == "string":
                raise Reject(
                    f"`where` does not select text, found {x}", help="`vocabulary` turns text into classes"
                )
        shape = broadcast((condition, a, b), "broadcast together")
        batched = condition.batched or a.batched or b.batched
        return replace(promote_types((a, b), "combined"), shape=shape, batched=batched)

    def with_ignored(self, results):
        """None: `where(y.valid, y.target, 0)` replaces them."""
        return tuple(replace(x, ignore=()) for x in results)

    def torch(self, F, condition, a, b):
        _, left, right = (x.element for x in self.operands)
        both = self.results[0].element
        return F.where(condition, torch_cast(F, a, left, both), torch_cast(F, b, right, both))

    def onnx(self, op, condition, a, b):
        _, left, right = (x.element for x in self.operands)
        both = self.results[0].element
        wide = WIDER.get(both, both)
        a, b = (
            onnx_cast(op, onnx_cast(op, x, have, both), both, wide) for x, have in ((a, left), (b, right))
        )
        return onnx_cast(op, op.Where(condition, a, b), wide, both)

    examples = (
        Example("where", ("bool[3]", "float[3]", "float[3]"), "float[3]"),
        Example("where", ("bool", "float[T, 4]", "float[4]"), "float[T, 4]"),
        Example("where", ("bool[3]", "int64[3]", "bool[3]"), "int64[3]"),
        Example("where", ("bool[3]", "int64[3]", "float"), "float[3]"),
        Example("where", ("bool[3]", "bool[3]", "bool"), "bool[3]"),
        Example("where", ("bool[3]", "int16[3]", "int16[3]"), "int16[3]"),
        Example("where", ("bool[3]", "float[4]", "float[4]"), rejects="E0203"),
        Example("where", ("bool[3]", "float[T]", "float[T]"), rejects="E0204"),
    )


class Extreme(Operator, abstract=True):
    elementwise = True
    keeps = ("axes",)
    takes = "number"
    batchless = True
    broadcasts = True

    def type(self, *tensors: Tensor) -> Tensor:
        shape = broadcast(tensors, "compared")
        return replace(
            promote_types(tensors, "compared"), shape=shape, batched=any(x.batched for x in tensors)
        )


class Minimum(Extreme):
    """The elementwise minimum of several tensors (torch `minimum`, ONNX `Min`)."""

    def torch(self, F, *xs):
        return reduce(F.minimum, xs)

    def onnx(self, op, *xs):
        integer = self.results[0].is_integer
        return reduce(lambda a, b: onnx_minimum(op, a, b, integer), xs)

    examples = (
        Example("minimum", ("float[3]", "float[3]"), "float[3]"),
        Example("minimum", ("float[T, 4]", "float[4]", "float"), "float[T, 4]"),
        Example("minimum", ("int64[3]", "uint8[3]"), "int64[3]", low=0, high=9),
        Example("minimum", ("float[3]", "float[4]"), rejects="E0203"),
    )


class Maximum(Extreme):
    """The elementwise maximum of several tensors (torch `maximum`, ONNX `Max`)."""

    def torch(self, F, *xs):
        return reduce(F.maximum, xs)

    def onnx(self, op, *xs):
        integer = self.results[0].is_integer
        return reduce(lambda a, b: onnx_maximum(op, a, b, integer), xs)

    examples = (
        Example("maximum", ("float[3]", "float[3]"), "float[3]"),
        Example("maximum", ("float[T, 4]", "float[4]", "float"), "float[T, 4]"),
        Example("maximum", ("int64[3]", "bool[3]"), "int64[3]"),
        Example("maximum", ("float[3]", "float[4]"), rejects="E0203"),
    )
