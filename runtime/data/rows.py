"""Decoded rows, given batch by batch, and the three parts that a run works on."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dlc.compiler.definitions.sections import PARTS
from dlc.runtime.data import unknown_classes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from dlc.compiler.definitions.sections import Field
    from dlc.compiler.types import Classes
    from dlc.runtime.data.float32_precision import Coarse
    from dlc.runtime.data.source import Opened
    from dlc.runtime.data.unknown_classes import Outside

    Batch = dict[str, np.ndarray]  # arrays by field, rows along the first axis


CHUNK = 4096  # rows of a batch that is only looked at


class ArrayType(NamedTuple):
    """What an array of one row holds."""

    dtype: np.dtype
    shape: tuple[int, ...]


class Rows(ABC):
    """Rows by the name of the input or target, given batch by batch, in as many passes as are asked for.

    `count` is none where everything is drawn. `drawn` are the inputs that the source has no values for: they
    are drawn anew for every batch, and `types` and `batches` are without them. `coarse` are the columns of a
    field whose differences float32 loses.

    All rows of a field have one shape. Where they come to differ in length, `types` tells the longest,
    `order` keeps rows of a like length together, and `batches` pads each batch to its own longest row: who
    takes a batch reads its shape from its arrays.
    """

    count: int | None
    drawn: Mapping[str, Field] = MappingProxyType({})
    coarse: Mapping[str, tuple[Coarse, ...]] = MappingProxyType({})

    @property
    @abstractmethod
    def types(self) -> Mapping[str, ArrayType]:
        """What the arrays of each field hold, for one row."""

    @abstractmethod
    def batches(self, sizes: int | Sequence[int], fields: Iterable[str] | None = None,
                order: np.ndarray | None = None, start: int = 0) -> Iterator[Batch]:  # fmt: skip
        """A pass over the rows: batches of these sizes, from number `start` on, with these fields (all if
        none); where one size is given, of at most so many rows. They come as they stand, or in an `order` of
        their numbers."""

    @abstractmethod
    def beside(self, fields: Iterable[str], compute: Callable[[Batch], Batch]) -> Rows:
        """The same rows with more fields, under new names, computed of a batch of these."""

    def order(self, permutation: Callable[[int], np.ndarray]) -> np.ndarray:
        """The order of one epoch. `permutation(n)` draws the numbers 0 to n-1; a source that reads whole
        blocks draws the order of its blocks, and then of the rows in each."""
        return permutation(self.count or 0)

    def held(self) -> Mapping[str, np.ndarray] | None:
        """Whole arrays, rows along the first axis; none where not all rows are in memory."""
        return None

    def outside(self) -> list[Outside]:
        """The class inputs of which some values are none of the classes, or are missing."""
        return []

    def chunks(self, field: str) -> Iterator[np.ndarray]:
        """All values of a field, some rows at a time."""
        return (batch[field] for batch in self.batches(CHUNK, [field]))

    def head(self, count: int, fields: Iterable[str] | None = None) -> InMemoryRows:
        """The first rows, at most so many."""
        count = min(count, self.count or 0)
        [arrays] = self.batches([count], fields)
        return InMemoryRows(arrays, count)

    def take(self, index: np.ndarray) -> InMemoryRows:
        """The rows with these numbers."""
        [arrays] = self.batches([len(index)], order=index)
        return InMemoryRows(arrays, len(index), drawn=self.drawn)


class InMemoryRows(dict[str, np.ndarray], Rows):
    """Rows as one array a field, rows along the first axis.

    `places` are those of class inputs of which some values are outside of the classes, told from missing
    ones; `examples` are some of them as text.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], count: int | None, origin: Opened | None = None,
                 index: np.ndarray | None = None, drawn: Mapping[str, Field] | None = None,
                 places: Mapping[str, np.ndarray] | None = None,
                 examples: Mapping[str, tuple[str, ...]] | None = None,
                 coarse: Mapping[str, tuple[Coarse, ...]] | None = None) -> None:  # fmt: skip
        super().__init__(arrays)
        self.count = count
        self.drawn = dict(drawn or {})
        self._origin, self._index = origin, index
        self._places, self._examples = dict(places or {}), dict(examples or {})
        self.coarse = dict(coarse or {})

    @property
    def types(self) -> Mapping[str, ArrayType]:
        return {name: ArrayType(array.dtype, array.shape[1:]) for name, array in self.items()}

    def batches(self, sizes: int | Sequence[int], fields: Iterable[str] | None = None,
                order: np.ndarray | None = None, start: int = 0) -> Iterator[Batch]:  # fmt: skip
        names = list(self if fields is None else fields)
        sizes = cut(self.count or 0, sizes) if isinstance(sizes, int) else sizes
        first = sum(sizes[:start])
        for size in sizes[start:]:
            part = slice(first, first + size)
            yield {name: self[name][part if order is None else order[part]] for name in names}
            first += size

    def beside(self, fields: Iterable[str], compute: Callable[[Batch], Batch]) -> InMemoryRows:
        names = list(fields)
        made = [compute(batch) for batch in self.batches(CHUNK, names)]
        made = made or [compute({name: self[name][:0] for name in names})]
        arrays = {name: np.concatenate([batch[name] for batch in made]) for name in made[0]}
        if taken := self.keys() & arrays.keys():
            raise ValueError(f"the rows have {', '.join(sorted(taken))} already")
        return InMemoryRows({**self, **arrays}, self.count, self._origin, self._index, self.drawn,
                            self._places, self._examples, self.coarse)  # fmt: skip

    def held(self) -> Mapping[str, np.ndarray]:
        return self

    def take(self, index: np.ndarray) -> InMemoryRows:
        arrays = {name: array[index] for name, array in self.items()}
        places = {name: array[index] for name, array in self._places.items()}
        numbers = index if self._index is None else self._index[index]
        return InMemoryRows(arrays, len(index), self._origin, numbers, self.drawn, places, None, self.coarse)

    def outside(self) -> list[Outside]:
        found = (unknown_classes.count(n, p, self._examples.get(n, ())) for n, p in self._places.items())
        return [some for some in found if some]

    def place(self, row: int) -> str:
        """Where a row came from, in words: `data/census.csv, row 17 (line 18)`."""
        number = row if self._index is None else int(self._index[row])
        return f"{self._origin.file}, {self._origin.row(number)}" if self._origin else f"row {number + 1}"


