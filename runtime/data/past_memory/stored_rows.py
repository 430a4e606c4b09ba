"""Rows in a store on the disk, of which only some are in memory at a time."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from dlc.runtime.data.rows.dataset import CHUNK, ArrayType, Rows, batch_sizes
from dlc.runtime.data.rows.orders import BlockOrder
from dlc.runtime.data.sequences.ragged import Ragged, array_of, joined_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from dlc.compiler.definitions.sections import Field
    from dlc.runtime.data.columns.float32_precision import PrecisionLoss
    from dlc.runtime.data.columns.unknown_classes import UnknownValues
    from dlc.runtime.data.rows.dataset import Batch, Order
    from dlc.runtime.data.source import Opened
    from dlc.runtime.data.store.reader import Columns, StoredFiles

SPAN = 1 << 24  # bytes of rows that are read at a time in stored order


class StoredRows(Rows):
    """Rows in a store. `origin` is their source, which names them in messages. `length_names` are the names
    of the lengths of the fields that have a free axis, by field; `made` are fields that are computed when
    rows are read."""

    def __init__(self, files: StoredFiles, origin: Opened, length_names: Mapping[str, str] | None = None, *,
                 drawn: Mapping[str, Field] | None = None, unknown: Sequence[UnknownValues] = (),
                 precision_losses: Mapping[str, tuple[PrecisionLoss, ...]] | None = None,
                 made: Sequence[MadeFields] = ()) -> None:  # fmt: skip
        self.count, self.drawn = files.part.count, dict(drawn or {})
        self.precision_losses = dict(precision_losses or {})
        self.length_names = dict(length_names or {})
        self._files, self._origin, self._unknown, self._made = files, origin, list(unknown), tuple(made)
        own = {f.name: ArrayType(_dtype(f.kind, f.dtype), files.shape(f.name)) for f in files.fields}
        self._types = own | {name: type for each in made for name, type in each.types.items()}
        self.lengths = {of: self._lengths(name) for name, of in self.length_names.items()}

    @property
    def types(self) -> Mapping[str, ArrayType]:
        return self._types

    def _lengths(self, name: str) -> np.ndarray:
        if self._files.is_ragged(name):
            return self._files.lengths(name)
        length = self._types[name].shape[self._files.axis(name)]
        return np.broadcast_to(np.array(length, np.int64), (self.count or 0,))

    def batches(self, sizes: int | Sequence[int], fields: Iterable[str] | None = None,
                order: Order | None = None, start: int = 0) -> Iterator[Batch]:  # fmt: skip
        names = list(self._types if fields is None else fields)
        sizes = batch_sizes(self.count or 0, sizes) if isinstance(sizes, int) else sizes
        first, count = sum(sizes[:start]), sum(sizes[start:])
        if order is None:
            found = self._in_order(first, first + count, names)
        elif isinstance(order, BlockOrder):
            found = self._shuffled(order, first, names)
        else:
            found = self._picked(order[first : first + count], names)
        return in_batches(found, sizes[start:], names)

    @property
    def in_blocks(self) -> bool:
        return True

    def order(self, permutation: Callable[[int], np.ndarray], batch: int = 1) -> BlockOrder:
        """Blocks in random order, which are shuffled together in pools."""
        return BlockOrder.drawn(self.count or 0, self._files.row_bytes, permutation, batch)

    def with_fields(self, fields: Iterable[str], compute: Callable[[Batch], Batch]) -> StoredRows:
        """The fields are computed each time that their rows are read."""
        added = MadeFields(self, list(fields), compute)
        if taken := self._types.keys() & added.types.keys():
            raise ValueError(f"the rows have {', '.join(sorted(taken))} already")
        return StoredRows(
            self._files, self._origin, self.length_names, drawn=self.drawn, unknown=self._unknown,
            precision_losses=self.precision_losses, made=(*self._made, added),
        )  # fmt: skip

    def hashes(self) -> Mapping[str, str]:
        return self._files.part.hashes

    def unknown_values(self) -> list[UnknownValues]:
        return self._unknown

    def place(self, row: int) -> str:
        [number] = self._files.numbers(row, row + 1)
        return self._origin.where(int(number))

    # --- reading ------------------------------------------------------------------------------------------

    def _in_order(self, start: int, stop: int, names: Sequence[str]) -> Iterator[Columns]:
        step = max(SPAN // self._files.row_bytes, 1)
        for first in range(start, stop, step):
            yield self._rows([(first, min(first + step, stop))], names)

    def _shuffled(self, order: BlockOrder, first: int, names: Sequence[str]) -> Iterator[Columns]:
        """The rows from `first` on."""
        pools = order.pools(self._uneven)
        pool = next(pools, None)
        while pool is not None:
            following = next(pools, None)
            for block in following.blocks if following else ():
                rows = order.rows(int(block))
                self._files.will_need(rows.start, rows.stop)
            if first < pool.used:
                spans = [(rows.start, rows.stop) for rows in map(order.rows, map(int, pool.blocks))]
                spans += [(row, row + 1) for row in pool.carried.tolist()]
                yield self._rows(spans, names, pool.order[first : pool.used])
            first, pool = max(first - pool.used, 0), following

    def _picked(self, rows: np.ndarray, names: Sequence[str]) -> Iterator[Columns]:
        """Rows by their numbers."""
        for start in range(0, len(rows), CHUNK):
            wanted, places = np.unique(rows[start : start + CHUNK], return_inverse=True)
            begins = np.flatnonzero(np.diff(wanted, prepend=-2) > 1).tolist()
            spans = [(int(wanted[a]), int(wanted[b - 1]) + 1) for a, b in pairwise([*begins, len(wanted)])]
            yield self._rows(spans, names, places)

    def _rows(self, spans: Sequence[tuple[int, int]], names: Sequence[str],
              places: np.ndarray | None = None) -> Columns:  # fmt: skip
        """Fields of the rows of spans, or of those at some places among them."""
        piece = self._files.read(spans, self._read(names))
        return self._complete((piece if places is None else piece.take(places)).columns(), names)

    def _read(self, names: Iterable[str]) -> list[str]:
        """The stored fields that these fields are read or computed from."""
        given = {length: name for name, length in self.length_names.items()}
        read = dict.fromkeys(given.get(name, name) for name in names)
        for made in reversed(self._made):
            if made.types.keys() & read.keys():
                read = dict.fromkeys([*(n for n in read if n not in made.types), *made.fields])
        return [*read]

    def _complete(self, columns: Columns, names: Sequence[str]) -> Columns:
        """These fields: with those that are computed, and the lengths of rows."""
        found = dict(columns)
        for made in self._made:
            if found.keys() >= {*made.fields} and made.types.keys() & {*names, *self._inputs}:
                found |= made.of(found)
        for name, length in self.length_names.items():
            if length in names and name in found:
                values = found[name]
                ragged = isinstance(values, Ragged)
                found[length] = values.lengths if ragged else np.full(len(values), self.lengths[length][0])
        return {name: found[name] for name in names}

    @property
    def _inputs(self) -> set[str]:
        """What fields are computed from."""
        return {name for made in self._made for name in made.fields}

    @property
    def _uneven(self) -> np.ndarray | None:
        """The lengths of the rows, of all fields together, if they differ."""
        found = [self._files.lengths(f.name) for f in self._files.fields if self._files.is_ragged(f.name)]
        differ = [lengths for lengths in found if len(lengths) and (lengths != lengths[0]).any()]
        return np.sum(differ, axis=0) if differ else None


class MadeFields:
    """Fields that `compute` makes from a batch of other fields of these rows."""

    def __init__(self, rows: StoredRows, fields: list[str], compute: Callable[[Batch], Batch]) -> None:
        self.fields, self._compute = fields, compute
        self._rows = rows.inspected(fields)
        [some] = rows.batches([min(1, rows.count or 0)], fields)
        self.types = {name: ArrayType(a.dtype, a.shape[1:]) for name, a in compute(some).items()}

    def of(self, columns: Columns) -> Batch:
        """The fields of some rows."""
        count = len(columns[self.fields[0]])
        spans = [slice(at, at + self._rows) for at in range(0, count, self._rows)]
        parts = [self._compute({n: array_of(columns[n][rows]) for n in self.fields}) for rows in spans]
        return {name: np.concatenate([part[name] for part in parts]) for name in self.types}


def in_batches(found: Iterator[Columns], sizes: Sequence[int], names: Sequence[str]) -> Iterator[Batch]:
    """Rows that come in pieces of any size, in batches of these sizes; padded where they differ in length."""
    piece: Columns = {}
    at = end = 0
    for size in sizes:
        parts: list[Columns] = []
        while size or not parts:
            if at == end and size:
                piece = next(found)
                at, end = 0, len(next(iter(piece.values()), ()))
            step = min(size, end - at)
            parts.append({name: values[at : at + step] for name, values in piece.items()})
            at, size = at + step, size - step
        # copies, because a part of a piece would keep all of it in memory
        batch = {name: array_of(joined_rows([part[name] for part in parts])) for name in names}
        yield {name: np.array(values) for name, values in batch.items()}


def _dtype(kind: str, dtype: str) -> np.dtype:
    return np.dtype(object) if kind == "text" else np.dtype(dtype).newbyteorder("=")
