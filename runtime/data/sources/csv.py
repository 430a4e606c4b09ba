"""Tables of text. Every cell is read as text; what it means is decided by the type that it is for."""

from __future__ import annotations

import csv
import io
import itertools
from typing import TYPE_CHECKING

from dlc.runtime.data import mistakes
from dlc.runtime.data.convert import is_number
from dlc.runtime.data.source import Column, Opened, need_file, shown, texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from dlc.compiler.diagnostics import Diagnostic
    from dlc.compiler.sections import Csv

BLOCK = 1 << 23  # bytes that one thread reads at a time; no row may be longer
SIGNS = {",": "a comma", ";": "a semicolon", "\t": "a tab"}  # between the cells
MOST_RAGGED = 4  # rows that a message names


class CsvFile(Opened):
    def __init__(self, source: Csv, folder: Path) -> None:
        path = need_file(folder / source.path, source)
        self.file, self.definition = shown(source.path), source
        self._missing = source.missing or ()
        self._data = self._read_bytes(path)
        if b"\0" in self._data[:BLOCK]:
            raise self._broken("it is no text", "save it as UTF-8; other formats are `parquet` and `npz`")
        first_lines = bytes(self._data[: 1 << 16]).lstrip(b"\xef\xbb\xbf\r\n").splitlines()
        heading = first_lines[0] if first_lines else b""
        self._delimiter = max(SIGNS, key=lambda sign: heading.count(sign.encode()))
        lines = self._lines()
        _, self._heading_lines, names = next(lines, (0, 0, []))
        self.names = tuple(name.strip() for name in names)
        if next(lines, None) is None:
            what = "has a heading and no rows" if names else "is empty"
            raise mistakes.fail(mistakes.NO_ROWS, f"{self.file} {what}", (source, "read here"))
        self.count = -1

    def read(self, places: Sequence[int]) -> list[Column]:
        table = self._parse(places)
        self.count = table.num_rows
        return [self._column(table.column(str(place)), place) for place in places]

    def row(self, number: int) -> str:
        """With the line as well, which differs by the heading, blank lines and cells of several lines."""
        lines = next(itertools.islice(self._lines(), number + 1, None), None)
        return f"row {number + 1} (line {lines[0]})" if lines else f"row {number + 1}"

    def heading_help(self) -> str:
        if all(is_number(name) for name in self.names):
            return "the first line looks like data; a csv file has a heading with the names of the columns"
        return ""

    def _read_bytes(self, path: Path) -> bytes:
        import pyarrow as pa

        try:
            with pa.input_stream(str(path)) as stream:  # unpacks .gz and the like
                return stream.read()
        except OSError as error:
            raise self._broken(str(error)) from None

    def _lines(self) -> Iterator[tuple[int, int, list[str]]]:
        """The rows that are not blank, the heading first, each after the numbers of its
        first and last line."""
        csv.field_size_limit(BLOCK)
        text = io.TextIOWrapper(io.BytesIO(self._data), "utf-8-sig", errors="replace", newline="")
        reader, first = csv.reader(text, delimiter=self._delimiter), 1
        try:
            for row in reader:
                if row:
                    yield first, reader.line_num, row
                first = reader.line_num + 1
        except csv.Error as error:
            raise self._broken(str(error)) from None

    def _parse(self, places: Sequence[int]) -> pa.Table:
        """The cells of these columns as text, each column under its place."""
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        wanted = [str(place) for place in places]
        try:
            return arrow_csv.read_csv(
                pa.BufferReader(self._data),
                arrow_csv.ReadOptions(
                    column_names=[str(i) for i in range(len(self.names))],
                    skip_rows=self._heading_lines,
                    block_size=BLOCK,
                ),
                arrow_csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=b'"' in self._data),
                arrow_csv.ConvertOptions(
                    include_columns=wanted,
                    column_types=dict.fromkeys(wanted, pa.large_string()),
                ),
            )
        except pa.ArrowInvalid as error:
            if "UTF8" in str(error):
                help = "save it as UTF-8"
                raise self._broken("it holds bytes that are no UTF-8 text", help) from None
            if ragged := list(itertools.islice(self._ragged(), MOST_RAGGED)):
                raise mistakes.CompileError(ragged) from None
            raise self._broken(str(error)) from None

    def _column(self, cells: pa.ChunkedArray, place: int) -> Column:
        column = texts(cells, untyped=True)
        if not self._missing:
            return column
        import pyarrow as pa

        from dlc.runtime.data.compute import pc

        marks = pa.array([text.strip() for text in self._missing], pa.large_string())
        marked = pc.is_in(pc.utf8_trim_whitespace(column.values), value_set=marks)
        return texts(pc.if_else(marked, pa.scalar(None, pa.large_string()), column.values), untyped=True)

    def _ragged(self) -> Iterator[Diagnostic]:
        """Every row that has more or fewer cells than the heading."""
        width = len(self.names)
        for number, (line, _, row) in enumerate(itertools.islice(self._lines(), 1, None), 1):
            if len(row) != width:
                cells = "1 cell" if len(row) == 1 else f"{len(row)} cells"
                yield mistakes.mistake(
                    mistakes.RAGGED,
                    f"{self.file}, row {number} (line {line}): found {cells}, and the heading has "
                    f"{width} columns",
                    (self.definition, "read here"),
                    help=f"put a cell that holds {SIGNS[self._delimiter]} in quotes"
                    if len(row) > width
                    else "",
                )

    def _broken(self, why: str, help: str = "") -> mistakes.CompileError:
        message = f"{self.file} cannot be read as a csv file: {mistakes.shorten(why, 200)}"
        return mistakes.fail(mistakes.BROKEN, message, (self.definition, "read here"), help=help)
