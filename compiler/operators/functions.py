"""Functions of one tensor, value by value."""

from __future__ import annotations

from math import log, pi
from typing import TYPE_CHECKING, Any, ClassVar

from dlc.compiler.operators.base import Example, Operator
from dlc.compiler.operators.operands import CLOSE, onnx_cast
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable


class Function(Operator, abstract=True):
    elementwise = True
    group = "elementwise"
    batchless = True
    keeps = ("axes", "missing")

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

    domain = "numbers above 0: `log(x + 1e-6)` is defined from 0 on"

    def torch(self, F, x):
        return F.log(x)

    def onnx(self, op, x):
        return op.Log(x)

    examples = (Example("log", "float[3]", "float[3]", low=0.1), Example("log", "float", "float", low=0.1))


class Sqrt(Function):
    """The square root (torch `sqrt`, ONNX `Sqrt`)."""

    domain = "numbers above 0, because the slope at 0 is infinite: `sqrt(x + 1e-6)`"

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


class Tan(Function):
    """The tangent, `x` in radians (torch `tan`, ONNX `Tan`)."""

    def torch(self, F, x):
        return F.tan(x)

    def onnx(self, op, x):
        return op.Tan(x)

    examples = (
        Example("tan", "float[3]", "float[3]", low=-1.5, high=1.5),
        Example("tan", "float[T, 4]", "float[T, 4]", low=-1.5, high=1.5),
    )


class Erf(Function):
    """The error function, `2 / sqrt(pi)` times the integral of `exp(-t ** 2)` from 0 to x (torch `erf`,
    ONNX `Erf`)."""

    saturates = True
    flat_at = (-1, 1)

    def torch(self, F, x):
        return F.erf(x)

    def onnx(self, op, x):
        return op.Erf(x)

    examples = (
        Example("erf", "float[3]", "float[3]"),
        Example("erf", "float[T, 4]", "float[T, 4]"),
        Example("erf", "float[9]", "float[9]", low=-200, high=200),
    )


class Sign(Function):
    """1 above 0, -1 below 0, and 0 at 0 and for NaN (torch `sign`, ONNX `Sign`, `IsNaN` and `Where`).

    Its gradient is 0 everywhere.
    """

    keeps = ("axes",)

    def torch(self, F, x):
        return F.sign(x)

    def onnx(self, op, x):
        return op.Where(op.IsNaN(x), op.constant(0.0, "float32"), op.Sign(x))

    def tolerance(self, np):
        return lambda x: np.where(np.abs(x) > CLOSE, 0, np.inf)

    examples = (
        Example("sign", "float[3]", "float[3]"),
        Example("sign", "float[T, 4]", "float[T, 4]"),
        Example("sign", "int8[9]", "float[9]"),
    )


class _Whole(Function, abstract=True):
    """The nearest integer in some sense, as a float. Its gradient is 0 everywhere."""

    step: ClassVar[float]  # it jumps at the integers plus this

    def tolerance(self, np):
        """The next integer is accepted where a value is close to a jump."""

        def of(x: Any) -> Any:
            x = x.astype(np.float64) - self.step
            with np.errstate(invalid="ignore"):
                return np.where(np.abs(x - np.round(x)) <= CLOSE * np.maximum(1, np.abs(x)), 1, 0)

        return of


def whole_examples(name: str) -> tuple[Example, ...]:
    return (
        Example(name, "float[3]", "float[3]"),
        Example(name, "float[T, 4]", "float[T, 4]"),
        Example(name, "float[9]", "float[9]", low=-200, high=200),
        Example(name, "int64[9]", "float[9]", low=-9, high=9),
    )


class FloorOperator(_Whole):
    """The greatest integer that is not above `x`, as a float (torch `floor`, ONNX `Floor`).

    Its gradient is 0 everywhere.
    """

    step = 0

    def torch(self, F, x):
        return F.floor(x)

    def onnx(self, op, x):
        return op.Floor(x)

    examples = whole_examples("floor")


