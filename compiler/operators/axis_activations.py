"""Activations over one axis."""

from __future__ import annotations

from dlc.compiler.definitions.parameter_types import Integer
from dlc.compiler.operators.activations import Activation
from dlc.compiler.operators.base import Example, Reject, setting
from dlc.compiler.operators.operands import sample_axis
from dlc.compiler.operators.padding import APART, Fill
from dlc.compiler.types import Tensor


class _AxisActivation(Activation, abstract=True):
    axis: int = setting("axis along which the result sums to 1", Integer(), -1)

    def type(self, x: Tensor) -> Tensor:
        if not x.rank:
            raise Reject(f"`{self.name}` works over an axis, and a single value, {x}, has none", at="x",
                         help="`sigmoid` turns a single score into a probability")  # fmt: skip
        sample_axis(x, self.axis)
        return x

    elementwise = False

    def padding_of(self, place, axis):
        return Fill("lowest") if axis == self.axis % self.operands[0].rank else APART

    def tensor_axis(self) -> int:
        return self.operands[0].axis(self.axis)


def over_axis(name: str) -> tuple[Example, ...]:
    return (
        Example(name, "float[4]", "float[4]"),
        Example(name, "float[T]", "float[T]"),
        Example(name, "float[T, 4]", "float[T, 4]"),
        Example(f"{name}(axis=0)", "float[3, H, W]", "float[3, H, W]"),
        Example(f"{name}(-2)", "float[2, 3, 4]", "float[2, 3, 4]"),
        Example(name, "float", rejects="E0201"),
        Example(f"{name}(axis=1)", "float[4]", rejects="E0201"),
        Example(f"{name}(axis=-2)", "float[4]", rejects="E0201"),
    )


class Softmax(_AxisActivation):
    """`exp(x) / sum(exp(x))` over one axis (torch `softmax`, ONNX `Softmax`)."""

    matches = "class"

    def sums_to_one(self, x):
        return self.axis % x.rank

    def torch(self, F, x):
        return F.softmax(x, self.tensor_axis())

    def onnx(self, op, x):
        return op.Softmax(x, axis=self.tensor_axis())

    examples = (*over_axis("softmax"), Example("softmax", "float[4]", "float[4]", low=-200, high=200))


class LogSoftmax(_AxisActivation):
    """`x - log(sum(exp(x)))` over one axis (torch `log_softmax`, ONNX `LogSoftmax`)."""

    def torch(self, F, x):
        return F.log_softmax(x, self.tensor_axis())

    def onnx(self, op, x):
        return op.LogSoftmax(x, axis=self.tensor_axis())

    examples = over_axis("log_softmax")


class Glu(Activation):
    """`a * sigmoid(b)`, where a, b are the halves of the last axis (torch `glu`, ONNX `Split`, `Sigmoid`,
    `Mul`)."""

    elementwise = False

    def padding_of(self, place, axis):
        if axis == self.operands[0].rank - 1:
            raise Reject("the second half of `glu` would begin in the padding", at=place)
        return APART

    def type(self, x: Tensor) -> Tensor:
        if not x.rank or x.shape[-1] % 2 != 0:
            raise Reject(f"`glu` halves the last axis, which must be of even size, found {x}", at="x",
                         help="put a `dense` of twice the wanted size before it")  # fmt: skip
        return x.with_axis(-1, x.shape[-1] // 2)

    def torch(self, F, x):
        return F.glu(x, -1)

    def onnx(self, op, x):
        a, b = op.Split(x, axis=-1, num_outputs=2, outputs=2)
        return op.Mul(a, op.Sigmoid(b))

    examples = (
        Example("glu", "float[4]", "float[2]"),
        Example("glu", "float[5, 4]", "float[5, 2]"),
        Example("glu", "float[T, 6]", "float[T, 3]"),
        Example("glu", "float[3, 2 * T]", "float[3, T]"),
        Example("glu", "float[2, 3, 4]", "float[2, 3, 2]"),
        Example("glu", "float[3]", rejects="E0201"),
        Example("glu", "float[4, T]", rejects="E0201"),
        Example("glu", "float", rejects="E0201"),
    )
