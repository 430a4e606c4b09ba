"""Activations: functions of every element, and those over one axis."""

from __future__ import annotations

from dlc.compiler.operators.base import Example, Operator
from dlc.compiler.types import Tensor


class Activation(Operator):
    batchless = True

    def type(self, x: Tensor) -> Tensor:
        return x


class Relu(Activation):
    """`max(x, 0)` (torch `relu`, ONNX `Relu`)."""

    def torch(self, F, x):
        return F.relu(x)

    def onnx(self, op, x):
        return op.Relu(x)

    examples = (Example("relu", "float[3]", "float[3]"), Example("relu", "float[T, 4]", "float[T, 4]"))