def cut(count: int, size: int) -> list[int]:
    """So many rows in batches of one size; the last may be short."""
    return [min(size, count - start) for start in range(0, count, size)]


@dataclass(frozen=True)
class Dataset:
    """What a run learns from and is measured on. A part that was not asked for, or has no rows, is none."""

    train: Rows | None = None
    validation: Rows | None = None
    test: Rows | None = None
    classes: Mapping[str, Classes] = field(default_factory=dict)  # of class(auto), by where they are found
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # what each field was read from

    def parts(self) -> Iterator[tuple[str, Rows]]:
        for name in PARTS:
            rows = getattr(self, name)
            if rows is not None:
                yield name, rows

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the decoded values, the same on every machine and wherever the files lie. Each field is
        a pass of its own, as all of its values come before those of the next."""
        digest = hashlib.sha256()
        for part, rows in self.parts():
            for name, type in sorted(rows.types.items()):
                dtype, shape = type.dtype, (rows.count, *type.shape)
                digest.update(f"{part} {name} {dtype.kind}{dtype.itemsize} {shape}\n".encode())
                for values in rows.chunks(name):
                    digest.update(_bytes(values))
        return digest.hexdigest()


def _bytes(array: np.ndarray) -> bytes | memoryview:
    if array.dtype == object:
        return b"".join(len(text).to_bytes(8, "little") + text for text in map(str.encode, array.ravel()))
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data
