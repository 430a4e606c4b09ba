"""Sliding windows over space axes: sizes and padding, for convolutions and pooling.

Operands are `[channels, ...space axes]`, with one to three space axes.
"""

from __future__ import annotations

from math import isqrt
from typing import Any

from dlc.compiler.dims.dim import Size, has_free
from dlc.compiler.operators.base import Reject
from dlc.compiler.types import Tensor

Pads = list[tuple[Size, Size]]  # before and after, for each space axis


def need_known(size: Size, setting: str) -> None:
    """Reject a free dimension in a setting that determines the shape of weights."""
    if has_free(size):
        raise Reject(f"`{setting}` determines the shape of weights and cannot be the free dimension `{size}`",
                     at=setting, help="use a number or a `param`", code="E0403")  # fmt: skip


def need_space(x: Tensor, what: str) -> int:
    """The number of space axes; `Reject` unless one to three of them follow a known number of channels."""
    if not 2 <= x.rank <= 4:
        raise Reject(f"`{what}` needs [channels, ...] with one to three space axes, found {x}",
                     at="x", help=reshape_hint(x))  # fmt: skip
    if has_free(x.shape[0]):
        raise Reject(f"`{what}` needs a known number of channels on axis 0, found {x}",
                     at="x", help="channels come first: `transpose(...)` moves them there")  # fmt: skip
    return x.rank - 1


def reshape_hint(x: Tensor) -> str:
    if x.rank > 4:
        return "join axes with `reshape(...)` first"
    size = x.shape[0] if x.rank else 1
    side = isqrt(size) if isinstance(size, int) else 0
    shape = f"1, {side}, {side}" if side > 1 and side * side == size else "channels, height, width"
    return f"`reshape({shape})` first, if it is an image, or `reshape(1, {size})`, if it is a signal"


def extents(kernel: tuple[int, ...], dilation: tuple[int, ...]) -> list[int]:
    """The size of a dilated window on each axis."""
    return [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]


def slide(x: Tensor, what: str, extent: list[int], stride: tuple[int, ...], pads: Pads) -> list[Size]:
    """The space axes of the result: `(size + pads - extent) // stride + 1`; `Reject` if one is empty."""
    sizes = []
    for size, window, step, (before, after) in zip(x.shape[1:], extent, stride, pads, strict=True):
        padded = size + before + after
        if isinstance(padded, int) and padded < window:
            found = f"{size} with padding {before} and {after}" if before or after else size
            raise Reject(f"the window of `{what}` has size {window}, which is larger than an axis of "
                         f"{x}: {found}", at="x",
                         help="use a smaller kernel or more padding, or reduce the input less "
                              "before")  # fmt: skip
        sizes.append((padded - window) // step + 1)
    return sizes


def same_pads(size: Size, extent: int, stride: int) -> tuple[Size, Size]:
    """The pads that give `ceil(size / stride)`, with the extra one of an odd total at the end.

    The total is `max(extent - 1 - (size - 1) % stride, 0)`. A free size is possible where this is linear in
    the remainder: for `extent >= stride`, or a window of a single value.
    """
    if extent == 1:
        return 0, 0
    if isinstance(size, int):
        total = max(extent - 1 - (size - 1) % stride, 0)
    elif extent >= stride:
        total = extent - 1 - (size - 1) % stride
    else:
        raise Reject(f"`padding=same` over the free dimension `{size}` needs a kernel at least as large as "
                     f"the stride, {stride}; this one has size {extent}", at="padding",
                     help="use a number as the padding, or a smaller stride")  # fmt: skip
    before = total // 2
    return before, total - before


def ceil_pads(size: Size, extent: int, stride: int, padding: int) -> tuple[Size, Size]:
    """The pads with which each window that starts in the axis, or in the padding before it, is a whole window
    (`ceil_mode` of torch, which rounds the number of windows up).

    The starts of windows are the multiples of the stride up to `last`. A few zeros more at the end make no
    further window.
    """
    last = size + padding - 1 - max(extent - padding - stride, 0)
    after = last - last % stride + extent - size - padding
    return padding, max(after, 0) if isinstance(after, int) else after + max(stride - extent, 0)


def are_even(pads: Pads) -> bool:
    """Whether both ends of each axis have the same known padding, as torch convolutions require."""
    return all(isinstance(before, int) and before == after for before, after in pads)


def pad_torch(F: Any, x: Any, pads: Pads) -> Any:
    return F.pad(x, [F.size(p) for pair in reversed(pads) for p in pair])


def pad_onnx(op: Any, x: Any, pads: Pads, value: float = 0) -> Any:
    """A value, zero by default, around the space axes. The pads may be known only at run time."""
    sizes = [0, 0, *(before for before, _ in pads), 0, 0, *(after for _, after in pads)]
    first = op.constant([0], "int64")
    parts = [
        op.constant([s], "int64") if isinstance(s, int) else op.Unsqueeze(op.size(s), first) for s in sizes
    ]
    values = [op.constant(value, "float32")] if value else []
    return op.Pad(x, op.Concat(*parts, axis=0), *values)


def no_pads(axes: int) -> Pads:
    return [(0, 0) for _ in range(axes)]


def onnx_pads(pads: Pads) -> list[Size]:
    """The pads in the order of ONNX: first all starts, then all ends."""
    return [before for before, _ in pads] + [after for _, after in pads]
