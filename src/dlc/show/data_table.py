"""The figures of the rows as a table: a row for every input and target."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.quoting import shorten
from dlc.compiler.passes.cost import spell
from dlc.runtime.lints.overlap import overlaps
from dlc.runtime.written_numbers import written
from dlc.show.columns import GAP, columns, width

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dlc.runtime.data import Dataset
    from dlc.runtime.data_summary import LengthRange, Summary

HEAD = ("field", "role", "type", "missing", "distinct", "min", "max", "mean", "std", "length",
        "classes")  # fmt: skip
NUMBERS = (3, 4, 5, 6, 7, 8)
CLASSES = 4  # that are shown of a field with more than twice as many
PARTS = {"train": "for training", "validation": "for validation", "test": "for the test"}


def rows_of_parts(dataset: Dataset, part: str | None) -> Iterator[str]:
    """How many rows each part has, and how many stand in two parts."""
    parts = [(name, rows.count) for name, rows in dataset.parts()]
    split = ", ".join(f"{spell(n)} {PARTS[name]}" for name, n in parts if n is not None)
    total = sum(n or 0 for _, n in parts)
    drawn = "rows are drawn for every batch" if any(n is None for _, n in parts) else ""
    yield drawn + (f", {split}" if split else "") if drawn else f"{spell(total)} rows: {split}"
    for found in overlaps(dataset):
        if found.equal:
            what = "stretches of windows" if found.windows else "rows"
            other = "training" if found.other == "train" else found.other
            yield f"{spell(found.equal)} of {spell(found.total)} {found.part} {what} equal {other} {what}"
    if part is not None:
        yield f"below: the {'training' if part == 'train' else part} rows"


def lines(found: Sequence[Summary], room: int | None) -> list[str]:
    """The table, in at most `room` cells if that is given: the classes stand below their field, or if that is
    not enough each field is a paragraph of its own."""
    rows = [row for one in found for row in (cells(one), *map(column_cells, one.columns))]
    whole = columns(HEAD, rows, NUMBERS).split("\n")
    if room is None or max(map(width, whole)) <= room:
        return whole
    head, rule, *numbers = columns(HEAD[:-1], [row[:-1] for row in rows], NUMBERS).split("\n")
    if max(map(width, (head, *numbers))) > room:
        return [line for row in rows for line in paragraph(row, room)]
    below = (folded(row[-1], room) for row in rows)
    return [head, rule, *(line for row, more in zip(numbers, below, strict=True) for line in (row, *more))]


def folded(text: str, room: int) -> list[str]:
    """A text in indented lines of at most `room` cells."""
    return textwrap.wrap(text, max(room, 20), initial_indent=GAP, subsequent_indent=GAP)


def paragraph(row: Sequence[str], room: int) -> Iterator[str]:
    """A field in a narrow terminal: its name, role and type, and below them its figures."""
    yield " ".join(filter(None, (cell.strip() for cell in row[:3])))
    figures = [f"{name} {value}" for name, value in zip(HEAD[3:-1], row[3:-1], strict=True) if value]
    yield from folded(", ".join([*figures, *([row[-1]] if row[-1] else [])]), room)


def cells(one: Summary) -> tuple[str, ...]:
    parts = [(one.missing, ""), (one.unknown, " unknown"), (one.ignored, " ignored")]
    missing = " + ".join(f"{spell(n)}{what}" for n, what in parts if n)
    distinct = "" if one.distinct is None else f"{'> ' if one.many else ''}{spell(one.distinct)}"
    numbers = ("" if n is None else number(n) for n in (one.low, one.high, one.mean, one.deviation))
    role = f"drawn: {one.drawn}" if one.drawn else one.role
    return (shorten(one.name), role, one.type, missing, distinct, *numbers, spelled(one.lengths), shares(one))


def column_cells(one: Summary) -> tuple[str, ...]:
    """The row of a column of a vector, below that of the vector."""
    name, _, _, *others = cells(one)
    return (f"  {name}", "", "", *others)


def number(value: float) -> str:
    """A number in four significant digits; a whole one of up to nine digits as it is."""
    return f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e9 else written(value, 4)


def spelled(lengths: LengthRange | None) -> str:
    """`2 to 48, median 11`."""
    if lengths is None:
        return ""
    if lengths.least == lengths.greatest:
        return f"{lengths.least}"
    return f"{lengths.least} to {lengths.greatest}, median {lengths.median:g}"


def shares(one: Summary) -> str:
    """The classes with their shares, the most frequent ones first."""
    total = sum(one.classes.values())
    most = len(one.classes) if len(one.classes) <= 2 * CLASSES else CLASSES
    shown = [
        f"{shorten(label) or repr('')}: {percent(n / total)}" for label, n in [*one.classes.items()][:most]
    ]
    rest = len(one.classes) - most
    return ", ".join([*shown, *([f"{spell(rest)} more"] if rest else [])])


def percent(share: float) -> str:
    """`33 %`; a small share with one digit, so that it is not 0."""
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"
