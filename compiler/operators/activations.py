"""Elementwise activations."""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

from dlc.compiler.definitions.initializers import Full
from dlc.compiler.definitions.parameter_types import Keyword, Nothing, Number, OneOf
from dlc.compiler.operators.base import Example, Operator, WeightSpec, setting
from dlc.compiler.operators.postprocessing import near_threshold
from dlc.compiler.types import Tensor


def shapes(call: str, *more: Example) -> tuple[Example, ...]:
    """The examples that every elementwise function has: each rank, free dimensions, large values."""
    types = ("float", "float[3]", "float[5, 4]", "float[T, 4]", "float[3, H, W]", "float[2, 2, 3, 2]")
    return (
        *(Example(call, t, t) for t in types),
        Example(call, "float[9]", "float[9]", low=-200, high=200),
        *more,
    )


class Activation(Operator, abstract=True):
    elementwise = True
    group = "activations"
    keeps = ("axes",)
    follows = True
    batchless = True
    initial = ""

    def type(self, x: Tensor) -> Tensor:
        return x


class Identity(Activation):
    """`x`, unchanged (ONNX `Identity`)."""

    identity = True
    keeps = ("numbers", "axes", "missing")
    initial = None
    takes = "any"

    def torch(self, F, x):
        return x

    def onnx(self, op, x):
        return op.Identity(x)

    examples = shapes("identity", Example("identity", "uint8[3]", "uint8[3]", low=0, high=255))


class Sigmoid(Activation):
    """`1 / (1 + exp(-x))` (torch `sigmoid`, ONNX `Sigmoid`)."""

    matches = "binary"
    saturates = True
    flat_at = (0, 1)

    def torch(self, F, x):
        return F.sigmoid(x)

    def onnx(self, op, x):
        return op.Sigmoid(x)

    examples = shapes("sigmoid")


class Tanh(Activation):
    """`(exp(x) - exp(-x)) / (exp(x) + exp(-x))` (torch `tanh`, ONNX `Tanh`)."""

    saturates = True
    flat_at = (-1, 1)

    def torch(self, F, x):
        return F.tanh(x)

    def onnx(self, op, x):
        return op.Tanh(x)

    examples = shapes("tanh")


class Relu(Activation):
    """`max(x, 0)` (torch `relu`, ONNX `Relu`)."""

    initial = "he"
    flat_at = (0, None)

    def torch(self, F, x):
        return F.relu(x)

    def onnx(self, op, x):
        return op.Relu(x)

    examples = shapes("relu", Example("relu", "uint8[3]", "float[3]", low=0, high=255))


class Relu6(Activation):
    """`min(max(x, 0), 6)` (torch `relu6`, ONNX `Clip`)."""

    initial = "he"
    flat_at = (0, 6)

    def torch(self, F, x):
        return F.relu6(x)

    def onnx(self, op, x):
        return op.Clip(x, op.constant(0.0, "float32"), op.constant(6.0, "float32"))

    examples = shapes("relu6")


class LeakyRelu(Activation):
    """`x` where x >= 0, `slope * x` elsewhere (torch `leaky_relu`, ONNX `LeakyRelu`)."""

    initial = "he"

    slope: float = setting("slope below 0", Number(), 0.01)

    def torch(self, F, x):
        return F.leaky_relu(x, self.slope)

    def onnx(self, op, x):
        return op.LeakyRelu(x, alpha=self.slope)

    examples = shapes(
        "leaky_relu",
        Example("leaky_relu(0.2)", "float[3]", "float[3]"),
        Example("leaky_relu(-1)", "float[3]", "float[3]"),
    )


class Prelu(Activation):
    """`x` where x >= 0, `weight * x` elsewhere, with one trainable slope, initially 0.25
    (torch `prelu`, ONNX `PRelu`)."""

    initial = "he"

    def weights(self, x: Tensor):
        yield WeightSpec("weight", (1,), "norm", Full(value=0.25))

    def module(self, nn):
        return nn.PReLU()

    def torch(self, F, x, weight):
        return F.prelu(x, weight)

    def onnx(self, op, x, weight):
        return op.PRelu(x, weight)

    examples = shapes("prelu")


class Elu(Activation):
    """`x` where x >= 0, `alpha * (exp(x) - 1)` elsewhere (torch `elu`, ONNX `Elu`)."""

    initial = "he"

    alpha: float = setting("limit for large negative numbers, as `-alpha`", Number(), 1.0)

    def torch(self, F, x):
        return F.elu(x, self.alpha)

    def onnx(self, op, x):
        return op.Elu(x, alpha=self.alpha)

    examples = shapes(
        "elu", Example("elu(0.5)", "float[3]", "float[3]"), Example("elu(2)", "float[3]", "float[3]")
    )


class Selu(Activation):
    """`elu` scaled so that layers keep mean 0 and variance 1 (torch `selu`, ONNX `Selu`)."""

    initial = "lecun"

    def torch(self, F, x):
        return F.selu(x)

    def onnx(self, op, x):
        return op.Selu(x)

    examples = shapes("selu")


