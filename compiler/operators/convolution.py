"""Convolutions over one to three space axes, channels first."""

from __future__ import annotations

from abc import abstractmethod
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.initializers import Zeros
from dlc.compiler.definitions.parameter_types import Integer, Keyword, OneOf, PerAxis
from dlc.compiler.dims.dim import Size, has_free, product
from dlc.compiler.operators.base import Example, Reject, WeightSpec, per_axis, setting
from dlc.compiler.operators.layers import Layer, bias_setting
from dlc.compiler.operators.padding import (
    APART,
    Fill,
    onnx_column,
    onnx_places,
    onnx_take,
    torch_take,
)
from dlc.compiler.operators.recent_steps import alone, over_windows
from dlc.compiler.operators.sliding_window import (
    Pads,
    are_even,
    extents,
    need_known,
    need_space,
    no_pads,
    onnx_pads,
    pad_onnx,
    pad_torch,
    same_pads,
    slide,
)
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator

ONE_OR_MORE = PerAxis(Integer(1))
ZERO_OR_MORE = PerAxis(Integer(0))


class _Convolution(Layer, abstract=True):
    """The base of both convolutions. `axes` expands a setting such as `kernel` to one number per axis."""

    spatial = True
    least = 1
    channels: Any
    groups: Any
    bias: Any

    @abstractmethod
    def windows(self) -> Tensor:
        """The tensor with one position per window: the result, or the operand of a transpose."""
        raise NotImplementedError

    def axes(self, setting: str) -> tuple[int, ...]:
        return per_axis(getattr(self, setting), self.operands[0].rank - 1, setting)

    def padding_of(self, place, axis):
        return Fill(0) if axis else APART

    def need_groups(self, x: Tensor) -> None:
        for what, count in (("input", x.shape[0]), ("result", self.channels)):
            if count % self.groups != 0:
                raise Reject(f"{self.groups} groups need a number of channels that is divisible by "
                             f"{self.groups}; the {what} has {count}", at="groups", code="E0404")  # fmt: skip

    def multiply_adds(self) -> Size:
        """Per sample: one kernel per window, for each pair of connected channels."""
        channels_in, channels_out = self.operands[0].shape[0] // self.groups, self.channels
        return product([*self.windows().shape[1:], channels_in, channels_out, *self.axes("kernel")])

    def bias_spec(self):
        if self.bias is not False:
            yield WeightSpec("bias", (self.channels,), "bias", Zeros())


