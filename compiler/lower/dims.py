"""Where free dimensions are read from: an axis of an input that holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.dims import Dim, free, names, same, substitute

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.compiler.dims import Size
    from dlc.compiler.ir import Value


def place_of(name: str, inputs: Iterable[Value]) -> tuple[Value, int, int, int]:
    """An input, the axis of it that is `scale * name + offset`, scale and offset."""
    candidates = []
    for value in inputs:
        for axis, size in enumerate(value.type.shape):
            linear = as_linear(size, name)
            if linear is not None:
                candidates.append((value, value.type.axis(axis), *linear))
    if not candidates:
        raise LookupError(name)
    return min(candidates, key=lambda c: (c[2], abs(c[3])))


def as_linear(size: Size, name: str) -> tuple[int, int] | None:
    """`(a, b)` where the size is `a * name + b`."""
    if not isinstance(size, Dim) or names(size) != {name}:
        return None
    zero, one = substitute(size, {name: 0}), substitute(size, {name: 1})
    if isinstance(zero, Dim) or isinstance(one, Dim) or one <= zero:
        return None
    return (one - zero, zero) if same(size, (one - zero) * free(name) + zero) else None
