"""Arithmetic operators, constants and casts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from dlc.compiler.definitions import parameter_types
from dlc.compiler.definitions.constants import nested_list, nested_shape, numbers
from dlc.compiler.operators.base import Example, Operator, Reject, setting
from dlc.compiler.operators.matmul import Matmul as Matmul  # noqa: PLC0414
from dlc.compiler.operators.operands import (
    DTYPES,
    broadcast,
    check_representable,
    close,
    onnx_cast,
    promote_types,
    torch_cast,
    torch_dtype,
)
from dlc.compiler.operators.padding import APART, Fill
from dlc.compiler.types import Tensor

EXACT = 2.0**53  # float64 represents all integers up to here


# --- arithmetic -------------------------------------------------------------------------------------------


class BinaryOperator(Operator, abstract=True):
    elementwise = True
    public = False
    keeps = ("axes",)
    takes = "number"
    broadcasts = True
    batchless = True
    verb: ClassVar[str]

    def type(self, a: Tensor, b: Tensor) -> Tensor:
        shape = broadcast((a, b), self.verb)
        return replace(promote_types((a, b), self.verb), shape=shape, batched=a.batched or b.batched)


class Add(BinaryOperator):
    """`a + b` (torch `add`, ONNX `Add`)."""

    keeps = ("axes", "missing")
    offset = "subtracts"
    symbol = "+"
    verb = "added"
    sums = True
    linear_in = ((0, 1),)

    def torch(self, F, a, b):
        return a + b

    def onnx(self, op, a, b):
        return op.Add(a, b)

    examples = (
        Example("a + b", ("float[2, 3]", "float[3]"), "float[2, 3]"),
        Example("a + b", ("float", "float[T, 4]"), "float[T, 4]"),
        Example("a + b", ("float[3, 1]", "float[1, 4]"), "float[3, 4]"),
        Example("a + b", ("uint8[3]", "bool[3]"), "int64[3]", low=0, high=9),
        Example("a + b", ("int32[3]", "float[3]"), "float[3]"),
        Example("a + 1", "int64[3]", "int64[3]"),
        Example("a + b", ("float[64, 28, 28]", "float[128, 14, 14]"), rejects="E0203"),
        Example("a + b", ("float[3]", "float[3, 5]"), rejects="E0203"),
        Example("a + b", ("float[T]", "float[T + 1]"), rejects="E0204"),
        Example("a + b", ("float[3]", "class(3)"), rejects="E0202"),
    )


class Subtract(BinaryOperator):
    """`a - b` (torch `sub`, ONNX `Sub`)."""

    keeps = ("axes", "missing")
    offset = "subtracts"
    symbol = "-"
    linear_in = ((0, 1),)
    verb = "subtracted"

    def torch(self, F, a, b):
        return a - b

    def onnx(self, op, a, b):
        return op.Sub(a, b)

    examples = (
        Example("a - b", ("float[2, 3]", "float[2, 1]"), "float[2, 3]"),
        Example("1 - a", "bool[3]", "int64[3]"),
    )


class Multiply(BinaryOperator):
    """`a * b` (torch `mul`, ONNX `Mul`)."""

    keeps = ("axes", "missing")
    offset = "keeps"
    symbol = "*"
    linear_in = (0,), (1,)
    verb = "multiplied"

    def torch(self, F, a, b):
        return a * b

    def onnx(self, op, a, b):
        return op.Mul(a, b)

    examples = (
        Example("a * b", ("float[T, 3]", "float[3]"), "float[T, 3]"),
        Example("2 * a", "int64[3]", "int64[3]"),
        Example("0.5 * a", "int64[3]", "float[3]"),
    )


class Divide(BinaryOperator):
    """`a / b`, always a float (torch `div`, ONNX `Div`)."""

    keeps = ("axes", "missing")
    offset = "keeps"
    symbol = "/"
    linear_in = ((0,),)
    verb = "divided"
    takes = "float"
    domain = "a divisor other than 0: `a / (b + 1e-6)`, where `b` is never below 0"

    def padding_of(self, place, axis):
        return Fill(1) if place == 1 else APART

    def torch(self, F, a, b):
        return a / b

    def onnx(self, op, a, b):
        return op.Div(a, b)

    examples = (
        Example("a / b", ("float[3]", "float[3]"), "float[3]", low=0.5),
        Example("a / 255", "uint8[3]", "float[3]", low=0, high=255),
    )


class Discontinuous(BinaryOperator, abstract=True):
    """An operator that is discontinuous where `a` is a multiple of `b`."""

    def padding_of(self, place, axis):
        return Fill(1)  # not 0, where gradients are not finite

    def tolerance(self, np):
        """Any value is accepted where `a` is close to a multiple of `b`."""
        if self.results[0].is_integer:
            return None

        def of(a: Any, b: Any) -> Any:
            with np.errstate(all="ignore"):
                quotient = a.astype(np.float64) / b
                return np.where(close(np, quotient, np.round(quotient)), np.inf, 0)

        return of


class Modulo(Discontinuous):
    """`a % b`, with the sign of `b` as in Python (torch `remainder`, ONNX `Mod`). For integers it is 0 where
    `b` is 0, as in NumPy."""

    symbol = "%"
    verb = "divided"

    def torch(self, F, a, b):
        if self.results[0].is_integer:
            b = F.where(F.eq(b, 0), 1, b)
        return F.remainder(a, b)

    def onnx(self, op, a, b):
        integer = self.results[0].is_integer
        return onnx_modulo(op, a, onnx_divisor(op, b) if integer else b, integer)

    examples = (
        Example("a % b", ("float[3]", "float[3]"), "float[3]"),
        Example("a % 3", "int64[9]", "int64[9]", low=-9, high=9),
        Example("a % -3", "int64[9]", "int64[9]", low=-9, high=9),
        Example("a % b", ("int64[9]", "int64[9]"), "int64[9]", low=-2, high=2),
        Example("a % -0.5", "float[9]", "float[9]"),
    )


class FloorDivide(Discontinuous):
    """`a // b`, rounded down as in Python: `(a - a % b) / b`. For integers it is 0 where `b` is 0, as in
    NumPy."""

    symbol = "//"
    verb = "divided"

    def torch(self, F, a, b):
        if self.results[0].is_integer:
            return F.where(F.eq(b, 0), 0, F.div(a, F.where(F.eq(b, 0), 1, b), rounding_mode="floor"))
        return F.round((a - F.remainder(a, b)) / b)

    def onnx(self, op, a, b):
        if not self.results[0].is_integer:
            return op.Round(op.Div(op.Sub(a, onnx_modulo(op, a, b, integer=False)), b))
        divisor, zero = onnx_divisor(op, b), op.constant(0, "int64")
        quotient = op.Div(op.Sub(a, onnx_modulo(op, a, divisor, integer=True)), divisor)
        return op.Where(op.Equal(b, zero), zero, quotient)

    examples = (
        Example("a // b", ("float[3]", "float[3]"), "float[3]"),
        Example("a // 3", "int64[9]", "int64[9]", low=-9, high=9),
        Example("a // -3", "int64[9]", "int64[9]", low=-9, high=9),
        Example("a // b", ("int64[9]", "int64[9]"), "int64[9]", low=-2, high=2),
        Example("a // -0.5", "float[9]", "float[9]"),
    )


def onnx_divisor(op: Any, b: Any) -> Any:
    """Integers with 0 replaced by 1, because ONNX Runtime does not divide by 0."""
    return op.Where(op.Equal(b, op.constant(0, "int64")), op.constant(1, "int64"), b)


def onnx_modulo(op: Any, a: Any, b: Any, integer: bool) -> Any:
    """ONNX `Mod` has the sign of the divisor for integers only. For floats `b` is added where the sign of
    the remainder is wrong."""
    if integer:
        return op.Mod(a, b, fmod=0)
    rest, zero = op.Mod(a, b, fmod=1), op.constant(0.0, "float32")
    exact = op.Equal(rest, zero)
    wrong = op.And(op.Not(exact), op.Xor(op.Less(rest, zero), op.Less(b, zero)))
    return op.Where(wrong, op.Add(rest, b), rest)


class Power(BinaryOperator):
    """`a ** b` (torch `pow`, ONNX `Pow`). For integers the fraction is dropped, and 0 to a negative power is
    0. Integers above 2 ** 53 are not exact."""

    symbol = "**"
    verb = "raised to a power"

    def padding_of(self, place, axis):
        return Fill(1)  # not 0, where gradients may be infinite

    def torch(self, F, a, b):
        return F.pow(a, b)

    def onnx(self, op, a, b):
        if self.results[0].is_integer:
            zero = op.constant(0, "int64")
            infinite = op.And(op.Equal(a, zero), op.Less(b, zero))
            a = op.Where(infinite, op.constant(2, "int64"), a)
        return op.Pow(a, b)

    def tolerance(self, np):
        """Any integer is accepted where the result exceeds 2 ** 53: ONNX Runtime computes it in float64."""
        if not self.results[0].is_integer:
            return None

        def of(a: Any, b: Any) -> Any:
            with np.errstate(all="ignore"):
                return np.where((a == 0) | (np.abs(np.power(a.astype(np.float64), b)) < EXACT), 0, np.inf)

        return of

    examples = (
        Example("a ** b", ("float[3]", "float[3]"), "float[3]", low=0.1),
        Example("a ** 2", "float[T]", "float[T]"),
        Example("a ** 3", "int64[3]", "int64[3]"),
        Example("a ** b", ("int64[9]", "int64[9]"), "int64[9]", low=-3, high=3),
        Example("2 ** a", "float[3]", "float[3]"),
    )


class Negate(Operator):
    """`-x` (torch `neg`, ONNX `Neg`)."""

    elementwise = True
    keeps = ("axes", "missing")
    offset = "keeps"
    symbol = "-"
    linear_in = ((0,),)
    public = False
    takes = "number"
    batchless = True

    def type(self, x: Tensor) -> Tensor:
        return x

    def torch(self, F, x):
        return -x

    def onnx(self, op, x):
        return op.Neg(x)

    examples = (
        Example("-a", "float[3]", "float[3]"),
        Example("-a", "uint8[3]", "int64[3]", low=0, high=9),
    )


# --- constants and casts ----------------------------------------------------------------------------------


class Constant(Operator):
    """Numbers of the spec, the same for every sample.

    Integers are `int64`, true and false are `bool`; one real number makes all of them `float`.
    """

    public = False
    batchless = True
    value: Any = setting("a number, or lists of lists of numbers", parameter_types.ConstantTensor())
    to: str | None = setting(
        "another element",
        parameter_types.OneOf(parameter_types.Keyword(*DTYPES), parameter_types.Nothing()),
        None,
        shown="see above",
    )

    def type(self) -> Tensor:
        found = {type(v) for v in numbers(self.value)}
        element = "float" if float in found else "int64" if int in found else "bool"
        element = self.to or element
        for v in numbers(self.value):
            check_representable(v, element, "value")
        return Tensor(element, nested_shape(self.value), batched=False)

    def constant(self):
        return self.value

    def torch(self, F):
        return F.tensor(nested_list(self.value), dtype=torch_dtype(F, self.results[0].element))

    def onnx(self, op):
        return op.constant(nested_list(self.value), DTYPES[self.results[0].element][0])

    def __eq__(self, other: object) -> bool:
        return type(other) is Constant and other.key() == self.key()

    def __hash__(self) -> int:
        return hash(self.key())

    def key(self) -> tuple[str, str | None]:
        return repr(self.value), self.to  # 1, 1.0 and true differ


class Cast(Operator):
    """A cast to another element; the fraction of a float is dropped (torch `to`, ONNX `Cast`)."""

    elementwise = True
    keeps = ("axes", "missing")
    converts = True
    public = False
    glue = True
    takes = "any"
    batchless = True
    to: str = setting(
        "the element of the result", parameter_types.Keyword(*(e for e in DTYPES if e != "class"))
    )

    def type(self, x: Tensor) -> Tensor:
        if x.element not in DTYPES:
            raise Reject(f"{x} cannot be cast to {self.to}", at="x")
        return x.with_element(self.to)

    def torch(self, F, x):
        return torch_cast(F, x, self.operands[0].element, self.to)

    def onnx(self, op, x):
        if self.operands[0].element == self.to:
            return op.Identity(x)
        return onnx_cast(op, x, self.operands[0].element, self.to)
