"""Rows of equal length, which need no padding: for models that take one length for a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dlc.compiler.dims.dim import is_free
from dlc.compiler.passes.lengths import length_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.types import Tensor

    Batch = Mapping[str, np.ndarray]


class EqualRows(NamedTuple):
    """The numbers of rows that are equally long, and their length in each field that has one."""

    rows: np.ndarray
    lengths: Mapping[str, int]

    def of(self, types: Mapping[str, Tensor], batch: Batch) -> dict[str, np.ndarray]:
        """These rows of the fields of a padded batch, without padding; and their lengths."""
        made = {name: self.cut(name, type, batch[name]) for name, type in types.items()}
        lengths = {length_name(name): length for name, length in self.lengths.items()}
        return made | {n: np.full(len(self.rows), length, np.int64) for n, length in lengths.items()}

    def cut(self, name: str, type: Tensor, values: np.ndarray) -> np.ndarray:
        """These rows of a field without padding, which is along its first free dimension."""
        axis = next((axis for axis, size in enumerate(type.shape) if is_free(size)), None)
        if name not in self.lengths or axis is None:
            return values[self.rows]
        return values[(self.rows, *[slice(None)] * axis, slice(self.lengths[name]))]


def equally_long(types: Mapping[str, Tensor], lengths: Batch, count: int) -> list[EqualRows]:
    """The rows in groups of equal length in every field of these types, the largest group first. `lengths`
    are the lengths of rows by name, as `x_length`."""
    found = {name: lengths[length_name(name)] for name in types if length_name(name) in lengths}
    if not found or not count:
        return [EqualRows(np.arange(count), {name: 0 for name in found})]
    table = np.stack([*found.values()])
    keys, of_row, counts = np.unique(table, axis=1, return_inverse=True, return_counts=True)
    groups = np.argsort(-counts, kind="stable")
    rows = [np.flatnonzero(of_row.ravel() == group) for group in groups]
    named = [dict(zip(found, keys[:, group].tolist(), strict=True)) for group in groups]
    return [EqualRows(*group) for group in zip(rows, named, strict=True)]


def in_order(rows: list[np.ndarray], parts: list[np.ndarray]) -> np.ndarray | list[np.ndarray]:
    """The results of groups of rows in the order of the rows: one array, or a list of the results of each row
    if they differ in shape."""
    order = np.argsort(np.concatenate(rows), kind="stable")
    if len({part.shape[1:] for part in parts}) == 1:
        return np.concatenate(parts)[order]
    single = [row for part in parts for row in part]
    return [single[place] for place in order]
