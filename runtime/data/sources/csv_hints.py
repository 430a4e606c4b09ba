"""What is wrong in a csv file, and how to correct it: its heading, its separator, rows of another length."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.quoting import VALUES, listed
from dlc.compiler.format.printer import spell_text
from dlc.runtime.data import data_errors
from dlc.runtime.data.columns.numerals import MARKS, is_decimal, normalized
from dlc.runtime.data.data_errors import counted
from dlc.runtime.data.source import Opened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dlc.compiler.diagnostics.diagnostic import Diagnostic

SIGNS = {",": "a comma", ";": "a semicolon", "\t": "a tab", " ": "a space"}
SEPARATORS = ";\t,|^~:/ "  # that files have, the usual ones first
LINES = 10  # maximum number of lines to search for a heading
MAX_RAGGED = 100  # maximum number of rows of a wrong length to inspect
INSPECTED = 200_000  # rows from the first of them on that are inspected
# A decimal comma with points between thousands; and a number like 1.234, which may then mean 1234.
GERMAN = re.compile(r"[+-]?(?![1-9]\d{0,2},\d{3}$)(\d+,\d+|\d{1,3}(\.\d{3})+(,\d+)?)")
COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
POINTED = re.compile(rb"(?<![\w.,+-])[1-9]\d{0,2}\.\d{3}(?![\w.,%])")


class CsvHints(Opened):
    """The fixes for what is wrong in a csv file."""

    _delimiter: str
    _decimal: str
    _headings: int  # lines
    _width: int  # columns

    @property
    def _begin(self) -> bytes:
        """The beginning of the text."""
        raise NotImplementedError

    def _lines(self) -> Iterator[tuple[int, int, list[str]]]:
        """The rows that are not blank, the heading first, each with the numbers of its first and its last
        line."""
        raise NotImplementedError

    def _rows(self, start: int = 0) -> Iterator[tuple[int, int, list[str]]]:
        """`_lines` without the heading, from a row on."""
        return itertools.islice(self._lines(), self._headings + start, None)

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
        found = POINTED.search(self._begin) if GERMAN.fullmatch(text.strip()) else None
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

    def _ragged(self, first: int) -> list[Diagnostic]:
        """Errors for the rows from the `first` on that have more or fewer cells than the heading, one error
        for each fix."""
        rows = itertools.islice(enumerate(self._rows(first), first), INSPECTED)
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
        return refused.diagnostic(self, "", (self.definition, "read here"))

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
