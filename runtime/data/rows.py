"""Decoded rows in batches, and the training, validation and test rows of a run."""

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
    from dlc.runtime.data.float32_precision import PrecisionLoss
    from dlc.runtime.data.source import Opened
    from dlc.runtime.data.unknown_classes import UnknownValues

    Batch = dict[str, np.ndarray]  # arrays by field, rows along the first axis


CHUNK = 4096  # rows of a batch that is only inspected


class ArrayType(NamedTuple):
    """The dtype and shape of one row of an array."""

    dtype: np.dtype
    shape: tuple[int, ...]


class Rows(ABC):
    """Rows by the name of the input or target. They are read in batches, in any number of passes.

    `count` is None if all inputs are drawn. `drawn` lists the inputs that are drawn anew for every batch
    because the source has no values for them; `types` and `batches` do not contain them. `precision_losses`
    lists the columns of each field whose differences are lost in float32.

    All rows of a field have the same shape. For a source with rows of different lengths, `types` has the
    maximum length, `order` groups rows of similar length, and `batches` pads each batch to its longest row:
    callers read the shape of a batch from its arrays.
    """

    count: int | None
    drawn: Mapping[str, Field] = MappingProxyType({})
    precision_losses: Mapping[str, tuple[PrecisionLoss, ...]] = MappingProxyType({})

    @property
    @abstractmethod
    def types(self) -> Mapping[str, ArrayType]:
        """The dtype and the shape of one row, for each field."""

    @abstractmethod
    def batches(self, sizes: int | Sequence[int], fields: Iterable[str] | None = None,
                order: np.ndarray | None = None, start: int = 0) -> Iterator[Batch]:  # fmt: skip
        """One pass over the rows in batches of these sizes, beginning with batch `start`. A single size is
        the maximum for all batches. `fields` defaults to all fields; `order` is a permutation of the row
        numbers, and defaults to the order of the source."""

    @abstractmethod
    def with_fields(self, fields: Iterable[str], compute: Callable[[Batch], Batch]) -> Rows:
        """The same rows with additional fields, which `compute` makes from a batch of `fields`."""

    def order(self, permutation: Callable[[int], np.ndarray]) -> np.ndarray:
        """The order of the rows in one epoch. `permutation(n)` gives a random permutation of 0 to n-1. A
        source that reads blocks permutes its blocks, and then the rows in each block."""
        return permutation(self.count or 0)

    def held(self) -> Mapping[str, np.ndarray] | None:
        """Whole arrays, rows along the first axis; None if not all rows are in memory."""
        return None

    def unknown_values(self) -> list[UnknownValues]:
        """The class inputs that have missing values or values outside of their classes."""
        return []

    def chunks(self, field: str) -> Iterator[np.ndarray]:
        """All values of a field, in chunks of rows."""
        return (batch[field] for batch in self.batches(CHUNK, [field]))

    def head(self, count: int, fields: Iterable[str] | None = None) -> InMemoryRows:
        """The first `count` rows, or all rows if there are fewer."""
        count = min(count, self.count or 0)
        [arrays] = self.batches([count], fields)
        return InMemoryRows(arrays, count)

    def take(self, index: np.ndarray) -> InMemoryRows:
        """The rows with these numbers."""
        [arrays] = self.batches([len(index)], order=index)
        return InMemoryRows(arrays, len(index), drawn=self.drawn)


class InMemoryRows(dict[str, np.ndarray], Rows):
    """Rows in memory: one array for each field, rows along the first axis.

    `class_indices` has the class indices of each class input that has values outside of its classes; unknown
    and missing values differ there. `examples` has some of the unknown values as text. `notes` count the rows
    that were left out.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, arrays: Mapping[str, np.ndarray], count: int | None, origin: Opened | None = None,
                 index: np.ndarray | None = None, drawn: Mapping[str, Field] | None = None,
                 class_indices: Mapping[str, np.ndarray] | None = None,
                 examples: Mapping[str, tuple[str, ...]] | None = None,
                 precision_losses: Mapping[str, tuple[PrecisionLoss, ...]] | None = None,
                 ) -> None:  # fmt: skip
        super().__init__(arrays)
        self.count = count
        self.drawn = dict(drawn or {})
        self._origin, self._index = origin, index
        self._class_indices, self._examples = dict(class_indices or {}), dict(examples or {})
        self.precision_losses = dict(precision_losses or {})

    @property
    def types(self) -> Mapping[str, ArrayType]:
        return {name: ArrayType(array.dtype, array.shape[1:]) for name, array in self.items()}

    def batches(self, sizes: int | Sequence[int], fields: Iterable[str] | None = None,
                order: np.ndarray | None = None, start: int = 0) -> Iterator[Batch]:  # fmt: skip
        names = list(self if fields is None else fields)
        sizes = batch_sizes(self.count or 0, sizes) if isinstance(sizes, int) else sizes
        first = sum(sizes[:start])
        for size in sizes[start:]:
            part = slice(first, first + size)
            yield {name: self[name][part if order is None else order[part]] for name in names}
            first += size

    def with_fields(self, fields: Iterable[str], compute: Callable[[Batch], Batch]) -> InMemoryRows:
        names = list(fields)
        made = [compute(batch) for batch in self.batches(CHUNK, names)]
        made = made or [compute({name: self[name][:0] for name in names})]
        arrays = {name: np.concatenate([batch[name] for batch in made]) for name in made[0]}
        if taken := self.keys() & arrays.keys():
            raise ValueError(f"the rows have {', '.join(sorted(taken))} already")
        return InMemoryRows({**self, **arrays}, self.count, self._origin, self._index, self.drawn,
                            self._class_indices, self._examples, self.precision_losses)  # fmt: skip

    def held(self) -> Mapping[str, np.ndarray]:
        return self

    def take(self, index: np.ndarray) -> InMemoryRows:
        arrays = {name: array[index] for name, array in self.items()}
        class_indices = {name: array[index] for name, array in self._class_indices.items()}
        numbers = index if self._index is None else self._index[index]
        return InMemoryRows(
            arrays, len(index), self._origin, numbers, self.drawn, class_indices, None, self.precision_losses
        )

    def unknown_values(self) -> list[UnknownValues]:
        found = (
            unknown_classes.count(n, p, self._examples.get(n, ())) for n, p in self._class_indices.items()
        )
        return [some for some in found if some]

    def place(self, row: int) -> str:
        """The source location of a row: `data/census.csv, row 17 (line 18)`."""
        number = row if self._index is None else int(self._index[row])
        return f"{self._origin.file}, {self._origin.row(number)}" if self._origin else f"row {number + 1}"


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

    def parts(self) -> Iterator[tuple[str, Rows]]:
        for name in PARTS:
            rows = getattr(self, name)
            if rows is not None:
                yield name, rows

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the decoded values. It is the same on every machine and does not depend on paths. Each
        field needs its own pass, because all of its values precede those of the next field."""
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
