"""Windows that slide over space axes: the sizes and pads that convolutions and pooling share.

A tensor of windows is `[channels, ...space axes]`, one to three of them.
"""

from __future__ import annotations

from math import isqrt
from typing import Any

from dlc.compiler.dims.dim import Size, has_free
from dlc.compiler.operators.base import Reject
from dlc.compiler.types import Tensor

Pads = list[tuple[Size, Size]]  # before and after, for each space axis


def need_known(size: Size, setting: str) -> None:
    """Reject a free dimension as a setting that gives weights their shape."""
    if has_free(size):
        raise Reject(f"`{setting}` gives the weights their shape and cannot be the free dimension `{size}`",
                     at=setting, help="give it a number, or a `param`", code="E0403")  # fmt: skip


def need_space(x: Tensor, what: str) -> int:
    """The number of space axes; `Reject` unless there are one to three, behind channels of known size."""
    if not 2 <= x.rank <= 4:
        raise Reject(f"`{what}` needs [channels, ...] with one to three space axes, found {x}",
                     at="x", help=reshape_hint(x))  # fmt: skip
    if has_free(x.shape[0]):
        raise Reject(f"`{what}` needs channels of known number on axis 0, found {x}",
                     at="x", help="channels come first: `transpose(...)` brings them there")  # fmt: skip
    return x.rank - 1


def reshape_hint(x: Tensor) -> str:
    if x.rank > 4:
        return "join axes with `reshape(...)` first"
    size = x.shape[0] if x.rank else 1
    side = isqrt(size) if isinstance(size, int) else 0
    shape = f"1, {side}, {side}" if side > 1 and side * side == size else "channels, height, width"
    return f"`reshape({shape})` first, if it is an image, or `reshape(1, {size})`, if it is a signal"


def extents(kernel: tuple[int, ...], dilation: tuple[int, ...]) -> list[int]:
    """How far a window reaches on each axis."""
    return [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]


def slide(x: Tensor, what: str, extent: list[int], stride: tuple[int, ...], pads: Pads) -> list[Size]:
    """The space axes of the result: `(size + pads - extent) // stride + 1`;
    `Reject` where nothing is left."""
    made = []
    for size, reach, step, (before, after) in zip(x.shape[1:], extent, stride, pads, strict=True):
        padded = size + before + after
        if isinstance(padded, int) and padded < reach:
            found = f"{size} with padding {before} and {after}" if before or after else size
            raise Reject(f"the window of `{what}` reaches over {reach}, more than an axis of "
                         f"{x} has: {found}", at="x",
                         help="take a smaller kernel or more padding, or shrink the input less "
                              "before")  # fmt: skip
        made.append((padded - reach) // step + 1)
    return made


def same_pads(size: Size, extent: int, stride: int) -> tuple[Size, Size]:
    """The pads that keep `ceil(size / stride)`, the odd one behind.

    In all they are `max(extent - 1 - (size - 1) % stride, 0)`. A free size is no matter where this
    is linear in the remainder: `extent >= stride`, or a window of a single value.
    """
    if extent == 1:
        return 0, 0
    if isinstance(size, int):
        total = max(extent - 1 - (size - 1) % stride, 0)
    elif extent >= stride:
        total = extent - 1 - (size - 1) % stride
    else:
        raise Reject(f"`padding=same` over the free dimension `{size}` needs a kernel that reaches at least "
                     f"as far as the stride, {stride}; this one reaches over {extent}", at="padding",
                     help="give the padding as a number, or take a smaller stride")  # fmt: skip
    before = total // 2
    return before, total - before


def are_even(pads: Pads) -> bool:
    """Whether both ends of each axis get the same known number, as PyTorch's convolutions take it."""
    return all(isinstance(before, int) and before == after for before, after in pads)


def pad_torch(F: Any, x: Any, pads: Pads) -> Any:
    return F.pad(x, [F.size(p) for pair in reversed(pads) for p in pair])


def pad_onnx(op: Any, x: Any, pads: Pads) -> Any:
    """Zeros around the space axes, in numbers that are known only when the model runs."""
    sizes = [0, 0, *(before for before, _ in pads), 0, 0, *(after for _, after in pads)]
    first = op.constant([0], "int64")
    parts = [
        op.constant([s], "int64") if isinstance(s, int) else op.Unsqueeze(op.size(s), first) for s in sizes
    ]
    return op.Pad(x, op.Concat(*parts, axis=0))


def no_pads(axes: int) -> Pads:
    return [(0, 0) for _ in range(axes)]


def onnx_pads(pads: Pads) -> list[Size]:
    """In ONNX's order: all befores, then all afters."""
    return [before for before, _ in pads] + [after for _, after in pads]
