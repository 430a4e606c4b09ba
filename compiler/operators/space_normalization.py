"""Normalization of each sample over its space axes, channels first."""

from __future__ import annotations

from typing import Any

from dlc.compiler.definitions.initializers import Ones, Zeros
from dlc.compiler.definitions.parameter_types import Integer, Number
from dlc.compiler.dims.dim import Size, divisors, number, product
from dlc.compiler.operators.base import Example, Operator, Reject, WeightSpec, setting
from dlc.compiler.operators.operands import onnx_reshape
from dlc.compiler.operators.padding import (
    APART,
    Fill,
    onnx_counts,
    onnx_zeroed,
    torch_counts,
    torch_zeroed,
)
from dlc.compiler.types import Tensor

LEAST = 2.0**-126  # the smallest normal number of float32


class _OverSpace(Operator, abstract=True):
    """Normalization of each sample over its space axes, with a known number of channels on axis 0."""

    group = "normalization"
    keeps = ("axes",)
    least = 1
    follows = True
    normalizes = True

    def type(self, x: Tensor) -> Tensor:
        if not 1 <= x.rank <= 4:
            raise Reject(f"`{self.name}` needs channels on axis 0 and at most three axes after it, found {x}",
                         at="x", help="" if x.rank else "`reshape` adds axes")  # fmt: skip
        if not isinstance(x.shape[0], int):
            raise Reject(f"`{self.name}` needs a known number of channels on axis 0, found {x}", at="x",
                         help="`transpose` moves the channels there")  # fmt: skip
        return x

    def padding_of(self, place, axis):
        return Fill(0, lengths=True)

    def grouped(self, groups: int) -> Tensor:
        """The type of the operand with an axis of groups before the channels of a group."""
        have = self.operands[0]
        return have.with_shape(groups, have.shape[0] // groups, *have.shape[1:])

    def torch_of_rows(self, F: Any, x: Any, groups: int, eps: float, lengths: Any) -> Any:
        """The normalization over the steps before the end of each row, whose padding is 0."""
        sizes, rank = [F.size(size) for size in self.grouped(groups).shape], self.operands[0].rank
        counts = torch_counts(F, self, range(1, rank), lengths, rank + 1) * sizes[1]
        axes = [*range(2, rank + 2)]
        deviation = x.unflatten(1, sizes[:2])
        deviation = deviation - deviation.sum(axes, True) / counts
        deviation = torch_zeroed(F, self, deviation.flatten(1, 2), lengths).unflatten(1, sizes[:2])
        variance = deviation.square().sum(axes, True) / counts
        return (deviation / (variance + eps).sqrt()).flatten(1, 2)

    def onnx_of_rows(self, op: Any, x: Any, groups: int, eps: float, lengths: Any) -> Any:
        have, grouped, rank = self.operands[0], self.grouped(groups), self.operands[0].rank
        axes, channels = op.constant([*range(2, rank + 2)], "int64"), number(grouped.shape[1])
        counts = onnx_counts(op, self, range(1, rank), lengths, rank + 1)
        counts = op.Mul(counts, op.constant(channels, "float32"))

        def mean(x: Any) -> Any:
            return op.Div(op.ReduceSum(x, axes, keepdims=1), counts)

        x = onnx_reshape(op, x, grouped)
        deviation = onnx_reshape(op, op.Sub(x, mean(x)), have)
        deviation = onnx_reshape(op, onnx_zeroed(op, self, deviation, lengths), grouped)
        root = op.Sqrt(op.Add(mean(op.Mul(deviation, deviation)), op.constant(eps, "float32")))
        return onnx_reshape(op, op.Div(deviation, root), have)


class Groupnorm(_OverSpace):
    """Normalization of each group of channels over the group and space (Wu and He 2018; torch `group_norm`,
    ONNX `InstanceNormalization`).

    `y = (x - mean) / sqrt(var + eps) * weight + bias`, mean and variance of one sample over the channels of
    the group and all space axes; weight and bias are per channel.
    """

    groups: int = setting("number of groups of channels", Integer(1))
    eps: float = setting("added to the variance", Number(minimum=0), 1e-5, usual=(1e-12, 0.1))

    def type(self, x: Tensor) -> Tensor:
        x = super().type(x)
        channels = x.shape[0]
        assert isinstance(channels, int)
        if channels % self.groups:
            raise Reject(f"{channels} channels cannot be divided into {self.groups} groups", at="groups",
                         code="E0404", help="possible numbers of groups are "
                                            f"{', '.join(map(str, divisors(channels)))}")  # fmt: skip
        need_several(self.name, x, product((channels // self.groups, *x.shape[1:])))
        return x

    def weights(self, x: Tensor):
        yield WeightSpec("weight", x.shape[:1], "norm", Ones())
        yield WeightSpec("bias", x.shape[:1], "norm", Zeros())

    def module(self, nn):
        return nn.GroupNorm(self.groups, self.operands[0].shape[0], eps=self.eps)

    def torch(self, F, x, weight, bias, lengths=None):
        if lengths is None:
            return F.group_norm(x, self.groups, weight, bias, self.eps)
        y = self.torch_of_rows(F, x, self.groups, self.eps, lengths)
        per_channel = [-1, *[1] * (self.operands[0].rank - 1)]
        return y * weight.reshape(per_channel) + bias.reshape(per_channel)

    def onnx(self, op, x, weight, bias, lengths=None):
        if lengths is None:
            y = self.onnx_groups(op, x)
        else:
            y = self.onnx_of_rows(op, x, self.groups, self.eps, lengths)
        per_channel = op.constant([-1, *[1] * (self.operands[0].rank - 1)], "int64")
        return op.Add(op.Mul(y, op.Reshape(weight, per_channel)), op.Reshape(bias, per_channel))

    def onnx_groups(self, op: Any, x: Any) -> Any:
        """The normalization of each group."""
        ones, zeros = (op.constant([value] * self.groups, "float32") for value in (1, 0))
        have = self.operands[0]
        size = product((have.shape[0] // self.groups, *have.shape[1:]))
        grouped = onnx_reshape(op, x, have.with_shape(self.groups, size))
        return onnx_reshape(op, op.InstanceNormalization(grouped, ones, zeros, epsilon=self.eps), have)

    examples = (
        Example("groupnorm(2)", "float[4]", "float[4]"),
        Example("groupnorm(2)", "float[4, 5]", "float[4, 5]"),
        Example("groupnorm(3)", "float[6, 4, 5]", "float[6, 4, 5]"),
        Example("groupnorm(1)", "float[3, 2, 4, 5]", "float[3, 2, 4, 5]"),
        Example("groupnorm(4)", "float[4, 5]", "float[4, 5]"),
        Example("groupnorm(2)", "float[4, H, W]", "float[4, H, W]"),
        Example("groupnorm(2, eps=0.1)", "float[4, T]", "float[4, T]"),
        Example("groupnorm(3)", "float[4, 5]", rejects="E0404"),
        Example("groupnorm(4)", "float[4]", rejects="E0201"),
        Example("groupnorm(2)", "float[T, 4]", rejects="E0201"),
        Example("groupnorm(2)", "float", rejects="E0201"),
        Example("groupnorm(0)", "float[4]", rejects="E0403"),
        Example("groupnorm(2, eps=-1)", "float[4]", rejects="E0403"),
    )


class Instancenorm(_OverSpace):
    """Normalization of each channel of a sample over space, without weights (Ulyanov et al. 2016;
    torch `instance_norm`, ONNX `InstanceNormalization`).

    `y = (x - mean) / sqrt(var + eps)`, mean and variance over the space axes. The result is 0 where all
    values are equal, even if `eps` is 0.
    """

    eps: float = setting("added to the variance", Number(minimum=0), 1e-5, usual=(1e-12, 0.1))

    def type(self, x: Tensor) -> Tensor:
        x = super().type(x)
        need_several(self.name, x, product(x.shape[1:]))
        return x

    def torch(self, F, x, lengths=None):
        if lengths is None:
            return F.instance_norm(x, eps=self.eps)
        return self.torch_of_rows(F, x, number(self.operands[0].shape[0]), max(self.eps, LEAST), lengths)

    def onnx(self, op, x, lengths=None):
        channels = number(self.operands[0].shape[0])
        if lengths is not None:
            return self.onnx_of_rows(op, x, channels, max(self.eps, LEAST), lengths)
        ones, zeros = (op.constant([value] * channels, "float32") for value in (1, 0))
        return op.InstanceNormalization(x, ones, zeros, epsilon=max(self.eps, LEAST))

    examples = (
        Example("instancenorm", "float[3, 5]", "float[3, 5]"),
        Example("instancenorm", "float[3, 4, 5]", "float[3, 4, 5]"),
        Example("instancenorm", "float[3, 2, 4, 5]", "float[3, 2, 4, 5]"),
        Example("instancenorm", "float[3, H, W]", "float[3, H, W]"),
        Example("instancenorm(eps=0.1)", "float[3, 5]", "float[3, 5]"),
        Example("instancenorm(0.1)", "uint8[1, 4, 4]", "float[1, 4, 4]", low=0, high=255),
        Example("instancenorm", "float[3]", rejects="E0201"),
        Example("instancenorm", "float[3, 1, 1]", rejects="E0201"),
        Example("instancenorm", "float[T, 3]", rejects="E0201"),
        Example("instancenorm(eps=-1)", "float[3, 5]", rejects="E0403"),
    )


class LocalResponseNorm(_OverSpace):
    """Each value normalized by `size` neighbouring channels at its position (Krizhevsky et al. 2012;
    torch `local_response_norm`, ONNX `AveragePool` and `Pow`, because the engines disagree about `LRN`).

    `y = x / (k + alpha / size * sum(x ** 2)) ** beta`, the sum over the `size // 2` channels before, the
    channel itself, and the `(size - 1) // 2` channels after it.
    """

    normalizes = False

    def padding_of(self, place, axis):
        return APART

    def least_along(self, place, axis):
        return self.least

    size: int = setting("number of channels in the sum", Integer(1))
    alpha: float = setting("factor of the sum of squares", Number(minimum=0), 1e-4)
    beta: float = setting("exponent", Number(), 0.75)
    k: float = setting("added to the sum", Number(above=0), 1.0)

    def flat(self) -> tuple[Size, Size]:
        """The shape of a sample with its space axes flattened to one."""
        channels, *space = self.operands[0].shape
        return channels, product(space)

    def torch(self, F, x):
        flat = F.reshape(x, (F.batch, *map(F.size, self.flat())))
        return F.local_response_norm(flat, self.size, self.alpha, self.beta, self.k).reshape_as(x)

    def onnx(self, op, x):
        have = self.operands[0]
        squares = onnx_reshape(op, op.Mul(x, x), have.with_shape(1, *self.flat()))
        pads = [self.size // 2, 0, (self.size - 1) // 2, 0]
        mean = op.AveragePool(squares, kernel_shape=[self.size, 1], pads=pads, count_include_pad=1)
        alpha, beta, k = (op.constant(value, "float32") for value in (self.alpha, self.beta, self.k))
        divisor = op.Pow(op.Add(op.Mul(mean, alpha), k), beta)
        return op.Div(x, onnx_reshape(op, divisor, have))

    examples = (
        Example("local_response_norm(5)", "float[8, 4, 5]", "float[8, 4, 5]"),
        Example("local_response_norm(3)", "float[4]", "float[4]"),
        Example("local_response_norm(3, alpha=2)", "float[6, 5]", "float[6, 5]"),
        Example("local_response_norm(3, 1, 0.5, 2)", "float[4, 2, 3, 2]", "float[4, 2, 3, 2]"),
        Example("local_response_norm(9, alpha=1, beta=2, k=0.5)", "float[4, H, W]", "float[4, H, W]"),
        Example("local_response_norm(1, alpha=1)", "uint8[3, 4, 4]", "float[3, 4, 4]", low=0, high=255),
        Example("local_response_norm(4, alpha=1)", "float[8, 4, 5]", "float[8, 4, 5]"),
        Example("local_response_norm(3)", "float[C, 4, 5]", rejects="E0201"),
        Example("local_response_norm(3)", "float", rejects="E0201"),
        Example("local_response_norm(0)", "float[4]", rejects="E0403"),
        Example("local_response_norm(3, k=0)", "float[4]", rejects="E0403"),
    )


def need_several(name: str, x: Tensor, count: Size) -> None:
    if count == 1:
        raise Reject(f"`{name}` would normalize each value of {x} by itself, so that every result is 0",
                     at="x", help="`layernorm` normalizes over the features of a vector")  # fmt: skip
