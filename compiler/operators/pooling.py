"""Pooling: the maximum or the mean of windows, or over all space axes."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from dlc.compiler.definitions.parameter_types import Integer, PerAxis
from dlc.compiler.dims.dim import number
from dlc.compiler.operators.base import Example, Operator, Reject, per_axis, setting
from dlc.compiler.operators.operands import PASSES_NAN_OVER, onnx_reshape, onnx_rows
from dlc.compiler.operators.sliding_window import Pads, reshape_hint, slide
from dlc.compiler.types import Tensor


def need_space(x: Tensor, what: str) -> None:
    if not 2 <= x.rank <= 4:
        raise Reject(f"`{what}` needs [channels, ...] with one to three space axes, found {x}",
                     at="x", help=reshape_hint(x))  # fmt: skip


class _Pool(Operator, abstract=True):
    spatial = True
    adjusts = MappingProxyType({"padding": (0, 1, 2, 3)})
    kernel: Any = setting("size of the window", PerAxis(Integer(1)))
    stride: Any = setting("step of the window", PerAxis(Integer(1)), None, shown="kernel")
    padding: Any = setting(
        "values added on both ends of each axis, at most half the kernel", PerAxis(Integer(0)), 0
    )

    def type(self, x: Tensor) -> Tensor:
        need_space(x, self.name)
        kernel = self.axes("kernel")
        for extent, padding in zip(kernel, self.axes("padding"), strict=True):
            if padding > extent // 2:
                raise Reject(f"`padding`, {padding}, is more than half of the kernel, {extent}", at="padding",
                             code="E0404", help="a window would contain only padding")  # fmt: skip
        return x.with_shape(x.shape[0], *slide(x, self.name, list(kernel), self.axes("stride"), self.pads()))

    def axes(self, setting: str) -> tuple[int, ...]:
        value = getattr(self, setting)
        return self.axes("kernel") if value is None else per_axis(value, self.operands[0].rank - 1, setting)

    def pads(self) -> Pads:
        return [(p, p) for p in self.axes("padding")]

    def window(self) -> dict[str, list[int]]:
        """The attributes that both ONNX pooling operators share."""
        kernel, stride, padding = (list(self.axes(s)) for s in ("kernel", "stride", "padding"))
        return {"kernel_shape": kernel, "strides": stride, "pads": padding * 2}


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
        Example(f"{name}(2)", "float[784]", rejects="E0201"),
        Example(f"{name}(2)", "float[2, 2, 2, 2, 2]", rejects="E0201"),
        Example(f"{name}(5)", "float[3, 8, 4]", rejects="E0201"),
        Example(f"{name}(3, padding=2)", "float[3, 8]", rejects="E0404"),
        Example(f"{name}([2, 2])", "float[3, 8]", rejects="E0404"),
        Example(f"{name}(0)", "float[3, 8]", rejects="E0403"),
    )


class Maxpool(_Pool):
    """The maximum of each window (torch `max_pool1d` to `3d`, ONNX `MaxPool`); padding is ignored."""

    differs_on_nan = PASSES_NAN_OVER

    def torch(self, F, x):
        pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[self.operands[0].rank - 2]
        return pool(x, self.axes("kernel"), self.axes("stride"), self.axes("padding"))

    def onnx(self, op, x):
        return op.MaxPool(x, **self.window())

    examples = rows("maxpool")


class Avgpool(_Pool):
    """The mean of each window (torch `avg_pool1d` to `3d`, ONNX `AveragePool`); padding counts as 0."""

    def torch(self, F, x):
        kernel, stride, padding = self.axes("kernel"), self.axes("stride"), self.axes("padding")
        if len(kernel) == 3:  # torch rejects an operand that is smaller than the window without its padding
            x, padding = F.pad(x, [size for size in reversed(padding) for _ in range(2)]), (0, 0, 0)
        pool = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(kernel) - 1]
        return pool(x, kernel, stride, padding)

    def onnx(self, op, x):
        return op.AveragePool(x, count_include_pad=1, **self.window())

    examples = rows("avgpool")


class _GlobalPool(Operator, abstract=True):
    def type(self, x: Tensor) -> Tensor:
        need_space(x, self.name)
        return x.with_shape(x.shape[0])

    def space(self) -> tuple[int, ...]:
        return tuple(range(2, self.operands[0].rank + 1))


def global_rows(name: str) -> tuple[Example, ...]:
    return (
        Example(name, "float[3, 8]", "float[3]"),
        Example(name, "float[3, 4, 5]", "float[3]"),
        Example(name, "float[3, 2, 4, 5]", "float[3]"),
        Example(name, "float[3, H, W]", "float[3]"),
        Example(name, "float[C, 4]", "float[C]"),
        Example(name, "float[3]", rejects="E0201"),
        Example(name, "float", rejects="E0201"),
        Example(name, "float[2, 2, 2, 2, 2]", rejects="E0201"),
    )


class GlobalAvgpool(_GlobalPool):
    """The mean of each channel over all space axes (torch `mean`, ONNX `GlobalAveragePool` and `Flatten`)."""

    def torch(self, F, x):
        return F.mean(x, self.space())

    def onnx(self, op, x):
        return op.Flatten(op.GlobalAveragePool(x), axis=1)

    examples = global_rows("global_avgpool")


class GlobalMaxpool(_GlobalPool):
    """The maximum of each channel over all space axes (torch `amax`, ONNX `ReduceMax`)."""

    differs_on_nan = PASSES_NAN_OVER

    def torch(self, F, x):
        return F.amax(x, self.space())

    def onnx(self, op, x):
        return op.ReduceMax(x, op.constant(list(self.space()), "int64"), keepdims=0)

    examples = global_rows("global_maxpool")


class AdaptiveAvgpool(Operator):
    """The means of `size` windows along each space axis (torch `adaptive_avg_pool1d` to `3d`,
    ONNX `AveragePool`, or `ReduceMean` and `MatMul`).

    Window `i` of `n` over an axis of size `m` is `floor(i * m / n)` to `ceil((i + 1) * m / n)`. Windows
    overlap if m is not a multiple of n.
    """

    spatial = True
    differs_on_nan = "In ONNX Runtime a NaN may also affect the means of other windows."

    size: Any = setting(
        "size of each space axis of the result, one number or one per axis", PerAxis(Integer(1))
    )

    def type(self, x: Tensor) -> Tensor:
        need_space(x, self.name)
        for size, wanted in zip(x.shape[1:], self.sizes(x), strict=True):
            if not isinstance(size, int) and wanted != 1:
                raise Reject(f"`{self.name}` cannot split the free dimension `{size}` into {wanted} windows, "
                             f"found {x}", at="x",
                             help="a free dimension can have 1 window; `resize` takes any size")  # fmt: skip
        return x.with_shape(x.shape[0], *self.sizes(x))

    def sizes(self, x: Tensor) -> tuple[int, ...]:
        return per_axis(self.size, x.rank - 1, "size")

    def torch(self, F, x):
        pool = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)
        sizes = self.sizes(self.operands[0])
        return pool[len(sizes) - 1](x, list(sizes))

    def onnx(self, op, x):
        have, wanted = self.operands[0].shape[1:], self.sizes(self.operands[0])
        if all(isinstance(size, int) and size % n == 0 for size, n in zip(have, wanted, strict=True)):
            kernel = [size // n for size, n in zip(have, wanted, strict=True)]
            return op.AveragePool(x, kernel_shape=kernel, strides=kernel)
        type = self.operands[0]
        for axis, n in enumerate(wanted, 1):
            x, type = self.onnx_axis(op, x, type, axis, n), type.with_axis(axis, n)
        return x

    def onnx_axis(self, op: Any, x: Any, have: Tensor, axis: int, windows: int) -> Any:
        """The means of windows along one axis, as a product with a matrix of window weights."""
        if windows == 1:
            return op.ReduceMean(x, op.constant([have.axis(axis)], "int64"), keepdims=1)
        swap, shape = list(range(have.rank + 1)), list(have.shape)
        swap[axis + 1], swap[-1] = swap[-1], swap[axis + 1]
        shape[axis], shape[-1] = shape[-1], shape[axis]
        swapped = have.with_shape(*shape)
        rows = onnx_rows(op, op.Transpose(x, perm=swap), swapped)
        y = op.MatMul(rows, op.constant(window_weights(number(shape[-1]), windows), "float32"))
        return op.Transpose(onnx_reshape(op, y, swapped.with_axis(-1, windows), batch=-1), perm=swap)

    examples = (
        Example("adaptive_avgpool(2)", "float[3, 8]", "float[3, 2]"),
        Example("adaptive_avgpool(3)", "float[3, 8]", "float[3, 3]"),
        Example("adaptive_avgpool(5)", "float[3, 3]", "float[3, 5]"),
        Example("adaptive_avgpool(1)", "float[3, 4, 5]", "float[3, 1, 1]"),
        Example("adaptive_avgpool(4)", "float[3, 14, 14]", "float[3, 4, 4]"),
        Example("adaptive_avgpool([2, 3])", "float[3, 4, 7]", "float[3, 2, 3]"),
        Example("adaptive_avgpool(2)", "float[2, 3, 4, 5]", "float[2, 2, 2, 2]"),
        Example("adaptive_avgpool(2)", "uint8[1, 4, 4]", "float[1, 2, 2]", low=0, high=255),
        Example("adaptive_avgpool(1)", "float[3, H, W]", "float[3, 1, 1]"),
        Example("adaptive_avgpool([1, 3])", "float[3, T, 8]", "float[3, 1, 3]"),
        Example("adaptive_avgpool(2)", "float[3, H, W]", rejects="E0201"),
        Example("adaptive_avgpool(2)", "float[8]", rejects="E0201"),
        Example("adaptive_avgpool(0)", "float[3, 8]", rejects="E0403"),
        Example("adaptive_avgpool([2, 2])", "float[3, 8]", rejects="E0404"),
    )


def window_weights(size: int, windows: int) -> list[list[float]]:
    """For each position of an axis, its weight in the mean of each window."""
    bounds = [(i * size // windows, -(-(i + 1) * size // windows)) for i in range(windows)]
    return [[1 / (stop - start) if start <= at < stop else 0 for start, stop in bounds] for at in range(size)]