class Ceil(_Whole):
    """The least integer that is not below `x`, as a float (torch `ceil`, ONNX `Ceil`).

    Its gradient is 0 everywhere.
    """

    step = 0

    def torch(self, F, x):
        return F.ceil(x)

    def onnx(self, op, x):
        return op.Ceil(x)

    examples = whole_examples("ceil")


class Round(_Whole):
    """The nearest integer, halves rounded to even, as a float (torch `round`, ONNX `Round`).

    Its gradient is 0 everywhere.
    """

    step = 0.5

    def torch(self, F, x):
        return F.round(x)

    def onnx(self, op, x):
        return op.Round(x)

    examples = whole_examples("round")


class Lgamma(Function):
    """The logarithm of the absolute value of the gamma function (torch `lgamma`, ONNX `Log`, `Sin` and
    arithmetic in float64).

    The gradient is `digamma`. ONNX has no such operator: it is computed by Stirling's series at |x| + 7, by
    the recurrence `gamma(x + 1) = x * gamma(x)`, and below 0 by the reflection
    `gamma(x) * gamma(-x) = -pi / (x * sin(pi * x))` (Abramowitz and Stegun, 6.1.15, 6.1.17, 6.1.40).
    """

    domain = "numbers other than 0, -1, -2, ..., where it is infinite"

    def torch(self, F, x):
        return F.lgamma(x)

    def onnx(self, op, x):
        def number(value: float) -> Any:
            return op.constant(value, "float64")

        wide = onnx_cast(op, x, "float", "float64")
        size = op.Abs(wide)
        size = op.Where(op.Greater(size, number(LARGE)), number(LARGE), size)  # unlike `Min`, keeps NaN
        above = onnx_log_gamma(op, number, size)
        fraction = op.Sub(size, op.Floor(size))
        fraction = op.Where(op.Greater(fraction, number(0.5)), op.Sub(number(1), fraction), fraction)
        sine = op.Sin(op.Mul(fraction, number(pi)))
        below = op.Sub(number(log(pi)), op.Add(op.Add(op.Log(size), op.Log(sine)), above))
        return onnx_cast(op, op.Where(op.Less(wide, number(0)), below, above), "float64", "float")

    examples = (
        Example("lgamma", "float[3]", "float[3]", low=0.1, high=30),
        Example("lgamma", "float[T, 4]", "float[T, 4]"),
        Example("lgamma", "float[9]", "float[9]", low=-200, high=200),
        Example("lgamma", "uint8[3]", "float[3]", low=1, high=255),
    )


LARGE = 1e37  # from here on the logarithm of the gamma function is above the largest float32
SHIFT = 7  # added to numbers below it, for which Stirling's series is not accurate
STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)  # of 1/x, 1/x**3, ...


def onnx_log_gamma(op: Any, number: Callable[[float], Any], x: Any) -> Any:
    """The logarithm of the gamma function in float64 for x >= 0, with an absolute error of about 1e-14."""
    product = x
    for k in range(1, SHIFT):
        product = op.Mul(product, op.Add(x, number(k)))
    is_small = op.Less(x, number(SHIFT))
    shifted = op.Where(is_small, op.Add(x, number(SHIFT)), x)
    inverse = op.Div(number(1), shifted)
    square = op.Mul(inverse, inverse)
    series = number(STIRLING[-1])
    for coefficient in reversed(STIRLING[:-1]):
        series = op.Add(op.Mul(series, square), number(coefficient))
    whole = op.Mul(op.Sub(shifted, number(0.5)), op.Sub(op.Log(shifted), number(1)))
    stirling = op.Add(op.Add(whole, number(log(2 * pi) / 2 - 0.5)), op.Mul(series, inverse))
    return op.Where(is_small, op.Sub(stirling, op.Log(product)), stirling)
