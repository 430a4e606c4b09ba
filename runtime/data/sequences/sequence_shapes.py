"""The shapes of fields whose rows differ in length, and the lengths of their dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.dims import dim
from dlc.compiler.lower.dim_bindings import as_linear
from dlc.runtime.data import data_errors
from dlc.runtime.data.columns.conversion import refusal
from dlc.runtime.data.sequences.ragged import Ragged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dlc.compiler.dims.dim import Size
    from dlc.compiler.types import Tensor
    from dlc.runtime.data.source import Column

Lengths = dict[str, Any]  # of free dimensions: one number, or one for each row


MAX_LENGTH = np.iinfo(np.int64).max


def sequence_axis(declared: Tensor, columns: Sequence[Column]) -> int | None:
    """The sample axis on which the steps of columns stand; None if their shape does not fit the type.

    Steps stand on the first axis, or on the second one if that alone is free: `[channels, time]`.
    """
    step = step_shape(columns)
    for axis in range(min(declared.rank, 2)):
        rest = (*declared.shape[:axis], *declared.shape[axis + 1 :])
        if axis and not isinstance(declared.shape[axis], dim.Dim):
            continue
        if len(rest) == len(step) and all(dim.same(size, n) for size, n in zip(rest, step, strict=True)):
            return axis
    return None


def step_shape(columns: Sequence[Column]) -> tuple[int, ...]:
    """The shape of one step of a field that these columns fill."""
    first = columns[0]
    shape = first.shape if first.is_text else first.values.shape[1:]
    return shape if len(columns) == 1 else (len(columns), *shape)


def check_lengths(
    declared: Tensor, columns: Sequence[Column], axis: int, known: Lengths, *, has_end: bool = False
) -> None:
    """Refuse rows whose columns differ in length, and rows that are not as long as the type says. `known` has
    the lengths of dimensions in the fields before, and gets those of this one. Lengths include the end, if
    the field `has_end`."""
    lengths = columns[0].lengths
    assert lengths is not None
    for other in columns[1:]:
        refuse(lengths != other.lengths, "its columns differ in length: the first has {} steps", lengths)
    size = declared.shape[axis]
    if not isinstance(size, dim.Dim):
        given = ~columns[0].missing_rows if columns[0].cut else True  # a missing text may be left out
        refuse((lengths != size) & given, f"its length is {{}}, and {size} is wanted", lengths)
        return
    names = dim.names(size)
    if names <= known.keys():
        wanted = np.broadcast_to(dim.evaluate(size, known), lengths.shape)
        own = "its length with the end" if has_end else "its length"
        what = f"{own} is {{}}, and `{size}` is {{}} in the fields before it"
        refuse(lengths != wanted, what, lengths, wanted)
    elif (solved := solve(size, lengths)) is not None:
        refuse(lengths != dim.evaluate(size, solved), f"its length is {{}}, which `{size}` never is", lengths)
        known.update(solved)


def refuse(bad: np.ndarray, what: str, *numbers: np.ndarray) -> None:
    """Refuse rows, with the numbers of the first one."""
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise refusal(data_errors.SHAPE, what.format(*(int(n[first]) for n in numbers)), bad)


def solve(size: Size, lengths: np.ndarray) -> Lengths | None:
    """The lengths of the only dimension in a size, from those of an axis; None if there are several."""
    for name in dim.names(size):
        linear = as_linear(size, name)
        if linear is not None:
            scale, offset = linear
            return {name: (lengths - offset) // scale}
    return None


def varying(lengths: Mapping[str, Any]) -> frozenset[str]:
    """The dimensions along which rows differ in length."""
    return frozenset(n for n, of in lengths.items() if np.min(of, initial=MAX_LENGTH) < np.max(of, initial=0))


def joined(values: np.ndarray, lengths: np.ndarray, axis: int) -> np.ndarray | Ragged:
    """The steps of all rows as an array if the rows are equally long, else as ragged rows."""
    if len(lengths) and lengths.min() != lengths.max():
        return Ragged(values, lengths, axis)
    steps = int(lengths[0]) if len(lengths) else 0
    made = values.reshape(len(lengths), steps, *values.shape[1:])
    return np.moveaxis(made, 1, axis + 1)
