"""Read csv files. Every cell is read as text; the declared type of the field decides how to decode it.

A file is read in pieces of whole rows, whatever its size. The first row that cannot be read is the error,
however the rows were divided.
"""

from __future__ import annotations

import csv
import io
import re
from codecs import BOM_UTF8
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.quoting import shorten
from dlc.runtime.data import bounds, data_errors, encodings, formats
from dlc.runtime.data.locations.remote import is_of_network
from dlc.runtime.data.source import Column, texts
from dlc.runtime.data.sources import csv_rows, csv_text
from dlc.runtime.data.sources.csv_hints import CsvHints
from dlc.runtime.data.sources.csv_rows import LONGEST, CsvPiece

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pyarrow as pa

    from dlc.compiler.definitions.sections import Csv
    from dlc.runtime.data.locations.location import Location

BLOCK = 2 * LONGEST  # bytes per thread and read
WHOLE = 1 << 26  # bytes that are read at a time if all rows are kept: enough for several threads
STEPS = (LONGEST, 1 << 17, 1 << 11, 1)  # sizes of the pieces in which a row that cannot be read is searched
SAMPLE = 1 << 16  # bytes at the beginning of a file that tell about the others
DOUBLED = 'put a cell that contains quotes in quotes, and double its own: `"5"" pipe"`'
# Memory of a cell: its text as read, concatenated and trimmed, each with an offset, and then two numbers.
COPIES, OFFSET, NUMBERS = 3, 8, 16  # bytes
# A cell in quotes, and a character after the closing quote, where none is allowed.
QUOTED = rb'(?<![^%b\r\n])"([^"]*+(?:""[^"]*+)*+)"([^%b\r\n])?'


