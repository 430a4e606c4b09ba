"""Rows of equal length, for models that take one length for a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dlc.compiler.dims.dim import is_free
from dlc.compiler.passes.lengths import length_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.types import Tensor


class EqualRows(NamedTuple):
    """The numbers of rows that are equally long, and their length in each field that has one."""

    rows: np.ndarray
    lengths: Mapping[str, int]

    def cut(self, name: str, type: Tensor, values: np.ndarray) -> np.ndarray:
        """These rows of a field without padding. Padding is along its first free dimension."""
        axis = next((axis for axis, size in enumerate(type.shape) if is_free(size)), None)
        if name not in self.lengths or axis is None:
            return values[self.rows]
        return values[(self.rows, *[slice(None)] * axis, slice(self.lengths[name]))]


def equally_long(
    types: Mapping[str, Tensor], lengths: Mapping[str, np.ndarray], count: int
) -> list[EqualRows]:
    """The rows in groups of equal length in every field of these types, the largest group first. `lengths`
    are the lengths of rows by name, as `x_length`."""
    found = {name: lengths[length_name(name)] for name in types if length_name(name) in lengths}
    if not found or not count:
        return [EqualRows(np.arange(count), {})]
    keys, group_of, counts = np.unique(
        np.stack([*found.values()]), axis=1, return_inverse=True, return_counts=True
    )
    return [
        EqualRows(
            np.flatnonzero(group_of.ravel() == group), dict(zip(found, keys[:, group].tolist(), strict=True))
        )
        for group in np.argsort(-counts, kind="stable")
    ]
