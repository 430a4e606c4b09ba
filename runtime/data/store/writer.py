"""Write the rows of a store, part by part and piece by piece."""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from dlc.runtime.data.rows.field_hash import FieldHash, little
from dlc.runtime.data.sequences.ragged import Ragged
from dlc.runtime.data.store.layout import (
    FIXED,
    HEADER,
    INDEX,
    RAGGED,
    TEXT,
    Header,
    StoredField,
    StoredPart,
    record_of,
)
from dlc.runtime.files import sync

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence
    from pathlib import Path

BUFFER = 1 << 20  # bytes


class StoreWriter:
    """Writes a store into a folder, which exists. `fields` are those of all parts."""

    def __init__(self, folder: Path, fields: Sequence[StoredField], parts: Iterable[str]) -> None:
        self.folder, self.fields = folder, tuple(fields)
        self.parts = {part: PartWriter(folder, part, self.fields) for part in parts}

    def finish(self, key: str, source: str, facts: Mapping[str, Any]) -> Header:
        """Write the header, once all rows are on the disk."""
        parts = {name: part.finish(self._uniform()) for name, part in self.parts.items()}
        header = Header(key, source, self.fields, parts, facts)
        with WrittenFile(self.folder / HEADER) as file:
            file.write(header.to_json())
        sync(self.folder)
        return header

    def _uniform(self) -> set[str]:
        """The fields with rows of one length."""
        lengths = {
            f.name: set().union(*(p.lengths[f.name] for p in self.parts.values())) for f in self.fields
        }
        return {name for name, of in lengths.items() if len(of) == 1}

    def close(self) -> None:
        for part in self.parts.values():
            part.close()


class PartWriter:
    """Writes the rows of one part. `facts` go into the header."""

    def __init__(self, folder: Path, part: str, fields: Sequence[StoredField]) -> None:
        self.fields, self.record, self.count = fields, record_of(fields), 0
        names = ["rows", "numbers"]
        names += [f"{p}.{end}" for p, f in enumerate(fields) if f.kind != FIXED for end in ("values", "ends")]
        self.files = {name: WrittenFile(folder / f"{part}.{name}") for name in names}
        self.hashes = {f.name: FieldHash() for f in fields}
        # rows of one length are hashed as they are in memory: as an array, with the steps on their axis
        self._arrays = {f.name: FieldHash() for f in fields if f.kind == RAGGED and f.axis}
        self.lengths: dict[str, set[int]] = {f.name: set() for f in fields}  # the least and the greatest
        self._ends = dict.fromkeys(range(len(fields)), 0)
        self.facts: dict[str, Any] = {}

    def append(self, rows: Mapping[str, np.ndarray | Ragged], numbers: np.ndarray) -> None:
        """Write rows that follow those before. `numbers` are their numbers in the source."""
        made = np.zeros(len(numbers), self.record)
        for place, field in enumerate(self.fields):
            values = as_ragged(rows[field.name], field.axis) if field.kind == RAGGED else rows[field.name]
            self.hashes[field.name].add(values)
            if isinstance(values, Ragged):
                self._add_lengths(field, values)
            if field.kind == FIXED:
                made[str(place)] = values
                continue
            content, lengths = (
                (values.steps, values.lengths) if isinstance(values, Ragged) else as_texts(values)
            )
            ends = self._ends[place] + np.cumsum(lengths)
            self._ends[place] = int(ends[-1]) if len(ends) else self._ends[place]
            self.files[f"{place}.values"].write(little(content))
            self.files[f"{place}.ends"].write(little(ends.astype(INDEX)))
        self.files["rows"].write(made.view(np.uint8).data if made.nbytes else b"")
        self.files["numbers"].write(little(numbers.astype(INDEX)))
        self.count += len(numbers)

    def _add_lengths(self, field: StoredField, rows: Ragged) -> None:
        known = [*self.lengths[field.name], *rows.lengths.tolist()]
        self.lengths[field.name] = {min(known, default=0), max(known, default=0)}
        if field.axis and len(self.lengths[field.name]) == 1:
            self._arrays[field.name].add(rows.padded())

    def finish(self, uniform: Container[str]) -> StoredPart:
        """Close the files. `uniform` are the fields with rows of one length."""
        self.close()
        self.hashes |= {name: of for name, of in self._arrays.items() if name in uniform}
        files = self.files.items()
        sizes, checks = {n: f.size for n, f in files}, {n: f.check for n, f in files}
        hashes = {name: of.hexdigest() for name, of in self.hashes.items()}
        return StoredPart(self.count, sizes, checks, hashes, self.facts)

    def close(self) -> None:
        for file in self.files.values():
            file.close()


class WrittenFile:
    """A new file with its size and its CRC-32. It is on the disk once it is closed."""

    def __init__(self, path: Path) -> None:
        self._file, self.size, self.check = path.open("xb", buffering=BUFFER), 0, 0

    def write(self, content: Any) -> None:
        self._file.write(content)
        self.size += len(content)
        self.check = zlib.crc32(content, self.check)

    def close(self) -> None:
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def as_texts(texts: Any) -> tuple[np.ndarray, np.ndarray]:
    """The bytes of all texts, and the length of each."""
    found = [str(text).encode() for text in texts.ravel()]
    return np.frombuffer(b"".join(found), np.uint8), np.fromiter(map(len, found), np.int64, len(found))


def as_ragged(rows: np.ndarray | Ragged, axis: int) -> Ragged:
    """Rows as ragged ones, although those of a piece may be equally long."""
    if isinstance(rows, Ragged):
        return rows
    steps = np.moveaxis(rows, axis + 1, 1)
    return Ragged(steps.reshape(-1, *steps.shape[2:]), np.full(len(steps), steps.shape[1], np.int64), axis)


def field_of(name: str, values: np.ndarray | Ragged, *, differs: bool, axis: int) -> StoredField:
    """How a field is stored, from some of its rows. `differs` says that rows may differ in length."""
    if values.dtype == object:
        return StoredField(name, TEXT, "|u1", values.shape[1:])
    dtype = values.dtype.newbyteorder("<").str
    if differs:
        return StoredField(name, RAGGED, dtype, as_ragged(values, axis).values.shape[1:], axis)
    return StoredField(name, FIXED, dtype, values.shape[1:])
