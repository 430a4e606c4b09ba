"""The axes of inputs from which free dimensions are read at run time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.dims.dim import Dim, free, names, same, substitute

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dlc.compiler.dims.dim import Size
    from dlc.compiler.ir.graph import Value

    # An input, the axis with the size `scale * name + offset`, the scale and the offset.
    DimSource = tuple[Value, int, int, int]


def dim_sources(
    inputs: Iterable[Value], known: Mapping[str, DimSource] | None = None
) -> dict[str, DimSource]:
    """The source of each free dimension in a linear axis size of an input, in addition to known sources."""
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
    """`(a, b)` if the size is `a * name + b`."""
    if not isinstance(size, Dim) or names(size) != {name}:
        return None
    zero, one = substitute(size, {name: 0}), substitute(size, {name: 1})
    if isinstance(zero, Dim) or isinstance(one, Dim) or one <= zero:
        return None
    return (one - zero, zero) if same(size, (one - zero) * free(name) + zero) else None
