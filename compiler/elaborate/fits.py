"""The layer that would make one shape fit another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.dims import fixed
from dlc.compiler.ir import Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.elaborate.values import Operand
    from dlc.compiler.types import Tensor


def mend(operands: Sequence[Operand]) -> str:
    """What to do with two tensors that cannot be put together, if one layer does it."""
    tensors = [(o.span.text, o.value.type) for o in operands if isinstance(o.value, Value)]
    if len(operands) != 2 or len(tensors) != 2:
        return ""
    for (text, have), (_, want) in (tensors, tensors[::-1]):
        layer = between(have, want)
        if layer and text == "residual":
            return f"give it `skip={layer}`"
        if layer:
            return f"`{layer}` would make {f'`{text}`' if text.isidentifier() else have} fit"
    return ""


def between(have: Tensor, want: Tensor) -> str:
    """The layer that leads from one shape to the other, if it keeps its size or shrinks it."""
    old, new = fixed(have.shape), fixed(want.shape)
    if not old or not new or len(old) != len(new):
        return ""
    if len(old) <= 2:
        return f"dense({new[-1]})" if old[:-1] == new[:-1] else ""
    strides = {-(-a // b) for a, b in zip(old[1:], new[1:], strict=True)}
    stride = strides.pop()
    if strides or stride < 1 or any(-(-a // stride) != b for a, b in zip(old[1:], new[1:], strict=True)):
        return ""
    return f"conv({new[0]}, 1)" if stride == 1 else f"conv({new[0]}, 1, stride={stride})"
