"""Read rows of one part of a store."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler import reading
from dlc.runtime.data.sequences.ragged import Ragged
from dlc.runtime.data.store.layout import (
    FIXED,
    HEADER,
    INDEX,
    RAGGED,
    TEXT,
    Damaged,
    Header,
    header_from,
    record_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from dlc.runtime.data.store.layout import StoredField, StoredPart

    Columns = dict[str, np.ndarray | Ragged]

PIECE = 1 << 22  # bytes that are checked at a time
MAX_HEADER = 1 << 26  # bytes


def read_header(folder: Path) -> Header:
    """The header of a store. `Damaged` if there is none."""
    try:
        return header_from(reading.read_text(folder / HEADER, MAX_HEADER))
    except (OSError, UnicodeDecodeError) as error:
        raise Damaged(str(error)) from None


class StoredFiles:
    """The open files of one part. They can be read although another process removes the store."""

    def __init__(self, folder: Path, name: str, part: StoredPart, fields: Sequence[StoredField]) -> None:
        # Descriptors, not file objects: of a cycle that is collected, file objects may be finalized before
        # `__del__` runs, which warns that they were not closed.
        self._files: dict[str, int] = {}
        self.part, self.fields, self.record = part, fields, record_of(fields)
        try:
            for file, size in part.sizes.items():
                with reading.open_file(folder / f"{name}.{file}") as opened:
                    self._files[file] = os.dup(opened.fileno())
                if (found := os.fstat(self._files[file]).st_size) != size:
                    raise Damaged(f"{name}.{file} has {found} bytes, and {size} are wanted")
        except OSError as error:
            raise Damaged(str(error)) from None
        self.names = {field.name: place for place, field in enumerate(fields)}

    def __del__(self) -> None:
        for file in self._files.values():
            os.close(file)

    def check(self) -> Iterator[int]:
        """Read all files once; yields the bytes of each piece. `Damaged` if one has other bytes than were
        written."""
        for name, file in self._files.items():
            found, at = 0, 0
            while piece := os.pread(file, PIECE, at):
                found, at = zlib.crc32(piece, found), at + len(piece)
                yield len(piece)
            if found != self.part.checks[name]:
                raise Damaged(f"the bytes of {name} are not those that were written")

    def read(self, spans: Sequence[tuple[int, int]], names: Iterable[str]) -> StoredPiece:
        """The rows of these spans, each from a row to before another, one span after the other."""
        chosen = {name: self.names[name] for name in names}
        fixed = any(self.fields[place].kind == FIXED for place in chosen.values())
        records = self._numbers("rows", self.record, spans) if fixed else None
        others = {name: self._other(place, spans) for name, place in chosen.items()
                  if self.fields[place].kind != FIXED}  # fmt: skip
        return StoredPiece(records, others, chosen, sum(stop - start for start, stop in spans))

    def _other(self, place: int, spans: Sequence[tuple[int, int]]) -> np.ndarray | Ragged:
        """The rows of a ragged field or of texts."""
        field, ends = self.fields[place], self._ends(place)
        each = prod(field.shape) if field.kind == TEXT else 1
        within = [ends[start * each : stop * each + 1] for start, stop in spans]
        bytes_of = [(int(of[0]), int(of[-1])) for of in within]
        lengths = np.concatenate([np.zeros(0, np.int64), *map(np.diff, within)])
        if field.kind == TEXT:
            content = self._numbers(f"{place}.values", np.dtype("|u1"), bytes_of)
            return texts_of(content.tobytes(), lengths).reshape(-1, *field.shape)
        step = np.dtype((field.dtype, field.shape))
        return Ragged(self._numbers(f"{place}.values", step, bytes_of), lengths, field.axis)

    def numbers(self, start: int, stop: int) -> np.ndarray:
        """The numbers of rows in the source."""
        return self._numbers("numbers", INDEX, [(start, stop)])

    def is_ragged(self, name: str) -> bool:
        """Whether its rows are stored with their lengths."""
        return self.fields[self.names[name]].kind == RAGGED

    def axis(self, name: str) -> int:
        """The sample axis along which rows may differ in length."""
        return self.fields[self.names[name]].axis

    def lengths(self, name: str) -> np.ndarray:
        """The lengths of all rows of a field."""
        return np.diff(self._ends(self.names[name]))

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of one row, of fields that differ in length that of the longest one."""
        field = self.fields[self.names[name]]
        if field.kind != RAGGED:
            return field.shape
        longest = int(self.lengths(name).max(initial=0))
        return (*field.shape[: field.axis], longest, *field.shape[field.axis :])

    @cached_property
    def row_bytes(self) -> int:
        """Bytes of a row in all files, on average."""
        return max(sum(self.part.sizes.values()) // max(self.part.count, 1), 1)

    def will_need(self, start: int, stop: int) -> None:
        """Have the system read rows in the background."""
        if hasattr(os, "posix_fadvise") and self.record.itemsize:
            size, file = self.record.itemsize, self._files["rows"]
            os.posix_fadvise(file, start * size, (stop - start) * size, os.POSIX_FADV_WILLNEED)

    def _ends(self, place: int) -> np.ndarray:
        """Where the rows of a field begin, and where the last one ends."""
        if place not in self._known_ends:
            count = self.part.sizes[f"{place}.ends"] // INDEX.itemsize
            ends = np.concatenate([[0], self._numbers(f"{place}.ends", INDEX, [(0, count)])])
            size = self.fields[place].size if self.fields[place].kind == RAGGED else 1
            if (np.diff(ends) < 0).any() or ends[-1] * size != self.part.sizes[f"{place}.values"]:
                raise Damaged("the ends of rows are not in order")
            self._known_ends[place] = ends
        return self._known_ends[place]

    @cached_property
    def _known_ends(self) -> dict[int, np.ndarray]:
        return {}

    def _numbers(self, name: str, dtype: np.dtype, spans: Sequence[tuple[int, int]]) -> np.ndarray:
        """Numbers or records of a file: of spans from one place to before another."""
        size = dtype.itemsize
        made, done = np.empty(sum(stop - start for start, stop in spans) * size, np.uint8), 0
        for start, stop in spans:
            end = done + (stop - start) * size
            read_into(made[done:end], self._files[name], start * size)
            done = end
        base, shape = dtype.subdtype or (dtype, ())
        return made.view(base).reshape(-1, *shape) if made.size else np.zeros((0, *shape), base)


@dataclass(frozen=True)
class StoredPiece:
    """Some rows: records, and the rows of ragged fields and texts. `places` are those of the fields in the
    header."""

    records: np.ndarray | None
    others: Columns
    places: Mapping[str, int]
    count: int

    def take(self, rows: np.ndarray) -> StoredPiece:
        """The rows with these numbers."""
        records = self.records
        if records is not None and records.dtype.itemsize:  # as bytes, not field by field
            records = records.view(np.dtype((np.void, records.dtype.itemsize)))[rows].view(records.dtype)
        others = {name: values[rows] for name, values in self.others.items()}
        return StoredPiece(records, others, self.places, len(rows))

    def columns(self) -> Columns:
        """The values of the fields."""
        fixed = {} if self.records is None else {
            n: self.records[str(place)] for n, place in self.places.items() if n not in self.others
        }  # fmt: skip
        return self.others | fixed


def texts_of(content: bytes, lengths: np.ndarray) -> np.ndarray:
    """Texts in UTF-8 that follow each other."""
    ends = [0, *np.cumsum(lengths).tolist()]
    texts = np.empty(len(lengths), object)
    texts[:] = [content[a:b].decode("utf-8", "replace") for a, b in pairwise(ends)]
    return texts


def read_into(content: Any, descriptor: int, offset: int) -> None:
    """Fill an array of bytes from a place of a file."""
    view, done = memoryview(content), 0
    while done < len(view):
        if not (read := os.preadv(descriptor, [view[done:]], offset + done)):
            raise Damaged("a file ends too early")
        done += read
