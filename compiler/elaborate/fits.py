"""The layer that would make one shape fit another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.ir import Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.elaborate.values import Operand
    from dlc.compiler.types import Tensor


def mend(operands: Sequence[Operand]) -> str:
    """What to do with two tensors that cannot be put together, if one layer does it."""
    if len(operands) != 2 or not all(isinstance(o.value, Value) for o in operands):
        return ""
    for one, other in (operands, operands[::-1]):
        layer = between(one.value.type, other.value.type)  # type: ignore[union-attr]
        if layer:
            return (
                f"give it `skip={layer}`"
                if one.span.text == "residual"
                else f"`{layer}` would make {spelled(one)} fit"
            )
    return ""


def between(have: Tensor, want: Tensor) -> str:
    """The layer that leads from one shape to the other, if it keeps its size or shrinks it."""
    if (
        have.rank != want.rank
        or not have.rank
        or not all(isinstance(s, int) for s in (*have.shape, *want.shape))
    ):
        return ""
    if have.rank <= 2:
        return f"dense({want.shape[-1]})" if have.shape[:-1] == want.shape[:-1] else ""
    strides = {-(-a // b) for a, b in zip(have.shape[1:], want.shape[1:], strict=True)}
    stride = strides.pop()
    if (
        strides
        or stride < 1  # type: ignore[operator]
        or any(-(-a // stride) != b for a, b in zip(have.shape[1:], want.shape[1:], strict=True))
    ):
        return ""
    return f"conv({want.shape[0]}, 1)" if stride == 1 else f"conv({want.shape[0]}, 1, stride={stride})"


def spelled(operand: Operand) -> str:
    """The operand as the spec names it, or by its type."""
    text = operand.span.text
    return f"`{text}`" if text.isidentifier() else str(operand.value.type)  # type: ignore[union-attr]
