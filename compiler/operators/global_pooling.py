"""Pooling over whole space axes, or over a fixed number of windows."""

from __future__ import annotations

from typing import Any

from dlc.compiler.definitions.parameter_types import Integer, PerAxis
from dlc.compiler.dims.dim import number, product
from dlc.compiler.operators.base import Example, Operator, Reject, per_axis, setting
from dlc.compiler.operators.operands import PASSES_NAN_OVER, onnx_cast, onnx_reshape, onnx_rows
from dlc.compiler.operators.padding import APART, Fill, onnx_counts, torch_counts
from dlc.compiler.operators.pooling import need_space
from dlc.compiler.types import Tensor


class _GlobalPool(Operator, abstract=True):
    group = "pooling"
    least = 1

    def type(self, x: Tensor) -> Tensor:
        need_space(x, self.name)
        return x.with_shape(x.shape[0])

    def space(self) -> tuple[int, ...]:
        return tuple(range(2, self.operands[0].rank + 1))

    def padding_of(self, place, axis):
        return Fill("lowest") if axis else APART


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

    def padding_of(self, place, axis):
        return Fill(0, lengths=True) if axis else APART

    def torch(self, F, x, lengths=None):
        if lengths is None:
            return F.mean(x, self.space())
        return F.sum(x, self.space()) / torch_counts(F, self, range(1, self.operands[0].rank), lengths, 1)

    def onnx(self, op, x, lengths=None):
        if lengths is not None:
            total = op.ReduceSum(x, op.constant(list(self.space()), "int64"), keepdims=0)
            return op.Div(total, onnx_counts(op, self, range(1, self.operands[0].rank), lengths, 1))
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

    group = "pooling"
    least = 1
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

    def padding_of(self, place, axis):
        return Fill(0, lengths=True) if axis else APART

    def torch(self, F, x, lengths=None):
        pool = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)
        sizes = self.sizes(self.operands[0])
        y = pool[len(sizes) - 1](x, list(sizes))
        if lengths is None:
            return y
        have = self.operands[0]
        varying = self.varying(have)
        steps = F.size(product(have.shape[axis] for axis in varying))
        return y * (steps / torch_counts(F, self, varying, lengths, have.rank).to(F.float32))

    def onnx(self, op, x, lengths=None):
        if lengths is not None:
            have = self.operands[0]
            varying = self.varying(have)
            steps = onnx_cast(op, op.size(product(have.shape[axis] for axis in varying)), "int64", "float")
            scale = op.Div(steps, onnx_counts(op, self, varying, lengths, have.rank))
            return op.Mul(self.onnx(op, x), scale)
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
