"""Normalization to mean 0 and variance 1, then a trained scale and offset."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from dlc.compiler.definitions.initializers import Ones, Zeros
from dlc.compiler.definitions.parameter_types import Integer, Number
from dlc.compiler.dims.dim import Size, has_free
from dlc.compiler.operators.base import Example, Operator, Reject, WeightSpec, setting
from dlc.compiler.operators.operands import sample_axis
from dlc.compiler.operators.padding import APART, LENGTHS, Fill, torch_within
from dlc.compiler.types import Tensor


class _OverBatch(Operator, abstract=True):
    keeps = ("axes",)
    follows = True
    normalizes = True

    momentum: float = setting(
        "share of the batch in the running statistics", Number(minimum=0, maximum=1), 0.1
    )
    eps: float = setting("added to the variance", Number(above=0), 1e-5, usual=(1e-12, 0.1))

    def type(self, x: Tensor) -> Tensor:
        if not 1 <= x.rank <= 4:
            raise Reject("`batchnorm` needs features or channels on axis 0 and at most three axes "
                         f"after it, found {x}", at="x",
                         help="" if x.rank
                              else "`reshape(1)` turns a single value into one feature")  # fmt: skip
        if has_free(x.shape[0]):
            raise Reject(f"`batchnorm` needs a known number of features or channels on axis 0, found {x}",
                         at="x",
                         help="`layernorm` normalizes over the last axis, for any length")  # fmt: skip
        return x

    def weights(self, x: Tensor):
        shape = x.shape[:1]
        yield WeightSpec("weight", shape, "norm", Ones())
        yield WeightSpec("bias", shape, "norm", Zeros())
        yield WeightSpec("running_mean", shape, "statistic", Zeros())
        yield WeightSpec("running_var", shape, "statistic", Ones())


class Batchnorm(_OverBatch):
    """Normalization of each channel over batch and space (torch `batch_norm`, ONNX `BatchNormalization`).

    `y = (x - mean) / sqrt(var + eps) * weight + bias`, the channel on axis 0. In training, mean and variance
    are those of the batch, and the running statistics are updated:
    `running = (1 - momentum) * running + momentum * batch` (the running variance divides by n - 1). At
    inference the running statistics are used.
    """

    needs_many_rows = True

    def padding_of(self, place, axis):
        return LENGTHS

    def torch(self, F, x, weight, bias, running_mean, running_var, lengths=None):
        if lengths is not None:
            sizes = map(F.size, self.operands[0].shape[1:])
            valid = F.expand(torch_within(F, self, lengths).squeeze(1), F.batch, *sizes)
            last = x.movedim(1, -1)
            given = self.torch(F, last[valid], weight, bias, running_mean, running_var)
            return last.masked_scatter(valid.unsqueeze(-1), given).movedim(-1, 1)
        return F.batch_norm(x, running_mean, running_var, weight, bias, True, self.momentum, self.eps)

    def module(self, nn):
        x = self.operands[0]
        if x.rank == 2:
            return nn.BatchNorm1d(x.shape[0], eps=self.eps, momentum=self.momentum)
        module = (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[x.rank - 1]
        return module(x.shape[0], eps=self.eps, momentum=self.momentum)

    def inference(self) -> Operator:
        return BatchnormInference(**self.values())

    def without_updates(self) -> Operator:
        return BatchnormWithoutUpdates(**self.values())

    examples = (
        Example("batchnorm", "float[3]", "float[3]"),
        Example("batchnorm", "float[3, 5]", "float[3, 5]"),
        Example("batchnorm", "float[3, 4, 5]", "float[3, 4, 5]"),
        Example("batchnorm", "float[3, 2, 4, 5]", "float[3, 2, 4, 5]"),
        Example("batchnorm", "float[3, T]", "float[3, T]"),
        Example("batchnorm", "float[3, H, W]", "float[3, H, W]"),
        Example("batchnorm(momentum=0.5, eps=0.1)", "float[3, 4, 5]", "float[3, 4, 5]"),
        Example("batchnorm(0.5, 0.1)", "float[3]", "float[3]"),
        Example("batchnorm", "float", rejects="E0201"),
        Example("batchnorm", "float[T, 3]", rejects="E0201"),
        Example("batchnorm", "float[2, 2, 2, 2, 2]", rejects="E0201"),
        Example("batchnorm(momentum=2)", "float[3]", rejects="E0403"),
        Example("batchnorm(eps=0)", "float[3]", rejects="E0403"),
    )


class BatchnormWithoutUpdates(Batchnorm):
    """`batchnorm` with the statistics of the batch, in a step that does not train its net."""

    public = False
    usage = ""
    examples = ()

    def torch(self, F, x, weight, bias, running_mean, running_var, lengths=None):
        return super().torch(F, x, weight, bias, None, None, lengths)


class BatchnormInference(_OverBatch):
    """`batchnorm` with its running statistics:
    `y = (x - running_mean) / sqrt(running_var + eps) * weight + bias`."""

    elementwise = True
    public = False

    def scale_and_offset(self, np, weight, bias, running_mean, running_var):
        scale = weight.astype(np.float64) / np.sqrt(running_var.astype(np.float64) + self.eps)
        return scale, bias - running_mean * scale

    def torch(self, F, x, weight, bias, running_mean, running_var):
        return F.batch_norm(x, running_mean, running_var, weight, bias, False, self.momentum, self.eps)

    def onnx(self, op, x, weight, bias, running_mean, running_var):
        return op.BatchNormalization(x, weight, bias, running_mean, running_var, epsilon=self.eps)


class _AxisNormalization(Operator, abstract=True):
    """Normalization of each sample over one axis, which is transposed to the end if it is not the last."""

    keeps = ("axes",)
    follows = True
    normalizes = True

    def padding_of(self, place, axis):
        return APART if self.eps else Fill("last")  # without `eps`, equal numbers are divided by 0

    eps: float = setting(
        "added to the divisor, under the square root", Number(minimum=0), 1e-5, usual=(1e-12, 0.1)
    )
    axis: int = setting("axis to normalize over", Integer(), -1)

    def type(self, x: Tensor) -> Tensor:
        sample_axis(x, self.axis)
        if has_free(self.size(x)):
            raise Reject(f"`{self.name}` has weights along its axis, which must have a known size; axis "
                         f"{self.axis} of {x} is free", at="x",
                         help="set `axis` to the axis of the features")  # fmt: skip
        return x

    def size(self, x: Tensor) -> Size:
        return x.shape[self.axis]

    def weights(self, x: Tensor):
        yield WeightSpec("weight", (self.size(x),), "norm", Ones())

    def over_last(self) -> bool:
        return self.axis % self.operands[0].rank == self.operands[0].rank - 1

    def torch(self, F, x, **weights):
        if self.over_last():
            return self.torch_last(F, x, **weights)
        axis = self.operands[0].axis(self.axis)
        return F.transpose(self.torch_last(F, F.transpose(x, axis, -1), **weights), axis, -1)

    def onnx(self, op, x, **weights):
        if self.over_last():
            return self.onnx_last(op, x, **weights)
        swap = list(range(self.operands[0].rank + 1))
        axis = self.operands[0].axis(self.axis)
        swap[axis], swap[-1] = swap[-1], swap[axis]
        return op.Transpose(self.onnx_last(op, op.Transpose(x, perm=swap), **weights), perm=swap)

    @abstractmethod
    def torch_last(self, F: Any, x: Any, **weights: Any) -> Any:
        """The normalization over the last axis in PyTorch."""
        raise NotImplementedError

    @abstractmethod
    def onnx_last(self, op: Any, x: Any, **weights: Any) -> Any:
        """The normalization over the last axis in ONNX."""
        raise NotImplementedError


def over_axis(name: str) -> tuple[Example, ...]:
    return (
        Example(name, "float[4]", "float[4]"),
        Example(name, "float[5, 4]", "float[5, 4]"),
        Example(name, "float[T, 4]", "float[T, 4]"),
        Example(f"{name}(eps=0.1)", "float[2, 3, 4]", "float[2, 3, 4]"),
        Example(f"{name}(axis=0)", "float[3, 4, 5]", "float[3, 4, 5]"),
        Example(f"{name}(0.1, -2)", "float[4, T]", "float[4, T]"),
        Example(f"{name}(axis=1)", "float[2, 3]", "float[2, 3]"),
        Example(f"{name}(axis=0)", "float[4]", "float[4]"),
        Example(name, "float", rejects="E0201"),
        Example(f"{name}(axis=2)", "float[3, 4]", rejects="E0201"),
        Example(name, "float[4, T]", rejects="E0201"),
        Example(f"{name}(eps=-1)", "float[4]", rejects="E0403"),
    )


class Layernorm(_AxisNormalization):
    """Normalization of each sample over one axis (torch `layer_norm`, ONNX `LayerNormalization`).

    `y = (x - mean) / sqrt(var + eps) * weight + bias`, mean and variance over the axis.
    """

    def weights(self, x: Tensor):
        yield from super().weights(x)
        yield WeightSpec("bias", (self.size(x),), "norm", Zeros())

    def module(self, nn):
        return nn.LayerNorm(self.size(self.operands[0]), eps=self.eps) if self.over_last() else None

    def torch_last(self, F, x, weight, bias):
        return F.layer_norm(x, (F.size(self.size(self.operands[0])),), weight, bias, self.eps)

    def onnx_last(self, op, x, weight, bias):
        return op.LayerNormalization(x, weight, bias, axis=-1, epsilon=self.eps)

    examples = over_axis("layernorm")


class Rmsnorm(_AxisNormalization):
    """Values divided by their root mean square (Zhang and Sennrich 2019; torch `rms_norm`, ONNX
    `RMSNormalization`, before opset 23 `ReduceMean`, `Sqrt` and `Div`).

    `y = x / sqrt(mean(x ** 2) + eps) * weight`, the mean over the axis.
    """

    def module(self, nn):
        return nn.RMSNorm(self.size(self.operands[0]), self.eps) if self.over_last() else None

    def torch_last(self, F, x, weight):
        return F.rms_norm(x, (F.size(self.size(self.operands[0])),), weight, self.eps)

    def onnx_last(self, op, x, weight):
        if op.opset >= 23:
            return op.RMSNormalization(x, weight, axis=-1, epsilon=self.eps)
        last = op.constant([self.operands[0].rank], "int64")
        # ONNX Runtime computes this form in one kernel, and the one with `Mul(x, x)` in six.
        square = op.ReduceMean(op.Pow(x, op.constant(2.0, "float32")), last, keepdims=1)
        root = op.Sqrt(op.Add(square, op.constant(self.eps, "float32")))
        return op.Mul(op.Div(x, root), weight)

    examples = over_axis("rmsnorm")
