"""Where free dimensions are read from: an axis of an input that holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.dims.dim import Dim, free, names, same, substitute

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dlc.compiler.dims.dim import Size
    from dlc.compiler.ir.graph import Value

    # An input, the axis of it that is `scale * name + offset`, scale and offset.
    Place = tuple[Value, int, int, int]


def places(inputs: Iterable[Value], known: Mapping[str, Place] | None = None) -> dict[str, Place]:
    """For each free name that some axis of an input tells, where it is read from, beside what is known."""
    found = dict(known or {})
    for value in inputs:
        for axis, size in enumerate(value.type.shape):
            for name in names(size):
                linear = as_linear(size, name)
                if linear is not None and (name not in found or simpler(linear, found[name][2:])):
                    found[name] = (value, value.type.axis(axis), *linear)
    return found


def simpler(linear: tuple[int, int], other: tuple[int, int]) -> bool:
    return (linear[0], abs(linear[1])) < (other[0], abs(other[1]))


def as_linear(size: Size, name: str) -> tuple[int, int] | None:
    """`(a, b)` where the size is `a * name + b`."""
    if not isinstance(size, Dim) or names(size) != {name}:
        return None
    zero, one = substitute(size, {name: 0}), substitute(size, {name: 1})
    if isinstance(zero, Dim) or isinstance(one, Dim) or one <= zero:
        return None
    return (one - zero, zero) if same(size, (one - zero) * free(name) + zero) else None
