"""Operators that draw random numbers in training. At inference they return their operand or the mean."""

from __future__ import annotations

from dlc.compiler.definitions.parameter_types import Number
from dlc.compiler.operators.activations import Identity, shapes
from dlc.compiler.operators.base import Example, Operator, Reject, setting
from dlc.compiler.operators.operands import broadcast
from dlc.compiler.types import Tensor


class Stochastic(Operator, abstract=True):
    """Draws random numbers in training; the identity at inference."""

    elementwise = True
    group = "regularization"
    keeps = ("axes",)
    batchless = True
    random = True
    follows = True

    def type(self, x: Tensor) -> Tensor:
        return x

    def inference(self) -> Operator:
        return Identity()


class Dropout(Stochastic):
    """In training each value is 0 with probability `rate`, else `x / (1 - rate)` (torch `dropout`).

    At inference the identity.
    """

    rate: float = setting("share of values that are dropped", Number(minimum=0, below=1), usual=(0, 0.8))

    def drops(self) -> bool:
        return self.rate > 0

    def module(self, nn):
        return nn.Dropout(self.rate)

    def torch(self, F, x):
        return F.dropout(x, self.rate, True)

    examples = shapes(
        "dropout(0.3)",
        Example("dropout(0)", "float[3]", "float[3]"),
        Example("dropout(rate=0.5)", "uint8[3]", "float[3]", low=0, high=255),
        Example("dropout(1)", "float[3]", rejects="E0403"),
        Example("dropout(-0.1)", "float[3]", rejects="E0403"),
    )


class ChannelDropout(Stochastic):
    """In training each channel, on axis 0, is 0 with probability `rate`, else `x / (1 - rate)`
    (torch `dropout1d` to `dropout3d`).

    At inference the identity.
    """

    batchless = False
    rate: float = setting("share of channels that are dropped", Number(minimum=0, below=1), usual=(0, 0.8))

    def type(self, x: Tensor) -> Tensor:
        if not x.rank:
            raise Reject(f"`{self.name}` drops channels, on axis 0, and a single value, {x}, has none",
                         at="x", help="`dropout` drops single values")  # fmt: skip
        return x

    def drops(self) -> bool:
        return self.rate > 0

    def module(self, nn):
        modules = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
        rank = self.operands[0].rank
        return modules[rank - 1](self.rate) if rank <= len(modules) else None

    def torch(self, F, x):
        return F.feature_dropout(x, self.rate, True)

    examples = (
        Example("channel_dropout(0.3)", "float[3]", "float[3]"),
        Example("channel_dropout(0.3)", "float[T, 4]", "float[T, 4]"),
        Example("channel_dropout(0.3)", "float[3, H, W]", "float[3, H, W]"),
        Example("channel_dropout(0.3)", "float[2, 2, 3, 2]", "float[2, 2, 3, 2]"),
        Example("channel_dropout(0.3)", "float[2, 2, 2, 1, 2]", "float[2, 2, 2, 1, 2]"),
        Example("channel_dropout(0)", "float[3, 4]", "float[3, 4]"),
        Example("channel_dropout(rate=0.5)", "uint8[3, 4]", "float[3, 4]", low=0, high=255),
        Example("channel_dropout(0.5)", "float", rejects="E0201"),
        Example("channel_dropout(1)", "float[3, 4]", rejects="E0403"),
        Example("channel_dropout(-0.1)", "float[3, 4]", rejects="E0403"),
    )


class DropPath(Stochastic):
    """In training each sample of the batch is 0 with probability `rate`, else `x / (1 - rate)`
    (torchvision `stochastic_depth`).

    It belongs at the end of a residual branch, which it leaves out for some samples (Huang et al., Deep
    Networks with Stochastic Depth, 2016). At inference the identity.
    """

    batchless = False
    rate: float = setting("share of samples that are dropped", Number(minimum=0, below=1), usual=(0, 0.8))

    def drops(self) -> bool:
        return self.rate > 0

    def torch(self, F, x):
        kept = F.uniform(x, *[1] * self.operands[0].rank) >= self.rate
        return x * kept.type_as(x) / (1 - self.rate)

    examples = shapes(
        "drop_path(0.3)",
        Example("drop_path(0)", "float[3]", "float[3]"),
        Example("drop_path(rate=0.5)", "uint8[3]", "float[3]", low=0, high=255),
        Example("drop_path(1)", "float[3]", rejects="E0403"),
        Example("drop_path(-0.1)", "float[3]", rejects="E0403"),
    )


class GaussianNoise(Stochastic):
    """In training `x + stddev * n`, with n from the standard normal distribution (torch `randn_like`).

    At inference the identity.
    """

    stddev: float = setting("standard deviation of the noise", Number(minimum=0))

    def torch(self, F, x):
        return x + self.stddev * F.randn_like(x)

    examples = shapes(
        "gaussian_noise(0.3)",
        Example("gaussian_noise(stddev=0.5)", "uint8[3]", "float[3]", low=0, high=255),
        Example("gaussian_noise(-1)", "float[3]", rejects="E0403"),
    )


class Bernoulli(Stochastic):
    """In training 1 with probability `x`, else 0 (torch `bernoulli`).

    At inference the mean, which is `x` itself. No gradient flows back through the draw.
    """

    def torch(self, F, x):
        return (F.rand_like(x) < x).type_as(x)

    examples = shapes("bernoulli", Example("bernoulli", "bool[3]", "float[3]"))


class SampleNormal(Operator):
    """In training `mean + stddev * n`, with n from the standard normal distribution (torch `normal`).

    At inference the mean. Gradients flow into both operands (Kingma and Welling, Auto-Encoding Variational
    Bayes, 2013). If both operands have no batch axis, such as declared weights, n is drawn once per batch.
    """

    elementwise = True
    group = "regularization"
    keeps = ("axes",)
    batchless = True
    broadcasts = True
    random = True

    def type(self, mean: Tensor, stddev: Tensor) -> Tensor:
        shape = broadcast((mean, stddev), "sampled")
        return Tensor("float", shape, batched=mean.batched or stddev.batched)

    def torch(self, F, mean, stddev):
        if self.operands[0].with_element("float") != self.operands[1].with_element("float"):
            mean, stddev = F.broadcast_tensors(mean, stddev)
        return mean + stddev * F.randn_like(mean)

    def inference(self) -> Operator:
        return Identity() if self.results == self.operands[:1] else Alike()

    examples = (
        Example("sample_normal", ("float[3]", "float[3]"), "float[3]"),
        Example("sample_normal", ("float[3, H, W]", "float[3, 1, 1]"), "float[3, H, W]"),
        Example("sample_normal", ("float", "float[T, 4]"), "float[T, 4]"),
        Example("sample_normal(0.1)", "float[3]", "float[3]"),
        Example("sample_normal", ("float[3]", "float[4]"), rejects="E0203"),
        Example("sample_normal", ("float[T]", "float[T + 1]"), rejects="E0204"),
    )


class Alike(Operator):
    """The first of two tensors, broadcast to the shape of both (torch `broadcast_tensors`, ONNX `Expand`)."""

    elementwise = True
    public = False
    batchless = True
    broadcasts = True

    def type(self, x: Tensor, like: Tensor) -> Tensor:
        return Tensor("float", broadcast((x, like), "broadcast"), batched=x.batched or like.batched)

    def torch(self, F, x, like):
        return F.broadcast_tensors(x, like)[0]

    def onnx(self, op, x, like):
        return op.Expand(x, op.Shape(like))
