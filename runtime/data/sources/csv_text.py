"""The text of a csv file piece by piece: decoded, and without its comment lines."""

from __future__ import annotations

import codecs
import io
import re
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.text_settings import is_utf8
from dlc.runtime.data import bounds

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from dlc.compiler.definitions.sections import Csv
    from dlc.runtime.data.locations.location import Location

KEPT = 1 << 24  # bytes of a file that is kept


class NotDecoded(ValueError):
    """Bytes that are not text of the encoding."""


class CsvText:
    """The text of a csv file in UTF-8, without comments. A short file is kept, another one is read anew for
    each pass. `head` is its beginning; `is_whole` says that this is all of it."""

    def __init__(self, source: Csv, location: Location) -> None:
        self._source, self._location = source, location
        pieces, begun, size = self._read(), [], 0
        while size < KEPT and (piece := next(pieces, None)) is not None:
            begun.append(piece)
            size += len(piece)
        self.is_whole = next(pieces, None) is None
        pieces.close()
        self.head = b"".join(begun)

    def pieces(self) -> Iterator[bytes]:
        """The text from its beginning. OSError, `NotDecoded`, or an error of a bomb."""
        return iter([self.head]) if self.is_whole else self._read()

    def _read(self) -> Generator[bytes, None, None]:
        source, location = self._source, self._location
        text = as_utf8(location.pieces(), source.encoding)
        text = bounds.unpacked(text, location.size(), location.name, source)
        if source.comment is not None:
            text = without_comments(text, source.comment, source.separator)
        yield from text


class Stream(io.RawIOBase):
    """Pieces of bytes as a file to read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def as_utf8(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Bytes in an encoding as UTF-8 without byte order mark; UTF-8 unchanged."""
    if is_utf8(encoding):
        yield from pieces
        return
    decoder, line, start = codecs.getincrementaldecoder(encoding)(), 1, True
    try:
        for piece in pieces:
            text = decoder.decode(piece)
            line += text.count("\n")
            yield (text.removeprefix("\ufeff") if start else text).encode()
            start = start and not text
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        if isinstance(error, UnicodeDecodeError) and isinstance(error.object, bytes):
            line += decoded_lines(error.object[: error.start], encoding)
            raise NotDecoded(f"line {line} holds bytes that are no {encoding} text") from None
        raise NotDecoded(f"it holds bytes that are no {encoding} text") from None


def decoded_lines(data: bytes, encoding: str) -> int:
    return data.decode(encoding, "ignore").count("\n")


def without_comments(pieces: Iterable[bytes], comment: str, separator: str) -> Iterator[bytes]:
    """A UTF-8 csv file with comment lines made empty, so that the lines keep their numbers. A line within a
    cell in quotes is no comment."""
    cells = QuotedCells(separator)
    begins = re.compile(rb"[\r\n]((?:\xef\xbb\xbf)?%b[^\r\n]*)" % re.escape(comment.encode()))
    for piece in whole_lines(pieces):
        lines, kept, last = b"\n" + piece, [], 0
        for found in begins.finditer(lines):
            kept.append(lines[last : found.start(1)])
            last = found.start(1) if cells.open_after(kept[-1]) else found.end()
        kept.append(lines[last:])
        cells.open_after(kept[-1])
        yield b"".join(kept)[1:]


def whole_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces that end with a line."""
    begun: list[bytes] = []
    for piece in pieces:
        end = max(piece.rfind(b"\n"), piece.rfind(b"\r")) + 1
        if end:
            yield b"".join([*begun, piece[:end]])
            begun = []
        begun.append(piece[end:])
    yield b"".join(begun)


class QuotedCells:
    """Whether a cell in quotes is open, in a csv file that is read from its beginning."""

    def __init__(self, separator: str) -> None:
        cell, start = rb'(?:[^"]++|"")*+', rb"(?<![^%b\r\n])" % re.escape(separator).encode()
        self._rest = re.compile(cell + rb'"?')
        # Up to a quote that opens a cell and is not closed; a quote within a cell without quotes is text.
        self._closed = re.compile(rb'(?:[^"]++|%b"%b"|(?!%b)")*+' % (start, cell, start))
        self._open = False

    def open_after(self, text: bytes) -> bool:
        """Read on, to the end of a line."""
        start = 0
        if self._open:
            start = self._end(self._rest, text, 0)
            self._open = not text.endswith(b'"', 0, start)
        if not self._open:
            self._open = self._end(self._closed, text, start) < len(text)
        return self._open

    @staticmethod
    def _end(pattern: re.Pattern[bytes], text: bytes, start: int) -> int:
        found = pattern.match(text, start)
        assert found is not None, "it matches the empty text"
        return found.end()