class Conv(_Convolution):
    """Convolution over one to three space axes, channels first (torch `conv1d` to `conv3d`, ONNX `Conv`).

    `y[o] = b[o] + sum over i of w[o, i] * x[i]`, where `*` is the cross-correlation. The space axes of the
    result are `(size + pads - dilation * (kernel - 1) - 1) // stride + 1`. `padding=same` gives
    `ceil(size / stride)`; an odd pad has the extra zero at the end. `padding=causal` pads the time axis of
    `[channels, time]` at the start only.
    """

    adjusts = MappingProxyType({"padding": ("same", 0, 1, 2, 3)})
    channels: Size = setting("channels of the result", Integer(1, symbolic=True))
    kernel: Any = setting("size of the window", ONE_OR_MORE)
    stride: Any = setting("step of the window", ONE_OR_MORE, 1)
    padding: Any = setting(
        "zeros on both ends of each axis", OneOf(Keyword("same", "causal"), ZERO_OR_MORE), 0
    )
    dilation: Any = setting("distance between the values of a window", ONE_OR_MORE, 1)
    groups: int = setting("number of groups of channels that are not connected", Integer(1), 1)
    bias: Any = bias_setting()

    def type(self, x: Tensor) -> Tensor:
        need_space(x, "conv")
        need_known(self.channels, "channels")
        self.need_groups(x)
        return x.with_shape(
            self.channels, *slide(x, "conv", self.extents(), self.axes("stride"), self.pads())
        )

    def extents(self) -> list[int]:
        return extents(self.axes("kernel"), self.axes("dilation"))

    @property
    def cuts_patches(self) -> bool:
        return self.extents() == [*self.axes("stride")] and self.padding == 0

    def windows(self) -> Tensor:
        return self.results[0]

    def stepwise(self, changing, steps):
        plain = self.with_settings(padding=0) if self.padding == "causal" else self
        return over_windows(self, plain, steps, "`padding=causal` reads earlier steps alone")

    def pads(self) -> Pads:
        if self.padding == "same":
            sizes = self.operands[0].shape[1:]
            return [same_pads(*a) for a in zip(sizes, self.extents(), self.axes("stride"), strict=True)]
        if self.padding != "causal":
            return [(p, p) for p in self.axes("padding")]
        if self.operands[0].rank != 2:
            raise Reject("`padding=causal` needs one time axis, [channels, time], found "
                         f"{self.operands[0]}", at="padding",
                         help="`padding=same` pads all sides of an image")  # fmt: skip
        return [(self.extents()[0] - 1, 0)]

    def weights(self, x: Tensor):
        kernel = self.axes("kernel")
        channels_in, channels_out = x.shape[0] // self.groups, self.channels // self.groups
        fans = (channels_in * prod(kernel), channels_out * prod(kernel))
        yield WeightSpec("weight", (self.channels, channels_in, *kernel), initial=self.init, fans=fans)
        yield from self.bias_spec()

    def module(self, nn):
        same = are_even(self.pads()) and set(self.axes("stride")) == {1}
        if self.padding == "causal" or (self.padding == "same" and not same):
            return None
        module = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[self.operands[0].rank - 2]
        return module(self.operands[0].shape[0], self.channels, self.kernel, stride=self.stride,
                      padding=self.padding, dilation=self.dilation, groups=self.groups,
                      bias=self.bias)  # fmt: skip

    def padding_of(self, place, axis):
        if axis and has_free(self.pads()[axis - 1][0]):
            return Fill(0, lengths=True)
        return super().padding_of(place, axis)

    def aligned(self) -> Iterator[tuple[int, int, int, Size]]:
        """The axes whose padding before depends on the length of the row, because of the stride: each with
        the size of the window, the stride, and the number of values that the windows cover."""
        window = zip(self.extents(), self.axes("stride"), strict=True)
        for axis, (extent, stride) in enumerate(window, 1):
            if axis in self.varying(self.operands[0]):
                yield axis, extent, stride, (self.results[0].shape[axis] - 1) * stride + extent

    def torch_aligned(self, F: Any, x: Any, pads: Pads, lengths: Any) -> tuple[Any, Pads]:
        """The rows, each after its own padding, and the pads of the other axes."""
        pads, rank = list(pads), self.operands[0].rank
        for axis, extent, stride, covered in self.aligned():
            before = (extent - 1 - (lengths - 1) % stride) // 2
            places = F.arange(F.size(covered), device=x.device) + extent - before.unsqueeze(1)
            x = F.pad(x, [*[0, 0] * (rank - 1 - axis), extent, extent])
            x, pads[axis - 1] = torch_take(F, x, places, axis, rank), (0, 0)
        return x, pads

    def onnx_aligned(self, op: Any, x: Any, pads: Pads, lengths: Any) -> tuple[Any, Pads]:
        pads, have = list(pads), self.operands[0]
        for axis, extent, stride, covered in self.aligned():
            around, one = no_pads(len(pads)), op.constant(1, "int64")
            rest = op.Mod(op.Sub(lengths, one), op.constant(stride, "int64"))
            before = op.Div(op.Sub(op.constant(extent - 1, "int64"), rest), op.constant(2, "int64"))
            first = onnx_column(op, op.Sub(op.constant(extent, "int64"), before))
            around[axis - 1], have = (extent, extent), have.with_axis(axis, covered)
            x = onnx_take(op, pad_onnx(op, x, around), op.Add(onnx_places(op, covered), first), axis, have)
            pads[axis - 1] = 0, 0
        return x, pads

    def torch(self, F, x, weight, bias=None, lengths=None):
        pads = self.pads()
        if lengths is not None:
            x, pads = self.torch_aligned(F, x, pads, lengths)
        padding = tuple(before for before, _ in pads)
        if not are_even(pads):
            x, padding = pad_torch(F, x, pads), 0
        conv = (F.conv1d, F.conv2d, F.conv3d)[len(pads) - 1]
        return conv(x, weight, bias, self.axes("stride"), padding, self.axes("dilation"), self.groups)

    def onnx(self, op, x, weight, bias=None, lengths=None):
        pads = self.pads()
        if lengths is not None:
            x, pads = self.onnx_aligned(op, x, pads, lengths)
        if not all(isinstance(p, int) for p in onnx_pads(pads)):
            x, pads = pad_onnx(op, x, pads), no_pads(len(pads))
        return op.Conv(
            x,
            weight,
            bias,
            kernel_shape=list(self.axes("kernel")),
            strides=list(self.axes("stride")),
            pads=onnx_pads(pads),
            dilations=list(self.axes("dilation")),
            group=self.groups,
        )

    examples = (
        Example("conv(3, 2)", "float[2, 8]", "float[3, 7]"),
        Example("conv(3, 3)", "float[2, 8, 7]", "float[3, 6, 5]"),
        Example("conv(3, 3)", "uint8[1, 8, 8]", "float[3, 6, 6]", low=0, high=255),
        Example("conv(3, 2)", "float[2, 4, 5, 6]", "float[3, 3, 4, 5]"),
        Example("conv(3, [3, 2])", "float[2, 8, 7]", "float[3, 6, 6]"),
        Example("conv(3, 3, stride=2, padding=1)", "float[2, 8, 7]", "float[3, 4, 4]"),
        Example("conv(3, 3, 2, 1)", "float[2, 8, 7]", "float[3, 4, 4]"),
        Example("conv(3, 3, stride=[2, 1], padding=[0, 2])", "float[2, 8, 7]", "float[3, 3, 9]"),
        Example("conv(3, 3, dilation=2)", "float[2, 9]", "float[3, 5]"),
        Example("conv(3, 3, dilation=[1, 2], bias=false)", "float[2, 8, 7]", "float[3, 6, 3]"),
        Example("conv(4, 3, groups=2)", "float[6, 8, 7]", "float[4, 6, 5]"),
        Example("conv(4, 3, groups=4)", "float[4, 8]", "float[4, 6]"),
        Example("conv(3, 3, padding=same)", "float[2, 8, 7]", "float[3, 8, 7]"),
        Example("conv(3, 4, padding=same)", "float[2, 8, 7]", "float[3, 8, 7]"),
        Example("conv(3, [4, 3, 2], padding=same)", "float[2, 4, 5, 6]", "float[3, 4, 5, 6]"),
        Example("conv(3, 3, stride=2, padding=same)", "float[2, 8, 7]", "float[3, 4, 4]"),
        Example("conv(3, 2, stride=3, padding=same)", "float[2, 8, 7]", "float[3, 3, 3]"),
        Example("conv(3, 3, dilation=2, padding=same)", "float[2, 8]", "float[3, 8]"),
        Example("conv(3, 3, padding=same)", "float[2, H, W]", "float[3, H, W]"),
        Example("conv(3, 4, padding=same)", "float[2, T]", "float[3, T]"),
        Example("conv(3, 3, stride=2, padding=same)", "float[2, T]", "float[3, (T + 1) // 2]"),
        Example(
            "conv(3, [4, 3], stride=[3, 2], padding=same)", "float[2, H, 7]", "float[3, (H + 2) // 3, 4]"
        ),
        Example("conv(3, 1, stride=2, padding=same)", "float[2, T]", "float[3, (T + 1) // 2]"),
        Example("conv(3, 3, padding=causal)", "float[2, T]", "float[3, T]"),
        Example("conv(3, 2, padding=causal, dilation=4, stride=2)", "float[2, 8]", "float[3, 4]"),
        Example("conv(3, 3, stride=2, padding=1)", "float[2, H, W]", "float[3, (H + 1) // 2, (W + 1) // 2]"),
        Example("conv(1, [1, 2], weight=[[[[1, -1]]]], bias=[0.5])", "float[1, 3, 4]", "float[1, 3, 3]"),
        Example("conv(3, 3, init=he_normal)", "float[2, 8, 7]", "float[3, 6, 5]"),
        Example("conv(3, 3)", "float[784]", rejects="E0201"),
        Example("conv(3, 3)", "float[2, 2, 2, 2, 2]", rejects="E0201"),
        Example("conv(3, 3)", "float[T, 8]", rejects="E0201"),
        Example("conv(3, 5)", "float[2, 8, 4]", rejects="E0201"),
        Example("conv(3, 3, dilation=4)", "float[2, 8]", rejects="E0201"),
        Example("conv(3, 3, padding=causal)", "float[2, 8, 7]", rejects="E0201"),
        Example("conv(3, 2, stride=3, padding=same)", "float[2, T]", rejects="E0201"),
        Example("conv(3, [3, 3, 3])", "float[2, 8, 7]", rejects="E0404"),
        Example("conv(4, 3, groups=2)", "float[3, 8, 7]", rejects="E0404"),
        Example("conv(3, 3, groups=2)", "float[4, 8, 7]", rejects="E0404"),
        Example("conv(3, 0)", "float[2, 8, 7]", rejects="E0403"),
        Example("conv(3, 3, padding=-1)", "float[2, 8, 7]", rejects="E0403"),
        Example("conv(T, 3)", "float[2, T]", rejects="E0403"),
    )


