"""The decompressed size of the columns of a Parquet file, from its footer and its page headers. No page is
decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from dlc.compiler import reading
from dlc.runtime.data import bounds
from dlc.runtime.data.sources.thrift import Struct, struct

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Field numbers of the Parquet format.
GROUPS = 4  # of the footer
CHUNKS, ROWS = 1, 3  # of a row group
COLUMN = 3  # of a column chunk
ALL_VALUES, ALL_PACKED, FIRST, DICTIONARY = 5, 7, 9, 11  # of the column metadata
KIND, UNPACKED, PACKED = 1, 2, 3  # of a page header
VALUES = {0: 5, 3: 8}  # for page types with values: the field of the data page header
COUNT = 1  # of the data page header

TAIL = 8  # bytes at the end of a file: the length of the footer, and a magic number
MARK, ENCRYPTED = b"PAR1", b"PARE"  # magic numbers at the end; the first one is at the beginning too
NO_END = "it does not end as a Parquet file does"
MAX_FOOTER = 1 << 25  # bytes
MAX_HEADER = 1 << 24  # bytes
MAX_HEADER_MEMORY = 1 << 20  # bytes
MAX_PAGES = 1_000_000  # of a column in one row group


@dataclass(frozen=True)
class ParquetPage:
    """A page: its number of values, 0 for dictionary pages, and its decompressed size in bytes."""

    values: int
    unpacked: int


def footer(path: Path) -> Struct:
    """The footer of a file: its metadata. ValueError if it cannot be read."""
    with reading.open_file(path) as file:
        end = max(file.seek(0, 2) - TAIL, 0)
        file.seek(end)
        length, mark = int.from_bytes(file.read(4), "little"), file.read(4)
        if mark != MARK:
            raise ValueError("it is encrypted" if mark == ENCRYPTED else NO_END)
        if length > MAX_FOOTER:
            raise ValueError(f"its footer is longer than {MAX_FOOTER:_} bytes")
        file.seek(max(end - length, 0))
        return _read(file.read(length))


def columns(path: Path, footer: Struct, wanted: list[int]) -> dict[int, list[ParquetPage]]:
    """The pages of these columns in all row groups. ValueError if they cannot be read, or if they have fewer
    values than there are rows."""
    found: dict[int, list[ParquetPage]] = {column: [] for column in wanted}
    try:
        with reading.open_file(path) as file:
            for group in footer.get(GROUPS, []):
                for column in wanted:
                    held = list(pages(file, group[CHUNKS][column][COLUMN]))
                    if sum(page.values for page in held) < group[ROWS]:
                        raise ValueError(f"it does not hold the {group[ROWS]} rows that it announces")
                    found[column] += held
    except (LookupError, TypeError, AttributeError):
        raise ValueError("its footer, or the header of a page, is not that of a Parquet file") from None
    return found


def pages(file: BinaryIO, column: Struct) -> Iterator[ParquetPage]:
    """The pages of a column in one row group, up to the number of values that its metadata announces."""
    start, left, count = column[FIRST], column[ALL_VALUES], 0
    start = min(start, column.get(DICTIONARY) or start)
    end = start + column[ALL_PACKED]
    while start < end and left > 0:
        header, length = _header(file, start)
        packed, unpacked, values = header[PACKED], header[UNPACKED], 0
        if header[KIND] in VALUES:
            values = header[VALUES[header[KIND]]][COUNT]
        if min(packed, unpacked, values) < 0:
            raise ValueError("a page has a size below 0")
        if (count := count + 1) > MAX_PAGES:
            raise ValueError(f"a column has more than {MAX_PAGES:_} pages")
        yield ParquetPage(values, unpacked)
        left -= values
        start += length + packed


def _header(file: BinaryIO, start: int) -> tuple[Struct, int]:
    """The page header at an offset, and its length."""
    size = 1 << 10
    while True:
        file.seek(start)
        content = file.read(size)
        try:
            return struct(content, MAX_HEADER_MEMORY)
        except IndexError:
            if len(content) < size or size >= MAX_HEADER:
                raise ValueError("the header of a page does not end") from None
        size <<= 4


def _read(content: bytes) -> Struct:
    try:
        return struct(content, bounds.memory_limit())[0]
    except IndexError:
        raise ValueError("its footer does not end") from None
