"""The text of a csv file in pieces that end where a row ends."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LONGEST = 1 << 23  # bytes of a row
AT_ONCE = 1 << 14  # bytes of rows with quotes that are matched at a time


@dataclass(frozen=True)
class CsvPiece:
    """Whole rows: their bytes, the number of lines before them, and whether the file begins with them."""

    data: bytes
    line: int = 0
    begins: bool = False

    @property
    def is_blank(self) -> bool:
        return not self.data.strip(b"\r\n")


class Endless(ValueError):
    """A row that has no end: a quote that is not closed, or more than `LONGEST` bytes. `line` is its first
    line; `quoted` says whether a quote is open."""

    def __init__(self, line: int, quoted: bool) -> None:
        super().__init__("a row does not end")
        self.line, self.quoted = line, quoted


class RowEnds:
    """Finds the ends of rows. A cell that begins with a quote ends with one, and may contain line ends."""

    def __init__(self, separator: str) -> None:
        start = rb"(?<![^%b\r\n])" % re.escape(separator).encode()
        row = rb'(?:[^"\r\n]++|%b"(?:[^"]++|"")*+"|(?!%b)")*+[\r\n]' % (start, start)
        self._row, self._rows = re.compile(row), re.compile(b"(?:%b)*+" % row)

    def last(self, text: bytes, start: int, stop: int) -> int:
        """The end of the last row that begins at `start` or behind it and ends at `stop` or before it;
        `start` if there is none."""
        if text.find(b'"', start, stop) < 0:
            end = max(text.rfind(b"\n", start, stop), text.rfind(b"\r", start, stop)) + 1
        else:
            end = self._last_quoted(text, start, stop)
        return self._behind(text, max(end, start))

    def _last_quoted(self, text: bytes, start: int, stop: int) -> int:
        """`last` for a text with quotes. The time of one match grows faster than its length, so a match is
        short; a row that is longer is matched alone."""
        while start < stop:
            found = self._rows.match(text, start, min(start + AT_ONCE, stop))
            end = found.end() if found else start
            if end == start and (row := self._row.match(text, start, stop)):
                end = row.end()
            if end == start:
                break
            start = end
        return start

    def first(self, text: bytes, start: int, stop: int) -> int:
        """The end of the row that begins at `start`; `start` if it is behind `stop`."""
        found = self._row.match(text, start, stop)
        return self._behind(text, found.end()) if found else start

    def are_closed(self, text: bytes) -> bool:
        """Whether every quote of the text, which begins with a row, is closed."""
        return self.last(text + b"\n", 0, len(text) + 1) == len(text) + 1

    @staticmethod
    def _behind(text: bytes, end: int) -> int:
        """A line end of two characters is not divided."""
        return end + 1 if end and text[end - 1 : end + 1] == b"\r\n" else end


def in_rows(
    pieces: Iterable[bytes], separator: str, size: int, line: int = 0, begins: bool = True
) -> Iterator[CsvPiece]:
    """The same bytes in pieces of whole rows, of at most `size` bytes each unless one row is longer.

    `line` is the number of lines before them, and `begins` whether the file begins with them. Every row takes
    at most `LONGEST` bytes, whatever the size of the pieces. `Endless` for a row that does not.
    """
    ends, rest = RowEnds(separator), b""
    for piece in pieces:
        text, held = rest + piece, b""
        if text.endswith(b"\r"):  # the rest of its line end may be in the next piece
            text, held = text[:-1], b"\r"
        start = 0
        while start < len(text):
            end = ends.last(text, start, min(start + size, len(text)))
            end = end if end > start else ends.first(text, start, min(start + LONGEST, len(text)))
            if end == start:
                break
            yield CsvPiece(text[start:end], line, begins)
            line, begins = line + lines_of(text, start, end), False
            start = end
        if len(text) - start >= LONGEST:
            raise Endless(line + 1, not ends.are_closed(text[start : start + LONGEST]))
        rest = text[start:] + held
    if rest:
        if not ends.are_closed(rest):
            raise Endless(line + 1, True)
        yield CsvPiece(rest, line, begins)


def coalesced(pieces: Iterable[CsvPiece], size: int) -> Iterator[CsvPiece]:
    """Successive pieces together, of about `size` bytes."""
    begun: list[CsvPiece] = []
    endless = None
    try:
        for piece in pieces:
            begun.append(piece)
            if sum(len(some.data) for some in begun) >= size:
                yield together(begun)
                begun = []
    except Endless as error:  # behind the rows before it
        endless = error
    if begun:
        yield together(begun)
    if endless is not None:
        raise endless


def together(pieces: list[CsvPiece]) -> CsvPiece:
    first = pieces[0]
    data = first.data if len(pieces) == 1 else b"".join(piece.data for piece in pieces)
    return CsvPiece(data, first.line, first.begins)


def lines_of(text: bytes, start: int, end: int) -> int:
    """The number of line ends in a part of a text, of all kinds."""
    return text.count(b"\n", start, end) + text.count(b"\r", start, end) - text.count(b"\r\n", start, end)


def without_lines(piece: CsvPiece, number: int) -> CsvPiece:
    """A piece without its first lines."""
    found = re.match(rb"(?:[^\r\n]*(?:\r\n|\r|\n)){%d}" % number, piece.data)
    return CsvPiece(piece.data[found.end() :] if found else b"", piece.line + number)
