"""Rows of equal length, which need no padding: for models that take one length for a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dlc.compiler.passes.lengths import length_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dlc.compiler.types import Tensor

    Batch = Mapping[str, np.ndarray]


class EqualRows(NamedTuple):
    """The numbers of rows whose inputs are equally long, and the lengths of these rows by name, as
    `x_length`. Targets may differ in length."""

    rows: np.ndarray
    lengths: Batch

    def of(self, types: Mapping[str, Tensor], batch: Batch) -> dict[str, np.ndarray]:
        """These rows of the fields of a padded batch, as long as the longest of them; and their lengths."""
        return {name: self.cut(name, type, batch[name]) for name, type in types.items()} | {**self.lengths}

    def stretches(self) -> list[EqualRows]:
        """Groups of rows that follow each other."""
        starts = [0, *np.flatnonzero(np.diff(self.rows) != 1) + 1]
        cuts = map(slice, starts, [*starts[1:], len(self.rows)])
        return [EqualRows(self.rows[cut], {n: of[cut] for n, of in self.lengths.items()}) for cut in cuts]

    def cut(self, name: str, type: Tensor, values: np.ndarray) -> np.ndarray:
        """These rows of a field, as long as the longest of them."""
        axis, lengths = type.free_axis, self.lengths.get(length_name(name))
        if lengths is None or axis is None:
            return values[self.rows]
        return values[(self.rows, *[slice(None)] * axis, slice(int(lengths.max(initial=0))))]


def equally_long(inputs: Iterable[str], lengths: Batch, count: int) -> list[EqualRows]:
    """The rows in groups of equal length in each of these inputs, the largest group first. `lengths` are the
    lengths of rows by name, as `x_length`."""
    found = [lengths[length_name(name)] for name in inputs if length_name(name) in lengths]
    if not found or not count:
        return [EqualRows(np.arange(count), lengths)]
    _, of_row, counts = np.unique(np.stack(found), axis=1, return_inverse=True, return_counts=True)
    groups = [np.flatnonzero(of_row.ravel() == group) for group in np.argsort(-counts, kind="stable")]
    return [EqualRows(rows, {name: of[rows] for name, of in lengths.items()}) for rows in groups]


def in_order(rows: list[np.ndarray], parts: list[np.ndarray]) -> np.ndarray | list[np.ndarray]:
    """The results of groups of rows in the order of the rows: one array, or a list of the results of each row
    if they differ in shape."""
    order = np.argsort(np.concatenate(rows), kind="stable")
    if len({part.shape[1:] for part in parts}) == 1:
        return np.concatenate(parts)[order]
    single = [row for part in parts for row in part]
    return [single[place] for place in order]