class CsvFile(CsvHints):
    is_table = True
    no_rows = "has a heading and no rows"

    def __init__(self, source: Csv, location: Location) -> None:
        self.file, self.definition = location.name, source
        self.sequences = source
        self.marks, self._missing, self._decimal = source.missing or (), source.marked, source.decimal
        self._delimiter, self._headings, self._location = source.separator, int(source.header), location
        with self._reading():
            self._text = csv_text.CsvText(source, location)
        self._check_text(source)
        lines = self._lines()
        _, end, cells = next(lines, (0, 0, []))
        if not cells:
            raise data_errors.fail(data_errors.NO_ROWS, f"{self.file} is empty", (source, "read here"))
        self._heading_lines, self._width = end * self._headings, len(cells)
        if source.header:
            self.names = tuple(name.strip() for name in cells)
        else:
            self.sizes, self.numbered = (1,) * len(cells), True
        self.count = -1 if not source.header or next(lines, None) else 0

    def read(self, indices: Sequence[int]) -> list[Column]:
        bound = bounds.memory_limit()
        bounds.check(self._location.size(), bound, self.file, self.definition)
        tables: list[pa.Table] = []
        size = 0

        def check(text: int, rows: int, cells: int = 0) -> int:
            """The memory of a piece, which is refused if it is too much beside those before it."""
            needed = text + COPIES * max(cells, OFFSET * rows * len(indices)) + NUMBERS * rows * len(indices)
            bounds.check(size + needed, bound, self.file, self.definition)
            return needed

        for table, text in self._tables(indices, WHOLE, check):
            size += check(text, table.num_rows, table.nbytes)
            tables.append(table)
        self.count = sum(table.num_rows for table in tables)
        return [self._column(tables, index) for index in indices]

    def pieces(self, indices: Sequence[int], size: int = LONGEST) -> Iterator[list[Column]]:
        """Pieces of about `size` bytes of the text."""
        count = 0
        for table, _ in self._tables(indices, size):
            count += table.num_rows
            yield [self._column([table], index) for index in indices]
        self.count = count
        if not count:
            yield [texts([]) for _ in indices]

    def identity(self) -> list[tuple[str, ...]]:
        return [self._location.identity()]

    def size(self, indices: Sequence[int]) -> int:
        """The size of the text is estimated by that of the file, and the number of rows by the first ones."""
        head, unpacked = self._text.head[:SAMPLE], len(self._text.head)
        if not self._text.is_whole:
            unpacked = int(self._location.size() * self._location.expansion())
        rows = unpacked * csv_rows.lines_of(head, 0, len(head)) // max(len(head), 1)
        share = len(indices) / self._width
        return int(COPIES * (unpacked * share + OFFSET * rows * len(indices)) + NUMBERS * rows * len(indices))

    def row(self, number: int) -> str:
        """The row and its line; they differ by the heading, blank lines and cells with several lines."""
        lines = next(self._rows(number), None)
        return f"row {number + 1} (line {lines[0]})" if lines else f"row {number + 1}"

    # --- the text -----------------------------------------------------------------------------------------

    @property
    def _begin(self) -> bytes:
        return self._text.head[:SAMPLE]

    def _check_text(self, source: Csv) -> None:
        """Refuse a file of another format, in another encoding, or without content."""
        head = self._text.head
        why, help = formats.of_another_kind(head[:4096], source.path, in_spec=self._in_spec)
        if why:
            raise self._broken(why, help)
        if self._text.is_whole and (line := encodings.nul_line(head)):
            raise self._nul(line)
        if self._text.is_whole and not re.search(rb"[^\xef\xbb\xbf\s,;]", head):
            raise data_errors.fail(data_errors.NO_ROWS, f"{self.file} is empty", (source, "read here"))
        first_lines = self._begin.removeprefix(BOM_UTF8).lstrip(b"\r\n").splitlines()
        if first_lines[1:] and self._utf8_help(first_lines[0]):
            raise self._broken(formats.NO_UTF8, self._utf8_help(head))

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """A block that reads the file. Its errors name the file."""
        try:
            yield
        except csv_text.NotDecoded as error:
            raise self._broken(str(error), "name the encoding that it was written in") from None
        except OSError as error:
            if self._location.is_remote and is_of_network(error):
                raise data_errors.unreadable(self.file, error, self.definition) from None
            raise self._broken(str(error)) from None

    def _pieces(self) -> Iterator[bytes]:
        """The text from its beginning."""
        with self._reading():
            yield from self._text.pieces()

    def _lines(self) -> Iterator[tuple[int, int, list[str]]]:
        csv.field_size_limit(LONGEST)
        stream = io.BufferedReader(csv_text.Stream(self._pieces()), 1 << 16)
        text = io.TextIOWrapper(stream, "utf-8-sig", errors="replace", newline="")
        reader, first = csv.reader(text, delimiter=self._delimiter), 1
        try:
            for row in reader:
                if row:
                    yield first, reader.line_num, row
                first = reader.line_num + 1
        except csv.Error as error:  # in most cases a cell that does not end
            help = f"look at the quotes from line {first} on: each is closed, and one in a cell is doubled"
            raise self._broken(str(error), help) from None

    # --- rows ---------------------------------------------------------------------------------------------

    def _tables(self, indices: Sequence[int], size: int,
                check: Callable[[int, int], object] = lambda text, rows: None,
                ) -> Iterator[tuple[pa.Table, int]]:  # fmt: skip
        """The cells of these columns as text, piece by piece, and the bytes of each piece. A column is named
        by its index. `check` gets the bytes of a piece, and the greatest number of its rows, before it is
        parsed."""
        if not self.count:
            return
        rows = 0
        for piece in self._rows_of(self._pieces(), size):
            check(len(piece.data), csv_rows.lines_of(piece.data, 0, len(piece.data)))
            table = self._parse(piece, indices)
            if isinstance(table, str):
                raise self._problem(piece, rows, indices)
            rows += table.num_rows
            if table.num_rows:
                yield table, len(piece.data)

    def _rows_of(self, pieces: Iterable[bytes], size: int) -> Iterator[CsvPiece]:
        """The rows behind the heading in pieces."""
        heading = self._heading_lines
        found = csv_rows.in_rows(pieces, self._delimiter, min(size, LONGEST))
        found = csv_rows.coalesced(found, size) if size > LONGEST else found
        try:
            for piece in found:
                lines = csv_rows.lines_of(piece.data, 0, len(piece.data))
                if heading:
                    piece = csv_rows.without_lines(piece, min(heading, lines))
                    heading -= min(heading, lines)
                if not piece.is_blank:
                    yield piece
        except csv_rows.Endless as endless:
            raise self._endless(endless.line, endless.quoted) from None

    def _parse(self, piece: CsvPiece, indices: Sequence[int]) -> pa.Table | str:
        """The cells of a piece, or why it cannot be read."""
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        if b"\0" in piece.data:
            return "NUL"
        wanted, data = [str(index) for index in indices], piece.data
        if not piece.begins and data.startswith(BOM_UTF8):
            data = b"\n" + data  # only the first one is left out
        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(data),
                arrow_csv.ReadOptions(
                    column_names=[str(i) for i in range(self._width)],
                    block_size=BLOCK,
                    use_threads=len(data) > bounds.ONE_THREAD,
                ),
                arrow_csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=b'"' in data),
                arrow_csv.ConvertOptions(
                    include_columns=wanted,
                    column_types=dict.fromkeys(wanted, pa.large_string()),
                ),
            )
        except pa.ArrowInvalid as error:
            return str(error)
        return "quotes" if self._misplaced_quote(piece, table.num_rows) else table

    def _misplaced_quote(self, piece: CsvPiece, rows: int = -1) -> str:
        """Why a cell continues after its closing quote, if that affects other cells: quotes of two cells that
        are paired across lines would hide the rows between them."""
        lines = csv_rows.lines_of(piece.data, 0, len(piece.data))
        if lines <= rows and b'\\"' not in piece.data:
            return ""
        sign = re.escape(self._delimiter).encode()
        for cell in re.finditer(QUOTED % (sign, sign), piece.data):
            escaped = cell[2] and cell[1].endswith(b"\\")
            if not (escaped or (cell[2] and re.search(rb"[\r\n]", cell[1]))):
                continue
            first, last = (piece.line + encodings.line_of(piece.data, p) for p in (cell.start(), cell.end(1)))
            if escaped:
                return f"line {last} holds a quote behind a backslash, in a quoted cell"
            return f"the quote that opens in line {first} ends in line {last}, in the middle of a cell"
        return ""

    def _column(self, tables: Sequence[pa.Table], index: int) -> Column:
        import pyarrow as pa

        chunks = [chunk for table in tables for chunk in table.column(str(index)).chunks]
        column = texts(pa.chunked_array(chunks, pa.large_string()), untyped=True, decimal=self._decimal)
        if not self._missing or not tables:
            return column
        from dlc.runtime.data.columns.arrow_compute import pc

        marks = pa.array(self._missing, pa.large_string())
        marked = pc.is_in(pc.utf8_trim_whitespace(column.values), value_set=marks)
        return replace(column, values=pc.if_else(marked, pa.scalar(None, pa.large_string()), column.values))

    # --- errors -------------------------------------------------------------------------------------------

    def _problem(self, piece: CsvPiece, rows: int, indices: Sequence[int]) -> data_errors.CompileError:
        """The error of the first row of a piece that cannot be read; `rows` are before the piece."""
        why = ""
        for size in STEPS:
            for part in csv_rows.in_rows([piece.data], self._delimiter, size, piece.line, piece.begins):
                table = None if part.is_blank else self._parse(part, indices)
                if isinstance(table, str):
                    piece, why = part, table
                    break
                rows += table.num_rows if table else 0
        if b"\0" in piece.data:
            return self._nul(piece.line + (encodings.nul_line(piece.data) or 1))
        if quote := self._misplaced_quote(piece):
            return self._broken(quote, 'double it instead: `""`' if "backslash" in quote else DOUBLED)
        if "UTF8" in why:
            return self._broken(formats.NO_UTF8, self._utf8_help_at(piece))
        if ragged := self._ragged(rows):
            return data_errors.CompileError(ragged)
        return self._broken(why)

    def _nul(self, line: int) -> data_errors.CompileError:
        return self._broken(formats.BINARY, f"line {line} holds a NUL byte: save it as text in UTF-8")

    def _endless(self, line: int, quoted: bool) -> data_errors.CompileError:
        if quoted:
            return self._broken(f"the quote that opens in line {line} is not closed", f"close it; {DOUBLED}")
        return self._broken(f"line {line} is longer than {LONGEST:_} bytes")

    def _utf8_help(self, data: bytes, line: int = 0) -> str:
        return encodings.no_utf8(data, in_spec=self._in_spec, line=line)

    def _utf8_help_at(self, piece: CsvPiece) -> str:
        """The fix for the row of a piece, by the text around it."""
        head = self._text.head
        if self._text.is_whole or piece.line < csv_rows.lines_of(head, 0, len(head)):
            return self._utf8_help(head)
        return self._utf8_help(piece.data, piece.line)

    def _broken(self, why: str, help: str = "") -> data_errors.CompileError:
        message = f"{self.file} cannot be read as a csv file: {shorten(why, 200)}"
        return data_errors.fail(data_errors.BROKEN, message, (self.definition, "read here"), help=help)
