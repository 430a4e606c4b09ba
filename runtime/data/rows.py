"""Decoded rows, and the three parts that a run works on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.sections import PARTS
from dlc.runtime.data import outside

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.sections import Field
    from dlc.compiler.types import Classes
    from dlc.runtime.data.coarse import Coarse
    from dlc.runtime.data.outside import Outside
    from dlc.runtime.data.source import Opened


class Rows(dict[str, np.ndarray]):
    """Arrays by the name of the input or target, rows along the first axis.

    `drawn` are the inputs that the source has no values for: they are drawn anew for every batch.
    `count` is 0 where everything is drawn. `places` are those of class inputs of which some values are
    outside of the classes, told from missing ones; `examples` are some of them as text. `coarse` are the
    columns of a field whose differences float32 loses.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], count: int, origin: Opened | None = None,
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

    def take(self, index: np.ndarray) -> Rows:
        """The rows with these numbers."""
        arrays = {name: array[index] for name, array in self.items()}
        places = {name: array[index] for name, array in self._places.items()}
        numbers = index if self._index is None else self._index[index]
        return Rows(arrays, len(index), self._origin, numbers, self.drawn, places, None, self.coarse)

    def beside(self, arrays: Mapping[str, np.ndarray]) -> Rows:
        """The same rows with more arrays, under names that no field has."""
        if taken := self.keys() & arrays.keys():
            raise ValueError(f"the rows have {', '.join(sorted(taken))} already")
        return Rows({**self, **arrays}, self.count, self._origin, self._index, self.drawn)

    def outside(self) -> list[Outside]:
        """The class inputs of which some values are none of the classes, or are missing."""
        found = (outside.count(n, p, self._examples.get(n, ())) for n, p in self._places.items())
        return [some for some in found if some]

    def place(self, row: int) -> str:
        """Where a row came from, in words: `data/census.csv, row 17 (line 18)`."""
        number = row if self._index is None else int(self._index[row])
        return f"{self._origin.file}, {self._origin.row(number)}" if self._origin else f"row {number + 1}"


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
        """SHA-256 of the decoded values, the same on every machine and wherever the files lie."""
        digest = hashlib.sha256()
        for part, rows in self.parts():
            for name in sorted(rows):
                array = rows[name]
                digest.update(
                    f"{part} {name} {array.dtype.kind}{array.dtype.itemsize} {array.shape}\n".encode()
                )
                digest.update(_bytes(array))
        return digest.hexdigest()


def _bytes(array: np.ndarray) -> bytes | memoryview:
    if array.dtype == object:
        return b"".join(len(text).to_bytes(8, "little") + text for text in map(str.encode, array.ravel()))
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data
