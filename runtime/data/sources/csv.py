"""Read csv files. Every cell is read as text; the declared type of the field decides how to decode it."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler import reading
from dlc.compiler.diagnostics.quoting import VALUES, listed, shorten
from dlc.compiler.format.printer import spell_text
from dlc.runtime.data import bounds, data_errors, encodings, formats
from dlc.runtime.data.data_errors import counted
from dlc.runtime.data.numerals import MARKS, is_decimal, normalized
from dlc.runtime.data.source import Column, Opened, display_path, need_file, texts
from dlc.runtime.data.sources import csv_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from dlc.compiler.definitions.sections import Csv
    from dlc.compiler.diagnostics.diagnostic import Diagnostic

SENTINEL = b"behind the end"  # appended to the file: a separate row if every quote is closed
BLOCK = 1 << 23  # bytes per thread and read; no row may be longer
SIGNS = {",": "a comma", ";": "a semicolon", "\t": "a tab", " ": "a space"}
SEPARATORS = ";\t,|^~:/ "  # that files have, the usual ones first
DOUBLED = 'put a cell that contains quotes in quotes, and double its own: `"5"" pipe"`'
# Memory of a cell: its text as read, concatenated and trimmed, each with an offset, and then two numbers.
COPIES, OFFSET, NUMBERS = 3, 8, 16  # bytes
LINES = 10  # maximum number of lines to search for a heading
MAX_RAGGED = 100  # maximum number of rows of a wrong length to inspect
# A cell in quotes, and a character after the closing quote, where none is allowed.
QUOTED = rb'(?<![^%b\r\n])"([^"]*+(?:""[^"]*+)*+)"([^%b\r\n])?'
# A decimal comma with points between thousands; and a number like 1.234, which may then mean 1234.
GERMAN = re.compile(r"[+-]?(?![1-9]\d{0,2},\d{3}$)(\d+,\d+|\d{1,3}(\.\d{3})+(,\d+)?)")
COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
POINTED = re.compile(rb"(?<![\w.,+-])[1-9]\d{0,2}\.\d{3}(?![\w.,%])")


class CsvFile(Opened):
    is_table = True
    no_rows = "has a heading and no rows"

    def __init__(self, source: Csv, folder: Path, content: bytes | None = None) -> None:
        """`content` has the bytes of the file, if they are already read."""
        self.file, self.definition = display_path(source.path), source
        self.sequences = source
        self.marks, self._missing, self._decimal = source.missing or (), source.marked, source.decimal
        self._bound = bounds.memory_limit()
        self._delimiter, self._headings = source.separator, int(source.header)
        if content is None:
            self._data = self._read_bytes(need_file(folder / source.path, source), source)
        else:
            self._data = self._decoded([content], len(content), source)
        self._check_text(source)
        first_lines = self._data[: 1 << 16].removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n").splitlines()
        if first_lines[1:] and self._utf8_help(first_lines[0]):
            raise self._broken(formats.NO_UTF8, self._utf8_help(self._data))
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
        if not self.count:
            return [texts([]) for _ in indices]
        rows = max(self._data.count(b"\n"), self._data.count(b"\r"))
        self._check_size(rows * len(indices), OFFSET * rows * len(indices))
        table = self._parse(indices)
        self.count = table.num_rows
        self._check_size(self.count * len(indices), table.nbytes)
        return [self._column(table.column(str(index))) for index in indices]

    def row(self, number: int) -> str:
        """The row and its line; they differ by the heading, blank lines and cells with several lines."""
        lines = next(self._rows(number), None)
        return f"row {number + 1} (line {lines[0]})" if lines else f"row {number + 1}"

    def heading_help(self, wanted: Sequence[str]) -> str:
        for line, _, row in itertools.islice(self._lines(), 1, LINES):
            if {*wanted} <= {cell.strip() for cell in row}:
                return f"the heading is in line {line}: remove what precedes it"
        if any(map(self._is_number, self.names)):
            fix = "csv(..., header=false)" if self._in_spec else "write the names of the columns above it"
            return f"the first line looks like data, and is read as the heading: {fix}"
        if not any(self.names):
            return "the first line names no columns; it is the heading of a csv file"
        return self.separator_help(self.names[0], wanted) if len(self.names) == 1 else ""

    def separator_help(self, line: str, wanted: Sequence[str] = ()) -> str:
        """The fix for a line of one cell that another separator splits into names that are wanted."""
        sign = separator_in(line, wanted)
        if not sign:
            return ""
        if not self._in_spec or "  " in line.strip():
            return f"its separator looks like {named(sign)}: separate its cells by {named(self._delimiter)}"
        first = next(self._rows(), (0, 0, []))[2]
        cells = self._delimiter.join(first).split(sign)
        decimal = ', decimal=","' if sign != "," and any(map(COMMA.fullmatch, cells)) else ""
        return f"its separator looks like {named(sign)}: csv(..., separator={spell_text(sign)}{decimal})"

    def too_few_help(self) -> str:
        cells = next(self._rows())[2]
        return self.separator_help(cells[0]) if len(cells) == 1 else ""

    def absent_help(self, name: str) -> str:
        return self.too_few_help() if self.numbered else ""

    def not_data(self, rows: Sequence[int]) -> tuple[str, str]:
        cells, what, help = self._cells(rows[0]), "", "take it out"
        if len(cells) > 1 and not any(cells):
            what = "all cells are empty"
        elif cells == [*self.names]:
            what = "the heading is repeated here"
        if what:
            return (what, help) if all(self._cells(row) == cells for row in rows[1:]) else ("", "")
        if [*rows] == [0] and self._is_of_heading(cells, self._cells(1)):
            if_so = f"{help}, if it belongs to the heading, as units and second names do"
            if not self._headings:
                if_so = "if it names the columns, leave out `header=false`" if self._in_spec else help
            return f"no cell is a number: {listed(cells[:3], VALUES)}", if_so
        return "", ""

    def _cells(self, number: int) -> list[str]:
        """The cells of a row, trimmed."""
        row = next(self._rows(number), (0, 0, []))[2]
        return [cell.strip().lstrip("\ufeff") for cell in row]

    def _is_of_heading(self, first: list[str], second: list[str]) -> bool:
        """Whether the first row has words above several numbers of the second row, and no numbers."""
        above = [name for name, cell in zip(first, second, strict=False) if self._is_number(cell)]
        words = [name for name in above if name.lower() not in MARKS]
        return len(above) == len(words) > 1 and not any(map(self._is_number, first))

    def _is_number(self, cell: str) -> bool:
        return is_decimal(cell.replace(".", ";").replace(self._decimal.replace(".", ";"), "."))

    def help_for(self, text: str, **known: bool) -> str:
        if self._decimal == "," and (number := normalized(text)):
            return with_comma(text.strip(), number)
        help = super().help_for(text, **known)
        found = POINTED.search(self._data[: 1 << 16]) if GERMAN.fullmatch(text.strip()) else None
        if found:
            cell = found[0].decode()
            return f"{help}; where {cell} is meant as {cell.replace('.', '')}, write that too"
        if COMMA.fullmatch(text.strip()) and self._in_spec:
            return f'{help}; if every number has a decimal comma: csv(..., decimal=",")'
        return help

    @property
    def _in_spec(self) -> bool:
        """Whether a setting of the source in the spec can be the fix."""
        return not self.for_model and data_errors.span_of(self.definition) is not None

    def _check_text(self, source: Csv) -> None:
        """Refuse a file of another format, in another encoding, or without content."""
        why, help = formats.of_another_kind(bytes(self._data[:4096]), source.path, in_spec=self._in_spec)
        if why:
            raise self._broken(why, help)
        if line := encodings.nul_line(self._data):
            raise self._broken(formats.BINARY, f"line {line} holds a NUL byte: save it as text in UTF-8")
        if not re.search(rb"[^\xef\xbb\xbf\s,;]", self._data):
            raise data_errors.fail(data_errors.NO_ROWS, f"{self.file} is empty", (source, "read here"))

    def _read_bytes(self, path: Path, source: Csv) -> bytes:
        import pyarrow as pa

        try:
            with pa.input_stream(str(path)) as stream:  # decompresses .gz and other formats
                pieces = iter(lambda: stream.read(bounds.PIECE), b"")
                return self._decoded(pieces, reading.check(path), source)
        except OSError as error:
            raise self._broken(str(error)) from None

    def _decoded(self, pieces: Iterable[bytes], size: int, source: Csv) -> bytes:
        """The bytes in UTF-8, without comments. `size` is that of the file."""
        text = csv_text.as_utf8(pieces, source.encoding)
        text = bounds.bounded(text, size, self.file, self.definition)
        if source.comment is not None:
            text = csv_text.without_comments(text, source.comment, source.separator)
        try:
            return bounds.joined(text)
        except csv_text.NotDecoded as error:
            raise self._broken(str(error), "name the encoding that it was written in") from None

    def _lines(self, suffix: bytes = b"") -> Iterator[tuple[int, int, list[str]]]:
        """The rows that are not blank, the heading first, each with the numbers of its first and its last
        line. `suffix` is appended to the file."""
        csv.field_size_limit(BLOCK)
        stream = io.BytesIO(self._data + suffix if suffix else self._data)
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

    def _rows(self, start: int = 0) -> Iterator[tuple[int, int, list[str]]]:
        """`_lines` without the heading, from a row on."""
        return itertools.islice(self._lines(), self._headings + start, None)

    def _check_size(self, cells: int, texts: int) -> None:
        """Refuse a file whose cells take too much memory; `texts` is the size of their text in bytes."""
        size = len(self._data) + COPIES * texts + NUMBERS * cells
        bounds.check(size, self._bound, self.file, self.definition)

    def _parse(self, indices: Sequence[int]) -> pa.Table:
        """The cells of these columns as text. Each column is named by its index."""
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        if line := self._unclosed():
            why = f"the quote that opens in line {line} is not closed"
            raise self._broken(why, f"close it; {DOUBLED}")
        wanted = [str(index) for index in indices]
        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(self._data),
                arrow_csv.ReadOptions(
                    column_names=[str(i) for i in range(self._width)],
                    skip_rows=self._heading_lines,
                    block_size=BLOCK,
                    use_threads=len(self._data) > bounds.ONE_THREAD,
                ),
                arrow_csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=b'"' in self._data),
                arrow_csv.ConvertOptions(
                    include_columns=wanted,
                    column_types=dict.fromkeys(wanted, pa.large_string()),
                ),
            )
        except pa.ArrowInvalid as error:
            if "UTF8" in str(error):
                raise self._broken(formats.NO_UTF8, self._utf8_help(self._data)) from None
            self._check_quotes()
            if ragged := self._ragged():
                raise data_errors.CompileError(ragged) from None
            raise self._broken(str(error)) from None
        self._check_quotes(table.num_rows)
        return table

    def _check_quotes(self, rows: int = -1) -> None:
        """Refuse cells that continue after their closing quote, if that affects other cells: quotes of two
        cells that are paired across lines would hide the rows between them."""
        escaped, lines = b'\\"' in self._data, max(map(self._data.count, (b"\n", b"\r")))
        if lines <= rows + self._heading_lines and not escaped:
            return
        sign = re.escape(self._delimiter).encode()
        for cell in re.finditer(QUOTED % (sign, sign), self._data):
            first, last = cell.start(), cell.end(1)
            if cell[2] and cell[1].endswith(b"\\"):
                why = f"line {self._line(last)} holds a quote behind a backslash, in a quoted cell"
                raise self._broken(why, 'double it instead: `""`')
            if cell[2] and re.search(rb"[\r\n]", cell[1]):
                why = f"the quote that opens in line {self._line(first)} ends in line {self._line(last)}"
                raise self._broken(f"{why}, in the middle of a cell", DOUBLED)

    def _line(self, place: int) -> int:
        return encodings.line_of(self._data, place)

    def _utf8_help(self, data: bytes) -> str:
        return encodings.no_utf8(data, in_spec=self._in_spec)

    def _unclosed(self) -> int | None:
        """The line of a quote that is never closed: its cell then contains the appended `SENTINEL`."""
        if self._data.count(b'"') % 2 == 0:
            return None
        *_, (line, _, row) = self._lines(b"\n" + SENTINEL)
        return line if row != [SENTINEL.decode()] else None

    def _column(self, cells: pa.ChunkedArray) -> Column:
        column = texts(cells, untyped=True, decimal=self._decimal)
        if not self._missing:
            return column
        import pyarrow as pa

        from dlc.runtime.data.arrow_compute import pc

        marks = pa.array(self._missing, pa.large_string())
        marked = pc.is_in(pc.utf8_trim_whitespace(column.values), value_set=marks)
        return replace(column, values=pc.if_else(marked, pa.scalar(None, pa.large_string()), column.values))

    def _ragged(self) -> list[Diagnostic]:
        """Errors for the rows that have more or fewer cells than the heading, one error for each fix."""
        rows = enumerate(self._rows())
        wrong = ((number, row) for number, (_, _, row) in rows if len(row) != self._width)
        found: dict[tuple[int, str], list[int]] = {}
        for number, row in itertools.islice(wrong, MAX_RAGGED):
            found.setdefault((len(row), self._ragged_help(row)), []).append(number)
        return [self._ragged_error(cells, help, rows) for (cells, help), rows in found.items()]

    def _ragged_error(self, cells: int, help: str, rows: list[int]) -> Diagnostic:
        first = "heading" if self.names else "first row"
        what = f"found {counted(cells, 'cell')}, and the {first} has {counted(self._width, 'column')}"
        if "at its end" not in help and self._lacks_a_name(cells):
            help = (
                "the rows begin with row names, which have no column in the heading, as R writes them: begin "
            )
            help += f"the heading with {named(self._delimiter)}"
        refused = data_errors.Refused(data_errors.RAGGED, what, rows, help)
        return refused.diagnostic(self.file, self.row, "", (self.definition, "read here"))

    def _lacks_a_name(self, cells: int) -> bool:
        """Whether every row has one cell more than the heading, and their first cells are distinct."""
        rows = [row for _, _, row in itertools.islice(self._rows(), MAX_RAGGED)]
        names = {row[0] for row in rows}
        return cells == len(self.names) + 1 == len(rows[-1]) and len(names) == len(rows) > 1 and all(
            len(row) == cells for row in rows
        )  # fmt: skip

    def _ragged_help(self, row: list[str]) -> str:
        """The fix for a row with more or fewer cells than the heading."""
        if not self.names and (help := self.separator_help(self._delimiter.join(row))):
            return help
        width, sign = self._width, named(self._delimiter)
        if width == 1 < len(row):
            return "the heading is the first line: remove what precedes it"
        if len(row) > width:
            spare = not any(cell.strip() for cell in row[width:])
            return (
                f"take out {sign.replace('a ', 'the ')} at its end"
                if spare
                else f"put a cell that holds {sign} in quotes"
            )
        if row[0].lstrip().startswith("#"):
            say = 'if `#` begins a comment, say so: csv(..., comment="#")'
            return say if self._in_spec else "take it out: it is a comment"
        return f"write {sign} for each cell that is missing, or take it out if it is no row"

    def _broken(self, why: str, help: str = "") -> data_errors.CompileError:
        message = f"{self.file} cannot be read as a csv file: {shorten(why, 200)}"
        return data_errors.fail(data_errors.BROKEN, message, (self.definition, "read here"), help=help)


def separator_in(line: str, wanted: Sequence[str]) -> str:
    """The separator that splits a line of one cell, if some of its parts are wanted or if it cannot be part
    of a name; empty if there is none."""
    names = {name.lower() for name in wanted}
    for sign in SEPARATORS:
        parts = [part.strip().lower() for part in line.split(sign)]
        if len(parts) > 1 and (names & {*parts} or sign in ";\t|^~"):
            return sign
    return ""


def with_comma(text: str, number: str) -> str:
    """The fix for a number in another notation, in a file with decimal commas; `number` has a point."""
    if re.fullmatch(r"[+-]?[1-9]\d{0,2}\.\d{3}", text):
        one, other = text.replace(".", ""), text.replace(".", ",")
        return f"its point separates thousands or decimals: write {one} or {other}, whichever is meant"
    return f'`data` says decimal=",": write {number.replace(".", ",")}'


def named(sign: str) -> str:
    return SIGNS.get(sign, f"`{sign}`")
