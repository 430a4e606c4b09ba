"""Layers: operators with their own weights."""

from __future__ import annotations

from typing import Any

from dlc.compiler.definitions.initializers import Zeros
from dlc.compiler.definitions.parameter_types import Boolean, ConstantTensors, Integer, MemberOf, OneOf
from dlc.compiler.definitions.tensor_parameter_types import WeightTensor
from dlc.compiler.dims.dim import Size, has_free, product
from dlc.compiler.operators.base import Example, Operator, Reject, WeightSpec, setting
from dlc.compiler.operators.operands import onnx_reshape, onnx_rows
from dlc.compiler.operators.sliding_window import need_known
from dlc.compiler.types import Tensor


class Layer(Operator, abstract=True):
    linear = True

    init: Any = setting(
        "initial values of `weight`",
        MemberOf("initial", "a name such as `he_normal`, or `normal(0.02)`"),
        None,
        keyword=True,
        shown="auto",
    )
    weight: Any = setting(
        "constant or declared weight to use in place of an own one",
        OneOf(WeightTensor(), ConstantTensors()),
        None,
        keyword=True,
        shown="own",
    )

    def features_first(self) -> bool:
        return True

    def scaled(self, np: Any, weights: dict[str, Any], scale: Any, offset: Any) -> dict[str, Any]:
        bias = np.asarray(weights.get("bias", 0), np.float64) * scale + offset
        return {
            "weight": self.scaled_weight(np.asarray(weights["weight"], np.float32), scale.astype(np.float32)),
            "bias": bias.astype(np.float32),
        }

    def scaled_weight(self, weight: Any, scale: Any) -> Any:
        """The weight scaled per feature. Features are on its first axis, unless a layer overrides this."""
        return weight * scale.reshape(-1, *[1] * (weight.ndim - 1))


def bias_setting() -> Any:
    return setting(
        "whether to add a trained offset; or a constant or declared weight to add",
        OneOf(Boolean(), WeightTensor(), ConstantTensors()),
        True,
    )


class Dense(Layer):
    """Affine map over the last axis: `y = x W^T + b` (torch `linear`, ONNX `Gemm`).

    The other axes are unchanged. A single value per sample counts as one feature.
    """

    elementwise = True
    units: Size = setting("size of the last axis of the result", Integer(1, symbolic=True))
    bias: Any = bias_setting()

    def type(self, x: Tensor) -> Tensor:
        need_known(self.units, "units")
        if x.rank == 0:
            return x.with_shape(self.units)
        if has_free(x.shape[-1]):
            raise Reject(f"`dense` needs a last axis of known size, found {x}", at="x",
                         help="move the free dimension to the front, or reduce it first: "
                              "`mean(axis=-1)`")  # fmt: skip
        return x.with_axis(-1, self.units)

    def weights(self, x: Tensor):
        features = x.shape[-1] if x.rank else 1
        yield WeightSpec("weight", (self.units, features), initial=self.init, fans=(features, self.units))
        if self.bias is not False:
            yield WeightSpec("bias", (self.units,), "bias", Zeros())

    def features_first(self) -> bool:
        return self.results[0].rank == 1

    def multiply_adds(self) -> Size:
        return product(self.results[0].shape) * (self.operands[0].shape[-1] if self.operands[0].rank else 1)

    def module(self, nn):
        x = self.operands[0]
        return nn.Linear(x.shape[-1], self.units, bias=self.bias) if x.rank else None

    def torch(self, F, x, weight, bias=None):
        if self.operands[0].rank == 0:
            x = F.unsqueeze(x, -1)
        return F.linear(x, weight, bias)

    def onnx(self, op, x, weight, bias=None):
        have = self.operands[0]
        if have.rank == 0:
            x = op.Unsqueeze(x, op.constant([-1], "int64"))
        if have.rank > 1:
            x = onnx_rows(op, x, have)
        y = op.Gemm(x, weight, bias, transB=1)
        return onnx_reshape(op, y, self.results[0], batch=-1) if have.rank > 1 else y

    examples = (
        Example("dense(3)", "float[4]", "float[3]"),
        Example("dense(3)", "float", "float[3]"),
        Example("dense(3)", "uint8[4]", "float[3]", low=0, high=255),
        Example("dense(3, bias=false)", "float[4]", "float[3]"),
        Example("dense(3, bias=false)", "float[5, 4]", "float[5, 3]"),
        Example("dense(3)", "float[T, 4]", "float[T, 3]"),
        Example("dense(3)", "float[H, W, 2, 4]", "float[H, W, 2, 3]"),
        Example("dense(3, init=he_uniform)", "float[4]", "float[3]"),
        Example("dense(1, weight=[[1, 1]], bias=[-1.5])", "float[2]", "float[1]"),
        Example("dense(1, [-1.5], weight=[[1, 1]])", "float[T, 2]", "float[T, 1]"),
        Example("dense(3)", "float[4, T]", rejects="E0201"),
        Example("dense(T)", "float[T, 4]", rejects="E0403"),
        Example("dense(0)", "float[4]", rejects="E0403"),
    )
