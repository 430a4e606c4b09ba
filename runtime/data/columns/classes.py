"""Classes of a column: the distinct values for `class(auto)`, and the class index of each value.

Classes are text, compared exactly, or integers. Booleans are the texts `True` and `False`. In the graph a
class is its index; -1 is an input value that is missing or not one of the classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.diagnostics.quoting import VALUES, listed, shorten
from dlc.compiler.dims.dim import number
from dlc.compiler.types import MAX_CLASSES
from dlc.runtime.data import data_errors
from dlc.runtime.data.columns.conversion import (
    LARGEST,
    decimal_texts,
    first_bad_text,
    name_indices,
    named_by_numbers,
    refusal,
)
from dlc.runtime.data.columns.numerals import QUOTES, is_decimal
from dlc.runtime.data.data_errors import Refused
from dlc.runtime.data.sequences.ragged import step_indices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.types import Classes
    from dlc.runtime.data.requirements import Purpose
    from dlc.runtime.data.source import Column

UNKNOWN, MISSING = -1, -2  # class indices
UNCOUNTED = ({-1}, {255})  # labels that other programs ignore in a loss
MAX_DIGITS = 20  # characters of a 64-bit integer in decimal
# Integers in decimal, and with `.0` as floats are printed.
WHOLE, DOTTED = r"^(0|-?[1-9][0-9]*)$", r"^(0|-?[1-9][0-9]*)\.0$"


# --- distinct values --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ColumnValues:
    """A column, its integers if it contains only those, and the rows to find classes in."""

    column: Column
    numbers: IntegerValues | None
    rows: np.ndarray

    @classmethod
    def of(cls, column: Column, rows: np.ndarray) -> ColumnValues:
        if column.lengths is not None:
            starts = np.cumsum(column.lengths) - column.lengths
            rows = step_indices(starts[rows], column.lengths[rows])
        return cls(column.steps, integer_values(column.steps), rows)


def labels_of(held: Sequence[ColumnValues]) -> set[str] | set[int]:
    """The distinct values of several columns: integers if all columns contain only integers, else text."""
    whole = all(some.numbers is not None for some in held)
    found: set[Any] = set().union(*((distinct if whole else distinct_texts)(some) for some in held))
    if not found:
        what, help = "all values are missing, so there is no class", "remove the column"
        raise no_classes(data_errors.MISSING_VALUE, what, help)
    if len(found) > MAX_CLASSES:
        help = "cut the text into characters" if any(some.column.cut for some in held) else ""
        raise no_classes(data_errors.CLASS, f"there are more than {MAX_CLASSES:_} different classes", help)
    return found


def no_classes(code: str, what: str, help: str) -> Refused:
    """The refusal of a whole column, at its first row."""
    refused = Refused(code, what, [0], help)
    refused.of_rows = True
    return refused


def distinct(held: ColumnValues) -> set[int]:
    assert held.numbers is not None
    there = ~held.numbers.missing[held.rows]
    return set(np.unique(held.numbers.values[held.rows][there]).tolist())


def distinct_texts(held: ColumnValues) -> set[str]:
    """Distinct values as text: text unchanged, booleans and integers as Python prints them."""
    column = held.column
    if column.labels:
        return {column.labels[code] for code in np.unique(column.values[held.rows])}
    from dlc.runtime.data.columns.arrow_compute import pc

    cells, missing_mask = (
        (column.values, column.missing_texts)
        if column.is_text
        else (decimal_texts(column), column.missing_numbers.ravel())
    )
    places = np.arange(len(missing_mask)).reshape(-1, *column.shape)[held.rows].ravel()
    return set(pc.unique(cells.take(places[~missing_mask[places]])).to_pylist())


# --- integers ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class IntegerValues:
    """The integers of a column. A value that is `missing`, or is some `other` value, is 0."""

    values: np.ndarray
    missing: np.ndarray
    other: np.ndarray


def integer_values(column: Column) -> IntegerValues | None:
    """The integers of a column; None for a column of text.

    Booleans count as text. In an untyped file (csv) a column has integers if all cells are decimal integers
    without leading zeros, or all of them with `.0`: one `00501` makes it a column of text. A number with a
    fraction is refused.
    """
    if (
        column.labels
        or column.is_boolean
        or (column.is_text and not (column.untyped and all_integers(column)))
    ):
        return None
    found = integers_of(column)
    if found.other.any() and column.is_text:  # more than 64 bits
        return None
    if found.other.any():
        word = first_bad_text(column, found.other)
        help = "classes are text or whole numbers; `bucketize` makes classes of a `float` input"
        raise refusal(
            data_errors.VALUE, f"{shorten(word)} is not a whole number of 64 bits", found.other, help
        )
    return found


def all_integers(column: Column) -> bool:
    return bool(forms_of_integers(column)) if column.integers is None else column.integers


def forms_of_integers(column: Column) -> set[str]:
    """The patterns of integers that all texts of the column match, apart from missing ones."""
    from dlc.runtime.data.columns.arrow_compute import pc

    matched = {form: pc.match_substring_regex(column.numerals, form) for form in (WHOLE, DOTTED)}
    return {form for form, found in matched.items() if pc.all(found).as_py() is not False}


def integers_of(column: Column) -> IntegerValues:
    """The integers among the values of a column."""
    if column.is_text:
        return parse_integers(column)
    values, missing = column.values, column.missing_numbers
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            whole = (values == np.floor(values)) & (np.abs(values) < LARGEST)
    else:
        whole = values <= np.iinfo(np.int64).max if values.dtype == np.uint64 else ~missing
    return IntegerValues(np.where(whole & ~missing, values, 0).astype(np.int64), missing, ~missing & ~whole)


def parse_integers(column: Column) -> IntegerValues:
    from dlc.runtime.data.columns.arrow_compute import pc

    cells, shape = column.numerals, (-1, *column.shape)
    is_integer = pc.or_(pc.match_substring_regex(cells, WHOLE), pc.match_substring_regex(cells, DOTTED))
    is_integer = pc.fill_null(is_integer, False)
    plain = pc.if_else(is_integer, pc.replace_substring_regex(cells, r"\.0$", ""), "0")
    values, large = as_int64(plain)
    is_integer = is_integer.to_numpy(zero_copy_only=False) & ~large
    missing = column.missing_texts
    return IntegerValues(*(array.reshape(shape) for array in (values, missing, ~is_integer & ~missing)))


def as_int64(cells: Any) -> tuple[np.ndarray, np.ndarray]:
    """Decimal texts as int64, and a mask of those that need more than 64 bits."""
    import pyarrow as pa

    try:
        values = cells.cast(pa.int64()).to_numpy(zero_copy_only=False)
        return values, np.zeros(len(values), bool)
    except pa.ArrowInvalid:
        numbers = [int(cell) if len(cell) <= MAX_DIGITS else 2**63 for cell in cells.to_pylist()]
        large = np.array([not -(2**63) <= number < 2**63 for number in numbers])
        return np.array([0 if big else n for n, big in zip(numbers, large, strict=True)], np.int64), large


# --- class indices ----------------------------------------------------------------------------------------


def places(column: Column, classes: Classes) -> np.ndarray:
    """The class index of each value, `UNKNOWN` if it is not a class, `MISSING` if it is missing.

    If the spec names the classes, a column of integers has class indices, unless the names are numbers
    themselves.
    """
    names = classes.names
    if names is None:
        return indices_of_integers(integers_of(column), classes)
    if not classes.found_in and has_class_indices(column) and not named_by_numbers(names):
        return indices_of_integers(integers_of(column), replace(classes, labels=None))
    return indices_of_names(column, names)


def has_class_indices(column: Column) -> bool:
    if column.labels or column.is_boolean:
        return False
    return not column.is_text or (column.untyped and not column.missing_texts.all() and all_integers(column))


def indices_of_integers(numbers: IntegerValues, classes: Classes) -> np.ndarray:
    count = number(classes.count)
    if classes.labels is None:
        found = np.where((numbers.values >= 0) & (numbers.values < count), numbers.values, UNKNOWN)
    else:
        labels = np.array(classes.labels, np.int64)
        at = np.minimum(np.searchsorted(labels, numbers.values), count - 1)
        found = np.where(labels[at] == numbers.values, at, UNKNOWN)
    return np.select([numbers.missing, numbers.other], [MISSING, UNKNOWN], found)


def indices_of_names(column: Column, names: tuple[str, ...]) -> np.ndarray:
    if column.labels:
        place = {name: at for at, name in enumerate(names)}
        return np.array([place.get(label, UNKNOWN) for label in column.labels], np.int64)[column.values]
    found = name_indices(column, names)
    missing = column.missing_texts.reshape(found.shape) if column.is_text else column.missing_numbers
    return np.where((found < 0) & missing, MISSING, found)


# --- refusals ---------------------------------------------------------------------------------------------


def refuse_unknown_class(column: Column, classes: Classes, found: np.ndarray, purpose: Purpose) -> None:
    """Refuse values that are not one of the classes."""
    bad = found == UNKNOWN
    if not bad.any():
        return
    word = first_bad_text(column, bad)
    if classes.names is None or (has_class_indices(column) and not named_by_numbers(classes.names)):
        what, help = invalid_class_number(column, classes, word, bad, purpose)
    else:
        what = f'"{shorten(word)}" is not one of the {classes.count} classes'
        help = near_names(word, classes.names)
    raise refusal(data_errors.CLASS, what, bad, help)


def invalid_class_number(
    column: Column, classes: Classes, word: str, bad: np.ndarray, purpose: Purpose
) -> tuple[str, str]:
    count = number(classes.count)
    if column.is_text and not is_decimal(word.strip()):
        help = "name the classes in the type: class(a, b, c), or let the data name them: class(auto)"
        return f'"{shorten(word)}" is not a class number', help
    if classes.labels and not classes.names:
        return (
            f"{shorten(word)} is not one of the {count} classes",
            f"the classes are {listed(classes.texts, VALUES)}",
        )
    values = integers_of(column).values
    what = f"there is no class {shorten(word)}: the {count} classes are 0 to {count - 1}"
    if values.size and values.min() == 1 and values.max() == count:
        as_they_are = "" if purpose.raw else "; `class(auto)` takes them as they are"
        return what, f"classes are counted from 0{as_they_are}"
    if not purpose.target or purpose.raw or {*values[bad].tolist()} not in UNCOUNTED:
        return what, ""
    return what, f"if it marks entries that do not count: `class({count}, ignore={word})`"


def near_names(word: str, names: tuple[str, ...], called: str = "classes") -> str:
    from dlc.compiler.diagnostics.suggest import did_you_mean

    if (plain := word.strip()) in names and plain != word:
        return f'{called} are compared exactly: remove the white space around "{plain}"'
    if (inside := plain.strip(QUOTES)) in names and inside != plain:
        return f'{called} are compared exactly: remove the quotes around "{inside}"'
    return did_you_mean(word, names) or f"the {called} are {listed(names, VALUES)}"