class Celu(Activation):
    """`max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))` (torch `celu`, ONNX `Celu`)."""

    initial = "he"

    alpha: float = setting(
        "limit for large negative numbers, as `-alpha`", Number(minimum=0.001, maximum=1_000_000), 1.0
    )

    def torch(self, F, x):
        return F.celu(x, self.alpha)

    def onnx(self, op, x):
        if self.alpha <= 100:
            return op.Celu(x, alpha=self.alpha)

        def number(value: float) -> Any:
            return op.constant(value, "float32")

        # ONNX Runtime subtracts 1 from a number close to 1 and loses digits.
        # exp(z) - 1 = 2 t / (1 - t) with t = tanh(z / 2) does not.
        zero = number(0.0)
        t = op.Tanh(op.Mul(op.Min(x, zero), number(0.5 / self.alpha)))
        below = op.Div(op.Mul(t, number(2 * self.alpha)), op.Sub(number(1.0), t))
        return op.Add(op.Max(x, zero), below)

    examples = shapes(
        "celu",
        Example("celu(alpha=0.5)", "float[3]", "float[3]"),
        Example("celu(alpha=2)", "float[3]", "float[3]"),
        Example("celu(alpha=1_000_000)", "float[30]", "float[30]"),
        Example("celu(alpha=1000)", "float[30]", "float[30]", low=-9000, high=9000),
        Example("celu(alpha=0)", "float[3]", rejects="E0403"),
    )


class Gelu(Activation):
    """`x * P(X <= x)` for a standard normal X (torch `gelu`, ONNX `Gelu`, before opset 20 `Erf` or `Tanh`).

    `x / 2 * (1 + erf(x / sqrt(2)))`, or with `approximate=tanh` the formula
    `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x ** 3)))`.
    """

    initial = "he"

    approximate: Any = setting(
        "formula to use", OneOf(Nothing(), Keyword("tanh")), None, shown="the exact one"
    )

    def torch(self, F, x):
        return F.gelu(x, approximate=self.approximate or "none")

    def onnx(self, op, x):
        def number(value: float) -> Any:
            return op.constant(value, "float32")

        if op.opset >= 20:
            return op.Gelu(x, approximate=self.approximate)
        if self.approximate is None:
            gate = op.Erf(op.Div(x, number(sqrt(2))))
        else:
            square = op.Mul(x, x)
            inner = op.Add(number(1.0), op.Mul(number(0.044715), square))
            gate = op.Tanh(op.Mul(op.Mul(number(sqrt(2 / pi)), x), inner))
        # In this order ONNX Runtime computes the form with `Erf` in one kernel.
        return op.Mul(op.Mul(x, op.Add(gate, number(1.0))), number(0.5))

    examples = shapes(
        "gelu",
        Example("gelu(approximate=none)", "float[3]", "float[3]"),
        *shapes("gelu(approximate=tanh)"),
        Example("gelu(approximate=sigmoid)", "float[3]", rejects="E0403"),
    )


class Silu(Activation):
    """`x * sigmoid(x)` (torch `silu`, ONNX `Sigmoid` and `Mul`)."""

    initial = "he"

    def torch(self, F, x):
        return F.silu(x)

    def onnx(self, op, x):
        return op.Mul(x, op.Sigmoid(x))

    examples = shapes("silu")


class Swish(Silu):
    """Another name of `silu`: `x * sigmoid(x)`."""

    examples = shapes("swish")


class Mish(Activation):
    """`x * tanh(softplus(x))` (torch `mish`, ONNX `Softplus`, `Tanh` and `Mul`)."""

    initial = "he"

    def torch(self, F, x):
        return F.mish(x)

    def onnx(self, op, x):
        return op.Mul(x, op.Tanh(op.Softplus(x)))

    examples = shapes("mish")


class Softplus(Activation):
    """`log(1 + exp(x))`, computed without overflow (torch `softplus`, ONNX `Softplus`)."""

    def torch(self, F, x):
        return F.softplus(x)

    def onnx(self, op, x):
        return op.Softplus(x)

    examples = shapes("softplus")


class Softsign(Activation):
    """`x / (1 + abs(x))` (torch `softsign`, ONNX `Softsign`)."""

    saturates = True
    flat_at = (-1, 1)

    def torch(self, F, x):
        return F.softsign(x)

    def onnx(self, op, x):
        return op.Softsign(x)

    examples = shapes("softsign")


class HardSigmoid(Activation):
    """`min(max(x / 6 + 1 / 2, 0), 1)` (torch `hardsigmoid`, ONNX `HardSigmoid` with alpha 1/6)."""

    saturates = True
    flat_at = (0, 1)

    def torch(self, F, x):
        return F.hardsigmoid(x)

    def onnx(self, op, x):
        return op.HardSigmoid(x, alpha=1 / 6, beta=0.5)

    examples = shapes("hard_sigmoid")


class HardSwish(Activation):
    """`x * hard_sigmoid(x)` (torch `hardswish`, ONNX `HardSwish`)."""

    initial = "he"
    flat_at = (0, None)

    def torch(self, F, x):
        return F.hardswish(x)

    def onnx(self, op, x):
        return op.HardSwish(x)

    examples = shapes("hard_swish")


class Threshold(Activation):
    """1 where x >= 0, else 0: unit of McCulloch, Pitts and the perceptron (ONNX `GreaterOrEqual`, `Where`).

    Its gradient is 0 everywhere. Weights before it are trained only by a loss that takes its operand.
    """

    matches = "binary"

    def torch(self, F, x):
        # Unlike a comparison, this has a gradient, which is 0.
        return F.clamp(F.sign(F.nan_to_num(x, -1.0)) + 1, max=1)

    def onnx(self, op, x):
        reached = op.GreaterOrEqual(x, op.constant(0.0, "float32"))
        return op.Where(reached, op.constant(1.0, "float32"), op.constant(0.0, "float32"))

    def tolerance(self, np):
        return near_threshold(np, 0.0)

    examples = shapes("threshold", Example("threshold", "int8[8]", "float[8]"))
