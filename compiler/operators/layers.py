"""Layers: operators with weights of their own."""

from __future__ import annotations

from typing import Any

from dlc.compiler.dims import Size
from dlc.compiler.initial import Zeros
from dlc.compiler.kinds import Constant, Defined, Flag, OneOf, TensorValue, Whole
from dlc.compiler.operators.base import Example, Operator, Reject, WeightSpec, setting
from dlc.compiler.types import Tensor


class Layer(Operator):
    init: Any = setting("initial values of `weight`", Defined("initial"), None, keyword=True, shown="auto")
    weight: Any = setting(
        "constant or declared weight in place of an own one",
        OneOf(TensorValue(), Constant()),
        None,
        keyword=True,
        shown="own",
    )


class Dense(Layer):
    """Affine map over the last axis: `y = x W^T + b` (torch `linear`, ONNX `Gemm` or `MatMul` and `Add`).

    The other axes pass through unchanged.
    """

    units: Size = setting("size of the last axis of the result", Whole(1, symbolic=True))
    bias: Any = setting(
        "add a learnt offset; or a constant or declared weight to add",
        OneOf(Flag(), TensorValue(), Constant()),
        True,
    )

    def type(self, x: Tensor) -> Tensor:
        if x.rank == 0:
            x = x.with_shape(1)
        if not isinstance(x.shape[-1], int) and not x.shape[-1].is_count:
            raise Reject(f"`dense` needs a last axis of known size, found {x}", at="x",
                         help="move the free dimension to the front, or reduce it first: `mean(axis=0)`")  # fmt: skip
        return x.with_axis(-1, self.units)

    def weights(self, x: Tensor):
        features = x.shape[-1] if x.rank else 1
        yield WeightSpec("weight", (self.units, features), initial=self.init, fans=(features, self.units))
        if self.bias is not False:
            yield WeightSpec("bias", (self.units,), "bias", Zeros())

    def torch(self, F, x, weight, bias=None):
        if self.operands[0].rank == 0:
            x = F.unsqueeze(x, -1)
        return F.linear(x, weight, bias)

    def onnx(self, op, x, weight, bias=None):
        if self.operands[0].rank == 0:
            x = op.Unsqueeze(x, op.constant([-1], "int64"))
        if self.operands[0].rank <= 1:
            return op.Gemm(x, weight, *([] if bias is None else [bias]), transB=1)
        y = op.MatMul(x, op.transposed(weight))
        return y if bias is None else op.Add(y, bias)

    examples = (
        Example("dense(3)", "float[4]", "float[3]"),
        Example("dense(3, bias=false)", "float[5, 4]", "float[5, 3]"),
        Example("dense(3)", "float[T, 4]", "float[T, 3]"),
        Example("dense(1, weight=[[1, 1]], bias=[-1.5])", "float[2]", "float[1]"),
        Example("dense(3)", "float[4, T]", rejects="E0201"),
        Example("dense(0)", "float[4]", rejects="E0403"),
    )
