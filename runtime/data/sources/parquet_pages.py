"""The decompressed size of the columns of a Parquet file, from its footer and its page headers. No page is
decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from dlc.runtime import memory
from dlc.runtime.data.sources.thrift import Struct, struct

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.runtime.data.locations.location import Location

# Field numbers of the Parquet format.
GROUPS = 4  # of the footer
CHUNKS, ROWS = 1, 3  # of a row group
COLUMN = 3  # of a column chunk
ALL_VALUES, ALL_PACKED, FIRST, DICTIONARY = 5, 7, 9, 11  # of the column metadata
KIND, UNPACKED, PACKED = 1, 2, 3  # of a page header
VALUES = {0: 5, 3: 8}  # for page types with values: the field of the data page header
WORDS = {2: 7}  # for pages of a dictionary: the field of their header
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
    """A page: its number of values, 0 for dictionary pages, its decompressed size in bytes, and the number of
    `entries` of a dictionary page."""

    values: int
    unpacked: int
    entries: int = 0


def footer(location: Location) -> Struct:
    """The footer of a file: its metadata. ValueError if it cannot be read."""
    with location.open() as file:
        end = max(file.seek(0, 2) - TAIL, 0)
        file.seek(end)
        length, mark = int.from_bytes(file.read(4), "little"), file.read(4)
        if mark != MARK:
            raise ValueError("it is encrypted" if mark == ENCRYPTED else NO_END)
        if length > MAX_FOOTER:
            raise ValueError(f"its footer is longer than {MAX_FOOTER:_} bytes")
        file.seek(max(end - length, 0))
        return _read(file.read(length))


def columns(location: Location, footer: Struct, wanted: list[int]) -> dict[int, list[ParquetPage]]:
    """The pages of these columns in all row groups. ValueError if they cannot be read, or if they have fewer
    values than there are rows."""
    found: dict[int, list[ParquetPage]] = {column: [] for column in wanted}
    try:
        groups = footer.get(GROUPS, [])
        location.prefetch(_range(group[CHUNKS][column][COLUMN]) for group in groups for column in wanted)
        with location.open() as file:
            for group in groups:
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
    left, count = column[ALL_VALUES], 0
    start, end = _range(column)
    while start < end and left > 0:
        header, length = _header(file, start)
        packed, unpacked = header[PACKED], header[UNPACKED]
        values, entries = (
            header[of[header[KIND]]][COUNT] if header[KIND] in of else 0 for of in (VALUES, WORDS)
        )
        if min(packed, unpacked, values, entries) < 0:
            raise ValueError("a page has a size below 0")
        if (count := count + 1) > MAX_PAGES:
            raise ValueError(f"a column has more than {MAX_PAGES:_} pages")
        yield ParquetPage(values, unpacked, entries)
        left -= values
        start += length + packed


def _range(column: Struct) -> tuple[int, int]:
    """The place of a column of a row group in the file."""
    start = min(column[FIRST], column.get(DICTIONARY) or column[FIRST])
    return start, start + column[ALL_PACKED]


def _count(header: Struct, fields: dict[int, int]) -> int:
    """The number of values or texts of a page, from the header that its kind has among these fields."""
    return header[fields[header[KIND]]][COUNT] if header[KIND] in fields else 0


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
        return struct(content, memory.share())[0]
    except IndexError:
        raise ValueError("its footer does not end") from None
