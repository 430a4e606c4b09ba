"""Pooling: the maximum or the mean of windows, or over all space axes."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from dlc.compiler.definitions.parameter_types import Boolean, Integer, PerAxis
from dlc.compiler.dims.dim import Size, at_least, number
from dlc.compiler.operators.base import Example, Operator, Reject, per_axis, setting
from dlc.compiler.operators.operands import PASSES_NAN_OVER, onnx_cast
from dlc.compiler.operators.padding import APART, Fill, onnx_column, onnx_on_axis, torch_on_axis
from dlc.compiler.operators.recent_steps import over_windows
from dlc.compiler.operators.sliding_window import (
    Pads,
    ceil_pads,
    extents,
    no_pads,
    onnx_pads,
    pad_onnx,
    pad_torch,
    reshape_hint,
    slide,
)
from dlc.compiler.types import Tensor


def need_space(x: Tensor, what: str) -> None:
    if not 2 <= x.rank <= 4:
        raise Reject(f"`{what}` needs [channels, ...] with one to three space axes, found {x}",
                     at="x", help=reshape_hint(x))  # fmt: skip


class _Pool(Operator, abstract=True):
    spatial = True
    least = 1
    adjusts = MappingProxyType({"padding": (0, 1, 2, 3)})
    kernel: Any = setting("size of the window", PerAxis(Integer(1)))
    stride: Any = setting("step of the window", PerAxis(Integer(1)), None, shown="kernel")
    padding: Any = setting(
        "values added on both ends of each axis, at most half the kernel", PerAxis(Integer(0)), 0
    )
    ceil: bool

    def type(self, x: Tensor) -> Tensor:
        need_space(x, self.name)
        kernel = self.axes("kernel")
        for extent, padding in zip(kernel, self.axes("padding"), strict=True):
            if padding > extent // 2:
                raise Reject(f"`padding`, {padding}, is more than half of the kernel, {extent}", at="padding",
                             code="E0404", help="a window would contain only padding")  # fmt: skip
        return x.with_shape(
            x.shape[0], *slide(x, self.name, self.extents(), self.axes("stride"), self.pads())
        )

    def axes(self, setting: str) -> tuple[int, ...]:
        value = getattr(self, setting)
        return self.axes("kernel") if value is None else per_axis(value, self.operands[0].rank - 1, setting)

    def extents(self) -> list[int]:
        return list(self.axes("kernel"))

    def pads(self) -> Pads:
        padding = self.axes("padding")
        if not self.ceil:
            return [(p, p) for p in padding]
        sizes = self.operands[0].shape[1:]
        return [ceil_pads(*a) for a in zip(sizes, self.extents(), self.axes("stride"), padding, strict=True)]

    def window(self) -> dict[str, list[int]]:
        """The attributes that both ONNX pooling operators share, without the pads."""
        return {"kernel_shape": list(self.axes("kernel")), "strides": list(self.axes("stride"))}

    def padding_of(self, place, axis):
        return Fill("lowest") if axis else APART

    def stepwise(self, changing, steps):
        help = "`pad(n, 0, axis=...)` before it, for windows of n + 1 steps, and `stride=1`"
        return over_windows(self, self, steps, help)

    def onnx_padded(self, op: Any, x: Any, value: float) -> tuple[Any, list[Size]]:
        """The operand, and pads for the attribute of an ONNX pooling operator. It takes known pads below the
        kernel; otherwise the operand is padded."""
        pads = self.pads()
        fit = (isinstance(p, int) and p < k for k, both in zip(self.axes("kernel"), pads, strict=True)
               for p in both)  # fmt: skip
        if all(fit):
            return x, onnx_pads(pads)
        return pad_onnx(op, x, pads, value), onnx_pads(no_pads(len(pads)))


def ceil_setting() -> Any:
    return setting("whether a last window that starts in the axis and ends after it counts", Boolean(), False)


def rows(name: str) -> tuple[Example, ...]:
    return (
        Example(f"{name}(2)", "float[3, 8]", "float[3, 4]"),
        Example(f"{name}(2)", "float[3, 8, 7]", "float[3, 4, 3]"),
        Example(f"{name}(2)", "float[3, 4, 5, 6]", "float[3, 2, 2, 3]"),
        Example(f"{name}(2)", "uint8[1, 4, 4]", "float[1, 2, 2]", low=0, high=255),
        Example(f"{name}(3, stride=2, padding=1)", "float[3, 8, 7]", "float[3, 4, 4]"),
        Example(f"{name}(3, 1, 1)", "float[3, 8, 7]", "float[3, 8, 7]"),
        Example(f"{name}(3, stride=2, padding=1)", "float[2, 4, 2, 2]", "float[2, 2, 1, 1]"),
        Example(f"{name}([3, 2])", "float[3, 8, 7]", "float[3, 2, 3]"),
        Example(f"{name}([3, 2], stride=[1, 2], padding=[1, 0])", "float[3, 8, 7]", "float[3, 8, 3]"),
        Example(f"{name}(1, stride=3)", "float[3, 8]", "float[3, 3]"),
        Example(f"{name}(2)", "float[3, H, W]", "float[3, H // 2, W // 2]"),
        Example(f"{name}(3, stride=2, padding=1)", "float[3, T]", "float[3, (T + 1) // 2]"),
        Example(f"{name}(2)", "float[T, 8]", "float[T, 4]"),
        Example(f"{name}(3, stride=2, ceil=true)", "float[3, 8, 7]", "float[3, 4, 3]"),
        Example(f"{name}(3, stride=2, padding=1, ceil=true)", "float[3, 8]", "float[3, 5]"),
        Example(f"{name}(2, stride=3, padding=1, ceil=true)", "float[3, 8, 6]", "float[3, 3, 3]"),
        Example(f"{name}([2, 3, 2], ceil=true)", "float[2, 3, 2, 5]", "float[2, 2, 1, 3]"),
        Example(f"{name}(3, stride=2, ceil=true)", "float[3, H, 2]", "float[3, H // 2, 1]"),
        Example(f"{name}(2, stride=4, padding=1, ceil=true)", "float[3, T]", "float[3, T // 4 + 1]"),
        Example(f"{name}(3, ceil=true)", "float[2, D, 4, H]", "float[2, (D + 2) // 3, 2, (H + 2) // 3]"),
        Example(f"{name}(2)", "float[784]", rejects="E0201"),
        Example(f"{name}(2)", "float[2, 2, 2, 2, 2]", rejects="E0201"),
        Example(f"{name}(5)", "float[3, 8, 4]", rejects="E0201"),
        Example(f"{name}(5, stride=1, ceil=true)", "float[3, 8, 4]", rejects="E0201"),
        Example(f"{name}(3, padding=2)", "float[3, 8]", rejects="E0404"),
        Example(f"{name}([2, 2])", "float[3, 8]", rejects="E0404"),
        Example(f"{name}(0)", "float[3, 8]", rejects="E0403"),
        Example(f"{name}(2, ceil=1)", "float[3, 8]", rejects="E0403"),
    )


class Maxpool(_Pool):
    """The maximum of each window (torch `max_pool1d` to `3d`, ONNX `MaxPool`); padding is ignored.

    The space axes of the result are `(size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1`. With
    `ceil=true` the division is rounded up, and a window that would start in the padding after the axis is
    left out, as in torch.
    """

    differs_on_nan = PASSES_NAN_OVER
    dilation: Any = setting("distance between the values of a window", PerAxis(Integer(1)), 1)
    ceil: bool = ceil_setting()

    def type(self, x: Tensor) -> Tensor:
        made = super().type(x)
        window = (self.axes(name) for name in ("kernel", "stride", "padding", "dilation"))
        for size, count, *axis in zip(x.shape[1:], made.shape[1:], *window, strict=True):
            if isinstance(size, int) and steps_over(size, number(count), *axis):
                raise Reject(f"a window with a dilation of {axis[-1]} steps over an axis of size {size}, and "
                             "contains only padding", at="dilation", code="E0404",
                             help="use a smaller dilation or less padding")  # fmt: skip
        return made

    def extents(self) -> list[int]:
        return extents(self.axes("kernel"), self.axes("dilation"))

    def is_dilated(self) -> bool:
        return set(self.axes("dilation")) != {1}

    def torch(self, F, x):
        pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[self.operands[0].rank - 2]
        more: dict[str, Any] = {"dilation": self.axes("dilation")} if self.is_dilated() else {}
        if self.ceil:
            more["ceil_mode"] = True
        return pool(x, self.axes("kernel"), self.axes("stride"), self.axes("padding"), **more)

    def onnx(self, op, x):
        x, pads = self.onnx_padded(op, x, float("-inf"))
        more = {"dilations": list(self.axes("dilation"))} if self.is_dilated() else {}
        return op.MaxPool(x, **self.window(), pads=pads, **more)

    examples = (
        *rows("maxpool"),
        Example("maxpool(2, stride=1, dilation=3)", "float[3, 8]", "float[3, 5]"),
        Example("maxpool(3, 2, 1, [1, 2])", "float[3, 8, T]", "float[3, 4, (T + 1) // 2 - 1]"),
        Example("maxpool(3, stride=2, padding=1, dilation=3, ceil=true)", "float[3, 9]", "float[3, 3]"),
        Example("maxpool(3, stride=2, dilation=2, ceil=true)", "float[3, T, 8]", "float[3, T // 2 - 1, 3]"),
        Example("maxpool(2, stride=1, dilation=2)", "float[2, 3, 4, 5]", "float[2, 1, 2, 3]"),
        Example("maxpool(3, dilation=4)", "float[3, 8]", rejects="E0201"),
        Example("maxpool(2, stride=1, padding=1, dilation=3)", "float[3, 2]", rejects="E0404"),
        Example("maxpool(3, dilation=0)", "float[3, 8]", rejects="E0403"),
    )


def steps_over(size: int, count: int, kernel: int, stride: int, padding: int, dilation: int) -> bool:
    """Whether one of the windows over an axis contains only padding."""
    return dilation > size and any(
        not any(0 <= i * stride - padding + j * dilation < size for j in range(kernel)) for i in range(count)
    )


class Avgpool(_Pool):
    """The mean of each window (torch `avg_pool1d` to `3d`, ONNX `AveragePool`).

    Padding counts as 0, and not at all with `count_padding=false`. With `ceil=true` the number of windows is
    rounded up, and a window that would start in the padding after the axis is left out; what a last window
    has after the padding does not count. All this is as in torch.
    """

    ceil: bool = ceil_setting()
    count_padding: bool = setting("whether padding counts, as 0", Boolean(), True)

    def padding_of(self, place, axis):
        if not axis:
            return APART
        pads = self.axes("padding")[axis - 1]
        return Fill(0, lengths=self.ceil or (pads > 0 and not self.count_padding))

    def torch(self, F, x, lengths=None):
        if lengths is not None:
            return self.torch_of_rows(F, x, lengths)
        kernel, stride, padding = self.axes("kernel"), self.axes("stride"), self.axes("padding")
        more = {"ceil_mode": True} if self.ceil else {}
        if not self.count_padding:
            more["count_include_pad"] = False
        space = self.operands[0].shape[1:]
        if len(space) == 3 and not all(map(at_least, space, kernel)):
            return self.torch_by_parts(F, x, more)
        pool = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(space) - 1]
        return pool(x, kernel, stride, padding, **more)

    def torch_by_parts(self, F: Any, x: Any, more: dict[str, bool]) -> Any:
        """The means over the last two axes, then over the first: torch rejects an operand with three space
        axes if one is shorter than the window without its padding."""
        (depth, *kernel), (step, *stride), (pad, *padding) = (
            self.axes(setting) for setting in ("kernel", "stride", "padding")
        )
        channels, size = (F.size(n) for n in self.operands[0].shape[:2])
        x = F.avg_pool2d(x.flatten(1, 2), kernel, stride, padding, **more)
        x = x.unflatten(1, (channels, size)).flatten(3)
        x = F.avg_pool2d(x, (depth, 1), (step, 1), (pad, 0), **more)
        return x.unflatten(3, tuple(F.size(n) for n in self.results[0].shape[2:]))

    def torch_of_rows(self, F: Any, x: Any, lengths: Any) -> Any:
        """Means over whole windows, from each of which the values that count are rescaled."""
        pool = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[self.operands[0].rank - 2]
        y = pool(pad_torch(F, x, self.pads()), self.axes("kernel"), self.axes("stride"), 0)
        for axis in range(len(self.axes("kernel"))):
            y = y * torch_on_axis(self.torch_scale(F, axis, lengths), axis + 1, self.operands[0].rank)
        return y

    def torch_scale(self, F: Any, axis: int, lengths: Any) -> Any:
        """The size of a window by the number of values in it that count, [batch or 1, windows]."""
        size, windows = (x.shape[axis + 1] for x in (self.operands[0], self.results[0]))
        extent, stride, padding, counted = self.along(axis)
        varies = axis + 1 in self.varying(self.operands[0])
        end = (lengths if varies else lengths[:1] * 0 + F.size(size)) + counted
        starts = F.arange(F.size(windows), device=lengths.device) * stride - padding
        counts = F.minimum(starts + extent, end.unsqueeze(1)) - starts.clamp(min=-counted)
        return extent / counts.clamp(min=1).to(F.float32)

    def along(self, axis: int) -> tuple[int, int, int, int]:
        """The size, the stride and the padding of a window along a space axis, and how much padding
        counts."""
        extent, stride, padding = (self.axes(name)[axis] for name in ("kernel", "stride", "padding"))
        return extent, stride, padding, padding if self.count_padding else 0

    def onnx(self, op, x, lengths=None):
        if not self.ceil and lengths is None:
            counts = int(self.count_padding)
            return op.AveragePool(x, count_include_pad=counts, **self.window(), pads=onnx_pads(self.pads()))
        x, pads = self.onnx_padded(op, x, 0.0)
        y = op.AveragePool(x, count_include_pad=1, **self.window(), pads=pads)
        for axis in range(len(self.axes("kernel"))):
            y = self.onnx_rescaled(op, y, axis, lengths)
        return y

    def onnx_rescaled(self, op: Any, y: Any, axis: int, lengths: Any) -> Any:
        """From means over whole windows along an axis to means over the values that count. Engines treat the
        last window of `AveragePool` with `ceil_mode` differently."""
        size, count = (x.shape[axis + 1] for x in (self.operands[0], self.results[0]))
        extent, stride, padding, counted = self.along(axis)
        later = [1] * (len(self.axes("kernel")) - axis - 1)
        if isinstance(size, int):
            starts = [i * stride - padding for i in range(number(count))]
            counts = [min(start + extent, size + counted) - max(start, -counted) for start in starts]
            if set(counts) == {extent}:
                return y
            scale = op.constant([extent / n for n in counts], "float32")
        else:
            whole = [op.constant(n, "int64") for n in (-padding, stride, extent, -counted)]
            start = op.Range(whole[0], op.size(count * stride - padding), whole[1])
            varies = axis + 1 in self.varying(self.operands[0])
            end = op.size(size) if lengths is None or not varies else onnx_column(op, lengths)
            end = op.Min(op.Add(start, whole[2]), op.Add(end, op.constant(counted, "int64")))
            counts = op.Max(op.Sub(end, op.Max(start, whole[3])), op.constant(1, "int64"))
            scale = op.Div(op.constant(float(extent), "float32"), onnx_cast(op, counts, "int64", "float"))
            if varies:
                return op.Mul(y, onnx_on_axis(op, scale, axis + 1, self.results[0].rank))
        return op.Mul(y, op.Reshape(scale, op.constant([-1, *later], "int64")))

    examples = (
        *rows("avgpool"),
        Example("avgpool(3, 2, 1, true, false)", "float[3, 8, 7]", "float[3, 5, 4]"),
        Example("avgpool(3, padding=1, count_padding=false)", "float[3, 8, T]", "float[3, 3, (T + 2) // 3]"),
        Example("avgpool(3, 2, 1, count_padding=false)", "float[2, 4, 2, 2]", "float[2, 2, 1, 1]"),
        Example("avgpool(2, stride=3, padding=1, ceil=true, count_padding=false)", "float[3, T]",
                "float[3, T // 3 + 1]"),
        Example("avgpool(3, padding=1, ceil=true, count_padding=false)", "float[2, 2, D, 5]",
                "float[2, 1, D // 3 + 1, 2]"),
        Example("avgpool(3, dilation=2)", "float[3, 8]", rejects="E0402"),
    )  # fmt: skip
