"""What the columns of a table hold, judged from their values alone: numbers, classes, texts, dates, or
nothing that a network can learn from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from dlc.runtime.data.columns import numerals

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from dlc.runtime.data.source import Column

# Kinds of columns.
NUMBER, WHOLE, CLASS, TEXT, DATE = "number", "whole number", "class", "text", "date"
VECTOR = "vector"  # several numbers in a cell
ALMOST = "almost a number"  # with a currency, a unit, a percent sign
EMPTY = "empty"  # no value in any row
OTHER = "other"  # sequences, pictures, dates of a Parquet file, numbers past float32

LOOKED_AT = 2000  # distinct texts that are inspected one by one
KINDS = 20  # up to so many texts such as `1st` or `8 mm` are classes, and no numbers with a unit
WORDS = 3  # words that a cell of free text has on average, at least
SENTINELS = (-9.0, -99.0, -999.0, -9999.0)  # numbers that often mark a missing value
FLOAT32 = float(np.finfo(np.float32).max)
MAX_LISTED = 1000  # values of a class column that are kept with their counts


@dataclass(frozen=True)
class Inspected:
    """What one column holds.

    `distinct` and `missing` count values and rows. `counts` has the values of a class or whole number column
    with their numbers of rows, the most frequent first, as text; it is empty if there are very many.
    `values` are the numbers of a number column, float64, NaN where one is missing.
    """

    name: str
    index: int
    kind: str
    rows: int
    missing: int = 0
    distinct: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    values: np.ndarray | None = field(default=None, repr=False)
    example: str = ""  # a value, such as a number that is written in another way
    words: float = 0.0  # of a cell, on average
    padded: bool = False  # whole numbers with leading zeros, such as postal codes
    width: int = 1  # numbers in a cell
    marks: tuple[str, ...] = ()  # texts among its values that mark missing ones
    exact: bool = True  # whether no text has white space around it
    why: str = ""  # no network can learn from it

    @property
    def known(self) -> int:
        return self.rows - self.missing

    @property
    def is_numeric(self) -> bool:
        return self.kind in (NUMBER, WHOLE)

    @property
    def numbers(self) -> np.ndarray:
        """The numbers that are not missing, float64."""
        assert self.values is not None
        return self.values[np.isfinite(self.values)]


@dataclass(frozen=True)
class ColumnOfSpec:
    """A column that a spec reads."""

    column: Inspected

    @property
    def name(self) -> str:
        return self.column.name

    @property
    def misses(self) -> bool:
        """Whether it has missing values."""
        return self.column.missing > 0


def inspect(name: str, index: int, column: Column, kept: Collection[str] = ()) -> Inspected:
    """What a column holds. `kept` are texts that usually mark a missing value, and are classes here."""
    rows = column.count
    if column.lengths is not None or column.labels is not None:
        return Inspected(name, index, OTHER, rows, why="its cells hold lists of different lengths or text")
    if column.shape not in ((), (1,)):
        kind = VECTOR if len(column.shape) == 1 and not column.is_text else OTHER
        why = "its cells hold tables or lists of text" if kind == OTHER else ""
        return Inspected(name, index, kind, rows, width=int(np.prod(column.shape)), why=why)
    if column.is_text:
        return of_texts(name, index, column, kept)
    if column.is_boolean:
        texts = [str(value) for value in column.values.reshape(rows).tolist()]
        missing = column.missing_rows
        return of_classes(name, index, [t for t, gone in zip(texts, missing, strict=True) if not gone], rows)
    values = np.where(column.missing_rows, np.nan, column.values.reshape(rows).astype(np.float64))
    return of_numbers(name, index, values)


def of_numbers(name: str, index: int, values: np.ndarray, *, padded: bool = False,
               marks: Sequence[str] = ()) -> Inspected:  # fmt: skip
    known = values[~np.isnan(values)]
    if len(too_large := np.flatnonzero(np.abs(known) > FLOAT32)):
        row = int(np.flatnonzero(~np.isnan(values))[too_large[0]])
        why = f"row {row + 1} has {values[row]:g}, which float32 does not hold"
        return Inspected(name, index, OTHER, len(values), why=why)
    found, counts = np.unique(known, return_counts=True)
    if not len(found):
        return Inspected(name, index, EMPTY, len(values), len(values))
    whole = bool((found == np.floor(found)).all())
    order = np.argsort(-counts, kind="stable") if whole and len(found) <= MAX_LISTED else []
    listed = {str(int(found[i])): int(counts[i]) for i in order}
    return Inspected(name, index, WHOLE if whole else NUMBER, len(values), len(values) - len(known),
                     len(found), listed, values, padded=padded, marks=(*marks,))  # fmt: skip


def of_texts(name: str, index: int, column: Column, kept: Collection[str]) -> Inspected:
    """What a column of text holds. In a file that does not distinguish text from numbers, texts may be
    numbers, of which some are replaced by marks of missing values."""
    from dlc.runtime.data.columns.arrow_compute import pc

    tally = pc.value_counts(column.trimmed)
    texts, times = tally.field("values").to_pylist(), tally.field("counts").to_pylist()
    counts = {t: n for t, n in zip(texts, times, strict=True) if t is not None}
    if not counts:
        return Inspected(name, index, EMPTY, column.count, column.count)
    marks = [text for text in counts if text.lower() in numerals.MARKS and text not in kept]
    real = {text: times for text, times in counts.items() if text not in marks}
    missing = column.count - sum(real.values())
    if not real:
        return Inspected(name, index, EMPTY, column.count, missing, marks=(*marks,))
    if column.untyped and (values := numbers_in(column, marks)) is not None:
        padded = any(re.fullmatch(r"0\d+", text) for text in real)
        return of_numbers(name, index, values, padded=padded, marks=marks)
    some = [*real][:LOOKED_AT]
    common = {"distinct": len(real), "example": some[0], "marks": (*marks,)}
    if all(map(numerals.date_or_time, some)):
        return Inspected(name, index, DATE, column.count, missing, **common)
    if column.untyped and len(real) > KINDS and all(map(is_almost_number, some)):
        return Inspected(name, index, ALMOST, column.count, missing, **common)
    words = sum(len(text.split()) * real[text] for text in some) / sum(real[text] for text in some)
    free = words >= WORDS and len(real) > sum(real.values()) / 2
    ordered = dict(sorted(real.items(), key=lambda item: (-item[1], item[0]))[:MAX_LISTED])
    exact = bool(pc.all(pc.equal(column.values, column.trimmed)).as_py())
    return Inspected(name, index, TEXT if free else CLASS, column.count, missing, words=words, exact=exact,
                     counts=ordered if len(real) <= MAX_LISTED else {}, **common)  # fmt: skip


def of_classes(name: str, index: int, texts: Sequence[str], rows: int) -> Inspected:
    found, times = np.unique(np.array(texts, dtype=object), return_counts=True) if texts else ((), ())
    counts = dict(sorted(zip(found, map(int, times), strict=True), key=lambda item: (-item[1], item[0])))
    kind = CLASS if counts else EMPTY
    return Inspected(name, index, kind, rows, rows - len(texts), len(counts), counts)


def numbers_in(column: Column, marks: Collection[str]) -> np.ndarray | None:
    """The texts of a column as numbers, NaN where they are missing or one of the marks; None if another text
    is not a number."""
    import pyarrow as pa

    from dlc.runtime.data.columns.arrow_compute import pc

    if not marks:
        return column.parsed
    gone = pc.is_in(column.trimmed, pa.array(sorted(marks), pa.large_string()))
    cleared = pc.if_else(gone, pa.scalar(None, pa.large_string()), column.trimmed)
    return replace(column, values=cleared).parsed


def is_almost_number(text: str) -> bool:
    """Whether a text is a number that is written with a currency, a unit, a percent sign or separators."""
    if numerals.is_decimal(text):
        return True
    written = (numerals.separators, numerals.percentage, numerals.currency, numerals.with_unit)
    return any(check(text) for check in written)


def sentinel_of(columns: Sequence[Inspected]) -> float | None:
    """A negative number that marks missing values: the only negative one of a column, in several rows, and no
    value of a column that has other negative numbers."""
    for mark in SENTINELS:
        having = [c for c in columns if c.is_numeric and (c.numbers == mark).any()]
        lone = all((c.numbers[c.numbers != mark] >= 0).all() and c.distinct > 2 for c in having)
        if having and lone and sum((c.numbers == mark).sum() for c in having) > 1:
            return mark
    return None