def end_of(stride: int, padding: int, output_padding: int) -> tuple[int, int, int]:
    """The end of an axis of a transpose in ONNX: zeros appended to the operand, padding, output padding.

    ONNX Runtime supports only an output padding smaller than the stride. A larger one is subtracted from the
    padding; where that is not enough, zeros are appended to the operand.
    """
    if output_padding < stride:
        return 0, padding, output_padding
    zeros = max(-(-(output_padding - padding) // stride), 0)
    return zeros, padding - output_padding + zeros * stride, 0


class ConvTranspose(_Convolution):
    """Transposed convolution, which enlarges space axes (torch `conv_transpose1d` to `3d`,
    ONNX `ConvTranspose`).

    The space axes of the result are
    `(size - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1`.
    """

    adjusts = MappingProxyType({"output_padding": (1, 2, 3, 0), "padding": (0, 1, 2, 3)})
    channels: Size = setting("channels of the result", Integer(1, symbolic=True))
    kernel: Any = setting("size of the window", ONE_OR_MORE)
    stride: Any = setting("step of the window in the result", ONE_OR_MORE, 1)
    padding: Any = setting("values removed from both ends of each axis of the result", ZERO_OR_MORE, 0)
    output_padding: Any = setting("values added to the end of each axis of the result", ZERO_OR_MORE, 0)
    dilation: Any = setting("distance between the values of a window", ONE_OR_MORE, 1)
    groups: int = setting("number of groups of channels that are not connected", Integer(1), 1)
    bias: Any = bias_setting()

    def type(self, x: Tensor) -> Tensor:
        need_space(x, "conv_transpose")
        need_known(self.channels, "channels")
        self.need_groups(x)
        settings = zip(*map(self.axes, ("stride", "padding", "output_padding")), self.extents(),
                       self.axes("dilation"), strict=True)  # fmt: skip
        sizes = []
        for size, (stride, padding, more, extent, dilation) in zip(x.shape[1:], settings, strict=True):
            if more >= max(stride, dilation):
                raise Reject(f"`output_padding`, {more}, must be smaller than the stride, {stride}, or the "
                             f"dilation, {dilation}", at="output_padding", code="E0404")  # fmt: skip
            full = (size - 1) * stride + extent + more
            if isinstance(full, int) and full <= 2 * padding:
                raise Reject(f"padding {padding} removes {2 * padding} values, and `conv_transpose` of {x} "
                             f"has an axis of size {full} before padding", at="padding",
                             help="use less padding")  # fmt: skip
            sizes.append(full - 2 * padding)
        return x.with_shape(self.channels, *sizes)

    def extents(self) -> list[int]:
        return extents(self.axes("kernel"), self.axes("dilation"))

    def windows(self) -> Tensor:
        return self.operands[0]

    def weights(self, x: Tensor):
        kernel = self.axes("kernel")
        channels_in, channels_out = x.shape[0] // self.groups, self.channels // self.groups
        # The number of windows that overlap at one value of the result.
        overlaps = max(prod(kernel) // prod(self.axes("stride")), 1)
        fans = (channels_in * overlaps, channels_out * prod(kernel))
        yield WeightSpec("weight", (x.shape[0], channels_out, *kernel), initial=self.init, fans=fans)
        yield from self.bias_spec()

    def scaled_weight(self, weight, scale):
        grouped = weight.reshape(self.groups, -1, *weight.shape[1:])
        scale = scale.reshape(self.groups, 1, -1, *[1] * (weight.ndim - 2))
        return (grouped * scale).reshape(weight.shape)

    def module(self, nn):
        module = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[self.operands[0].rank - 2]
        return module(self.operands[0].shape[0], self.channels, self.kernel, stride=self.stride,
                      padding=self.padding, output_padding=self.output_padding, groups=self.groups,
                      bias=self.bias, dilation=self.dilation)  # fmt: skip

    def stepwise(self, changing, steps):
        return alone(self, steps, (1, 1, 0, 0))

    def torch(self, F, x, weight, bias=None):
        conv = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[self.operands[0].rank - 2]
        stride, padding, more = self.axes("stride"), self.axes("padding"), self.axes("output_padding")
        return conv(x, weight, bias, stride, padding, more, self.groups, self.axes("dilation"))

    def onnx(self, op, x, weight, bias=None):
        ends = [
            end_of(*a) for a in zip(*map(self.axes, ("stride", "padding", "output_padding")), strict=True)
        ]
        zeros, end_pads, more = zip(*ends, strict=True)
        if any(zeros):
            x = pad_onnx(op, x, [(0, count) for count in zeros])
        return op.ConvTranspose(
            x,
            weight,
            bias,
            kernel_shape=list(self.axes("kernel")),
            strides=list(self.axes("stride")),
            pads=[*self.axes("padding"), *end_pads],
            output_padding=list(more),
            dilations=list(self.axes("dilation")),
            group=self.groups,
        )

    examples = (
        Example("conv_transpose(3, 2)", "float[2, 5]", "float[3, 6]"),
        Example("conv_transpose(3, 3)", "float[2, 5, 4]", "float[3, 7, 6]"),
        Example("conv_transpose(3, 2)", "float[2, 3, 4, 2]", "float[3, 4, 5, 3]"),
        Example("conv_transpose(3, [3, 2])", "float[2, 5, 4]", "float[3, 7, 5]"),
        Example("conv_transpose(3, 4, stride=2, padding=1)", "float[2, 5, 4]", "float[3, 10, 8]"),
        Example("conv_transpose(3, 3, stride=[2, 1], padding=[1, 0])", "float[2, 5, 4]", "float[3, 9, 6]"),
        Example(
            "conv_transpose(3, 3, stride=2, padding=1, output_padding=1)", "float[2, 5, 4]", "float[3, 10, 8]"
        ),
        Example("conv_transpose(3, 3, stride=2, output_padding=[1, 0])", "float[2, 5, 4]", "float[3, 12, 9]"),
        Example("conv_transpose(3, 3, dilation=2)", "float[2, 5, 4]", "float[3, 9, 8]"),
        Example(
            "conv_transpose(3, 2, padding=3, output_padding=1, dilation=2)",
            "float[1, 8, 8]",
            "float[3, 5, 5]",
        ),
        Example(
            "conv_transpose(3, 2, stride=2, output_padding=2, dilation=3)",
            "float[2, T]",
            "float[3, 2 * T + 4]",
        ),
        Example("conv_transpose(3, 3, padding=4)", "float[2, 9]", "float[3, 3]"),
        Example("conv_transpose(4, 3, groups=4, bias=false)", "float[4, 5, 4]", "float[4, 7, 6]"),
        Example("conv_transpose(4, 3, groups=2)", "float[6, 5, 4]", "float[4, 7, 6]"),
        Example("conv_transpose(3, 3, bias=false)", "float[2, 5]", "float[3, 7]"),
        Example("conv_transpose(3, 4, stride=2, padding=1)", "float[2, H, W]", "float[3, 2 * H, 2 * W]"),
        Example("conv_transpose(3, 3, stride=2)", "float[2, T]", "float[3, 2 * T + 1]"),
        Example("conv_transpose(1, 2, weight=[[[1, -1]]], bias=[0.5])", "float[1, 4]", "float[1, 5]"),
        Example("conv_transpose(3, 3, init=he_normal)", "float[2, 5, 4]", "float[3, 7, 6]"),
        Example("conv_transpose(3, 3)", "float[784]", rejects="E0201"),
        Example("conv_transpose(3, 1, padding=2)", "float[2, 4]", rejects="E0201"),
        Example("conv_transpose(3, 3, output_padding=1)", "float[2, 4]", rejects="E0404"),
        Example("conv_transpose(3, 3, groups=2)", "float[4, 8]", rejects="E0404"),
        Example("conv_transpose(3, [3, 3])", "float[2, 4]", rejects="E0404"),
        Example("conv_transpose(3, 3, output_padding=-1)", "float[2, 4]", rejects="E0403"),
    )
