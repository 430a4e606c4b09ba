"""How a csv file is written, guessed from its text: encoding, separator, decimal sign, heading, and marks of
missing values. A spec states all of them, so that nothing is guessed when it is read."""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from statistics import fmean
from typing import TYPE_CHECKING

from dlc.compiler.definitions.sections import Csv
from dlc.runtime.data import encodings
from dlc.runtime.data.columns.numerals import MARKS, is_decimal

if TYPE_CHECKING:
    from collections.abc import Sequence

HEAD = 1 << 20  # bytes of the file that settings other than the encoding are guessed from
ROWS = 1000  # rows that are compared
SEPARATORS = ",;\t|"
COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
COMMENTS = ("#", "%")
# Words for a missing value that may also be meant as a class of a target.
WORDS = {"none", "unknown", "undefined", "missing", "empty", "blank", "nil"}


def settings_for(path: str, data: bytes) -> Csv:
    """The source for a csv file with this content."""
    encoding = encoding_of(data)
    text = data[:HEAD].decode(encoding, "ignore").removeprefix("\ufeff")
    lines = whole_lines(text, is_all=len(data) <= HEAD)
    comment = comment_in(lines)
    lines = [line for line in lines if not (comment and line.startswith(comment))]
    separator = separator_of(lines)
    rows = rows_of(lines, separator)
    decimal = "," if separator != "," and has_commas(rows) else "."
    found: dict[str, object] = {"path": path}
    if separator != ",":
        found["separator"] = separator
    if decimal != ".":
        found["decimal"] = decimal
    if encoding != "utf-8":
        found["encoding"] = encoding
    if comment:
        found["comment"] = comment
    if not has_heading(rows, decimal):
        found["header"] = False
    return Csv(**found)


def encoding_of(data: bytes) -> str:
    """UTF-8 if the bytes are that, else the most likely encoding."""
    if wide := encodings.wide(data[:64]):
        return wide
    try:
        data.decode()
    except UnicodeDecodeError:
        return next(iter(encodings.likely(data)), "latin-1")
    return "utf-8"


def whole_lines(text: str, *, is_all: bool) -> list[str]:
    """The lines that are not blank, without the last one where the text may end within it."""
    lines = text.splitlines(keepends=True)
    return [line for line in (lines if is_all else lines[:-1]) if line.strip()]


def comment_in(lines: Sequence[str]) -> str | None:
    """The sign that the first line begins with, if it is one of comments."""
    first = next(iter(lines), "")
    sign = first[:1]
    return sign if sign in COMMENTS and not all(line.startswith(sign) for line in lines) else None


def rows_of(lines: Sequence[str], separator: str) -> list[list[str]]:
    reader = csv.reader(lines, delimiter=separator)
    try:
        return [[cell.strip() for cell in row] for row in itertools.islice(reader, ROWS) if row]
    except csv.Error:
        return [[cell.strip() for cell in line.split(separator)] for line in lines[:ROWS]]


def separator_of(lines: Sequence[str]) -> str:
    """The sign that splits most of the lines, and the first one, into the same number of cells; of several,
    one that leaves no other sign in the cells but decimal commas, then the one that makes the most cells."""
    best, score = ",", (False, 0.0, 0.0, 0)
    for sign in SEPARATORS:
        rows = rows_of(lines, sign)
        widths = Counter(map(len, rows))
        width, times = max(widths.items(), key=lambda found: (found[1], found[0]), default=(0, 0))
        if width > 1:
            whole = fmean(is_whole(cell, sign) for row in rows for cell in row)
            found = (len(rows[0]) == width, round(times / len(rows), 2), round(whole, 1), width)
            best, score = (sign, found) if found > score else (best, score)
    return best


def is_whole(cell: str, separator: str) -> bool:
    """Whether no other separator seems to split a cell."""
    others = [sign for sign in SEPARATORS if sign != separator and sign in cell]
    return not others or COMMA.fullmatch(cell) is not None


def has_commas(rows: Sequence[Sequence[str]]) -> bool:
    """Whether numbers have decimal commas: some do, and none has a point."""
    cells = [cell for row in rows for cell in row]
    return any(map(COMMA.fullmatch, cells)) and not any(is_decimal(c) and "." in c for c in cells)


def has_heading(rows: Sequence[Sequence[str]], decimal: str) -> bool:
    """Whether the first row names the columns. Each column votes: a word above numbers is a name, a number
    above numbers is none, unless it only counts the columns; a word that is in other rows too is none."""
    if len(rows) < 2:
        return True
    first, others = rows[0], rows[1:]
    counts = [str(n) for n in range(len(first) + 1)]
    votes = 0
    for place, name in enumerate(first):
        below = [row[place] for row in others if place < len(row)]
        known = [cell for cell in below if cell.lower() not in MARKS]
        numeric = bool(known) and all(is_number(cell, decimal) for cell in known)
        if numeric and is_number(name, decimal):
            votes -= name not in counts
        elif numeric or not known:
            votes += bool(name) and name.lower() not in MARKS
        elif name in known:
            votes -= 1
        elif len({*known}) <= len(known) / 2:
            votes += bool(name)
    return votes >= 0


def is_number(cell: str, decimal: str) -> bool:
    return is_decimal(cell.replace(".", ";").replace(decimal.replace(".", ";"), "."))
