"""Decoded rows in batches, and the training, validation and test rows of a run."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dlc.compiler.definitions.sections import PARTS
from dlc.compiler.passes.lengths import length_name
from dlc.runtime.data.columns import unknown_classes
from dlc.runtime.data.rows.field_hash import FieldHash
from dlc.runtime.data.rows.orders import BlockOrder, in_buckets
from dlc.runtime.data.sequences.ragged import Ragged, array_of, distinct_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from dlc.compiler.definitions.sections import Field
    from dlc.compiler.types import Classes
    from dlc.compiler.vocabularies import Vocabulary
    from dlc.runtime.data.columns.float32_precision import PrecisionLoss
    from dlc.runtime.data.columns.unknown_classes import UnknownCounts, UnknownValues
    from dlc.runtime.data.source import Opened

    Batch = dict[str, np.ndarray]  # arrays by field, rows along the first axis
    Order = np.ndarray | BlockOrder  # row numbers, or what makes them block by block


CHUNK = 4096  # rows of a batch that is only inspected
INSPECTED = 1 << 28  # bytes of such a batch
HELD = 1 << 28  # bytes of windows, which share their rows, that are held as arrays


class ArrayType(NamedTuple):
    """The dtype and shape of one row of an array."""

    dtype: np.dtype
    shape: tuple[int, ...]


class Rows(ABC):
    """Rows by the name of the input or target. They are read in batches, in any number of passes.

    `count` is None if all inputs are drawn. `drawn` lists the inputs that are drawn anew for every batch
    because the source has no values for them; `types` and `batches` do not contain them. `precision_losses`
    lists the columns of each field whose differences are lost in float32.

    The rows of a field have one shape, or differ in length. Then `types` has the maximum length, `order`
    groups rows of similar length, and `batches` pads each batch to its longest row: callers read the shape of
    a batch from its arrays. `length_names` are the names of the lengths of sequences, as `x_length`; they are
    fields of a batch too, if they are asked for.
    """

    count: int | None
    drawn: Mapping[str, Field] = MappingProxyType({})
    length_names: Mapping[str, str] = MappingProxyType({})  # by field
    lengths: Mapping[str, np.ndarray] = MappingProxyType({})  # of all rows, by these names
    precision_losses: Mapping[str, tuple[PrecisionLoss, ...]] = MappingProxyType({})

    def place(self, row: int) -> str:
        """The source location of a row."""
        return f"row {row + 1}"

    @property
    @abstractmethod
    def types(self) -> Mapping[str, ArrayType]:
        """The dtype and the shape of one row, for each field."""

    @abstractmethod
    def batches(self, sizes: int | Sequence[int], fields: Iterable[str] | None = None,
                order: Order | None = None, start: int = 0) -> Iterator[Batch]:  # fmt: skip
        """One pass over the rows in batches of these sizes, beginning with batch `start`. A single size is
        the maximum for all batches. `fields` defaults to all fields; `order` is a permutation of the row
        numbers or comes from `order`, and defaults to the order of the source."""

    @abstractmethod
    def with_fields(self, fields: Iterable[str], compute: Callable[[Batch], Batch]) -> Rows:
        """The same rows with additional fields, which `compute` makes from a batch of `fields`."""

    def order(self, permutation: Callable[[int], np.ndarray], batch: int = 1) -> Order:
        """The order of the rows in one epoch, for batches of about this size. `permutation(n)` gives a random
        permutation of 0 to n-1. A source that reads blocks permutes its blocks, and then the rows in each
        block."""
        return permutation(self.count or 0)

    @property
    def in_blocks(self) -> bool:
        """Whether they are shuffled in blocks, as rows past memory are."""
        return False

    def held(self) -> Mapping[str, np.ndarray] | None:
        """Whole arrays, rows along the first axis; None if not all rows are in memory."""
        return None

    def stretches(self, most: int) -> Rows | None:
        """The distinct stretches of at most `most` successive rows within windows; None if rows are no
        windows."""
        return None

    def unknown_values(self) -> list[UnknownValues]:
        """The class inputs that have missing values or values outside of their classes."""
        return []

    def chunks(self, field: str) -> Iterator[np.ndarray]:
        """All values of a field, in chunks of rows."""
        return (batch[field] for batch in self.batches(self.inspected([field]), [field]))

    def hashes(self) -> Mapping[str, str]:
        """The hash of the values of each field."""
        found = {name: FieldHash() for name in self.types}
        for batch in self.batches(self.inspected(found), found):
            for name, values in batch.items():
                found[name].add(values)
        return {name: of.hexdigest() for name, of in found.items()}

    def inspected(self, fields: Iterable[str]) -> int:
        """The rows of a batch that is only inspected: fewer if they are large, as long windows are."""
        types = [type for name, type in self.types.items() if name in {*fields}]
        size = sum(type.dtype.itemsize * prod(type.shape) for type in types)
        return max(min(CHUNK, INSPECTED // max(size, 1)), 1)

    def head(self, count: int, fields: Iterable[str] | None = None) -> InMemoryRows:
        """The first `count` rows, or all rows if there are fewer."""
        count = min(count, self.count or 0)
        [arrays] = self.batches([count], fields)
        return InMemoryRows(arrays, count)

    def take(self, index: np.ndarray) -> InMemoryRows:
        """The rows with these numbers."""
        [arrays] = self.batches([len(index)], order=index)
        lengths = {name: of[index] for name, of in self.lengths.items()}
        return InMemoryRows(arrays, len(index), drawn=self.drawn, lengths=lengths)


class InMemoryRows(dict[str, "np.ndarray | Ragged"], Rows):
    """Rows in memory: one array for each field, rows along the first axis; `Ragged` rows where they differ in
    length. `lengths` are the lengths of sequences by name.

    `class_indices` has the class indices of each class input that has values outside of its classes; unknown
    and missing values differ there. `examples` has some of the unknown values as text. `notes` count the rows
    that were left out. `numbers` are those of the rows in the source, None for all: of a window that of its
    last row, of a series that of its first row.
    """

    notes: tuple[str, ...] = ()
    what: str = "row"  # what a row is: a row of a table, a window or a series

    def __init__(self, arrays: Mapping[str, np.ndarray | Ragged], count: int | None,
                 origin: Opened | None = None, index: np.ndarray | None = None,
                 drawn: Mapping[str, Field] | None = None,
                 class_indices: Mapping[str, np.ndarray | Ragged] | None = None,
                 examples: Mapping[str, tuple[str, ...]] | None = None,
                 precision_losses: Mapping[str, tuple[PrecisionLoss, ...]] | None = None,
                 lengths: Mapping[str, np.ndarray] | None = None) -> None:  # fmt: skip
        super().__init__(arrays)
        self.count = count
        self.drawn = dict(drawn or {})
        self._origin, self.numbers = origin, index
        self._class_indices, self._examples = dict(class_indices or {}), dict(examples or {})
        self.precision_losses = dict(precision_losses or {})
        self.lengths = dict(lengths or {})
        self.length_names = {n: length_name(n) for n in self if length_name(n) in self.lengths}

    @property
    def types(self) -> Mapping[str, ArrayType]:
        return {name: ArrayType(array.dtype, array.shape[1:]) for name, array in self.items()}

    def batches(self, sizes: int | Sequence[int], fields: Iterable[str] | None = None,
                order: Order | None = None, start: int = 0) -> Iterator[Batch]:  # fmt: skip
        names = list(self if fields is None else fields)
        sizes = batch_sizes(self.count or 0, sizes) if isinstance(sizes, int) else sizes
        assert not isinstance(order, BlockOrder), "the order of other rows"
        first = sum(sizes[:start])
        for size in sizes[start:]:
            part = slice(first, first + size)
            rows = part if order is None else order[part]
            yield {
                name: array_of((self[name] if name in self else self.lengths[name])[rows]) for name in names
            }
            first += size

    def order(self, permutation: Callable[[int], np.ndarray], batch: int = 1) -> np.ndarray:
        """Rows of similar length are in the same batch: in each pool of `POOL` batches of random rows, the
        rows are sorted by length, and the batches are shuffled."""
        order = permutation(self.count or 0)
        ragged = [a.lengths for a in self.values() if isinstance(a, Ragged) and not a.is_uniform]
        if not ragged:
            return order
        return in_buckets(order, np.sum(ragged, axis=0), batch, permutation)

    def with_fields(self, fields: Iterable[str], compute: Callable[[Batch], Batch]) -> InMemoryRows:
        names = list(fields)
        made = [compute(batch) for batch in self.batches(self.inspected(names), names)]
        made = made or [compute({name: array_of(self[name][:0]) for name in names})]
        arrays: dict[str, np.ndarray | Ragged] = {n: np.concatenate([b[n] for b in made]) for n in made[0]}
        if taken := self.keys() & arrays.keys():
            raise ValueError(f"the rows have {', '.join(sorted(taken))} already")
        return self.with_arrays(arrays, {})

    def with_arrays(
        self, arrays: Mapping[str, np.ndarray | Ragged], lengths: Mapping[str, np.ndarray]
    ) -> InMemoryRows:
        """The same rows with additional fields, and the lengths of those that differ in length."""
        made = InMemoryRows({**self, **arrays}, self.count, self._origin, self.numbers, self.drawn,
                            self._class_indices, self._examples, self.precision_losses,
                            {**self.lengths, **lengths})  # fmt: skip
        made.notes, made.what = self.notes, self.what
        return made

    def held(self) -> Mapping[str, np.ndarray] | None:
        ragged = [array for array in self.values() if isinstance(array, Ragged)]
        if not all(array.is_uniform for array in ragged) or sum(array.nbytes for array in ragged) > HELD:
            return None
        return {name: array_of(array) for name, array in {**self, **self.lengths}.items()}

    def head(self, count: int, fields: Iterable[str] | None = None) -> InMemoryRows:
        rows = self.take(np.arange(min(count, self.count or 0)))
        return rows if fields is None else rows.only(fields)

    def only(self, fields: Iterable[str]) -> InMemoryRows:
        """The same rows with some of their fields."""
        kept = {name: self[name] for name in fields}
        return InMemoryRows(kept, self.count, self._origin, self.numbers, lengths=self.lengths)

    def take(self, index: np.ndarray) -> InMemoryRows:
        arrays = {name: array[index] for name, array in self.items()}
        class_indices = {name: array[index] for name, array in self._class_indices.items()}
        lengths = {name: of[index] for name, of in self.lengths.items()}
        numbers = index if self.numbers is None else self.numbers[index]
        return InMemoryRows(arrays, len(index), self._origin, numbers, self.drawn, class_indices, None,
                            self.precision_losses, lengths)  # fmt: skip

    def stretches(self, most: int) -> InMemoryRows | None:
        windows = {n: a for n, a in self.items() if isinstance(a, Ragged) and a.is_uniform}
        if not windows or not self.count:
            return None
        longest = max(windows.values(), key=lambda array: array.lengths[0])
        alike = {n: a.stretches(most) for n, a in windows.items() if np.array_equal(a.starts, longest.starts)
                 and a.lengths[0] == longest.lengths[0]}  # fmt: skip
        return InMemoryRows(alike, len(next(iter(alike.values()))))

    def hashes(self) -> Mapping[str, str]:
        found = {name: FieldHash() for name in self}
        for name, values in self.items():
            size = self.inspected([name])
            for start in range(0, len(values), size):
                found[name].add(values[start : start + size])
        return {name: of.hexdigest() for name, of in found.items()}

    def unknown_values(self) -> list[UnknownValues]:
        found = (
            unknown_classes.count(n, distinct_steps(p), self._examples.get(n, ()))
            for n, p in self._class_indices.items()
        )
        return [some for some in found if some]

    def count_unknown(self, counts: UnknownCounts, step: int | None = None) -> None:
        """Count the values of class inputs that are missing or outside of their classes. With `step`, the
        rows are windows that follow others: all but `step` steps of the first one are counted already."""
        for name in counts.names & self.keys():
            array, indices = self[name], self._class_indices.get(name)
            new = slice(None)
            if isinstance(array, Ragged) and step is not None and len(array):
                new = slice(max(int(array.lengths[0]) - step, 0), None)
            found = None if indices is None else distinct_steps(indices)[new]
            counts.add(name, distinct_steps(array)[new].size, found, self._examples.get(name, ()))

    def part(self, start: int, stop: int) -> InMemoryRows:
        """Successive rows, which share the memory of all; only their fields and lengths."""
        lengths = {name: of[start:stop] for name, of in self.lengths.items()}
        arrays = {name: array[start:stop] for name, array in self.items()}
        return InMemoryRows(arrays, stop - start, lengths=lengths)

    def place(self, row: int) -> str:
        """The source location of a row: `data/census.csv, row 17 (line 18)`."""
        number = row if self.numbers is None else int(self.numbers[row])
        if self._origin is None:
            return super().place(number)
        file, [number] = self._origin.at([number])
        return file.where(number)


def batch_sizes(count: int, size: int) -> list[int]:
    """The batch sizes for `count` rows; the last batch may be smaller."""
    return [min(size, count - start) for start in range(0, count, size)]


@dataclass(frozen=True)
class Dataset:
    """The rows of a run. A part that was not requested, or that has no rows, is None."""

    train: Rows | None = None
    validation: Rows | None = None
    test: Rows | None = None
    classes: Mapping[str, Classes] = field(default_factory=dict)  # of class(auto), by field
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # read for each field
    units: Mapping[str, str] = field(default_factory=dict)  # of the fields that were cut from texts
    notes: tuple[str, ...] = ()  # the numbers of rows that were left out
    lengths: frozenset[str] = frozenset()  # the free dimensions along which rows differ in length
    vocabularies: Mapping[str, Vocabulary] = field(default_factory=dict)  # by key

    def parts(self) -> Iterator[tuple[str, Rows]]:
        for name in PARTS:
            rows = getattr(self, name)
            if rows is not None:
                yield name, rows

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the hashes of all fields. It is the same on every machine, does not depend on paths, and
        does not depend on whether the rows are in memory."""
        digest = hashlib.sha256()
        for part, rows in self.parts():
            hashes = self.field_hashes[part]
            for name, type in sorted(rows.types.items()):
                dtype, shape = type.dtype, (rows.count, *type.shape)
                digest.update(
                    f"{part} {name} {dtype.kind}{dtype.itemsize} {shape}\n{hashes[name]}\n".encode()
                )
        return digest.hexdigest()

    @cached_property
    def field_hashes(self) -> dict[str, dict[str, Any]]:
        """The number of rows of each part, and the hash of each of its fields, to say what differs from other
        rows."""
        return {part: {"rows": rows.count, **rows.hashes()} for part, rows in self.parts()}


def spread_out(rows: Rows, most: int) -> np.ndarray:
    """The numbers of at most so many rows, at equal distances."""
    count = rows.count or 0
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))
