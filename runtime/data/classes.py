"""Classes: which of them a column holds, for `class(auto)`, and the place of each value among them.

The classes of a column are text, exactly as it stands, or whole numbers; booleans are the text that Python
prints of them. Within the graph each is its place;
-1 stands for a value of an input that is none of the classes, or is missing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.diagnostics.quoting import VALUES, listed, shorten
from dlc.compiler.dims.dim import number
from dlc.compiler.types import MAX_CLASSES
from dlc.runtime.data import data_errors
from dlc.runtime.data.conversion import (
    LARGEST,
    MISSING_HELP,
    among,
    first_text,
    named_by_numbers,
    printed,
    refusal,
)
from dlc.runtime.data.data_errors import Refused
from dlc.runtime.data.numerals import QUOTES, is_decimal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.types import Classes
    from dlc.runtime.data.requirements import Purpose
    from dlc.runtime.data.source import Column

UNKNOWN, MISSING = -1, -2  # in the place of a class
UNCOUNTED = ({-1}, {255})  # what other programs put in place of a label that does not count
IGNORE_HELP = (
    "a label that does not count cannot be left out yet (`ignore=` comes with a later version): "
    "take these rows out"
)
LONGEST = 20  # characters of a whole number of 64 bits, as it is printed
# Whole numbers as they are printed, and as floats are.
WHOLE, DOTTED = r"^(0|-?[1-9][0-9]*)$", r"^(0|-?[1-9][0-9]*)\.0$"


# --- which classes there are ------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ColumnValues:
    """A column, its whole numbers if it holds those, and the rows whose values count."""

    column: Column
    numbers: IntegerValues | None
    rows: np.ndarray

    @classmethod
    def of(cls, column: Column, rows: np.ndarray) -> ColumnValues:
        return cls(column, whole_numbers(column), rows)


def labels_of(held: Sequence[ColumnValues]) -> set[str] | set[int]:
    """The distinct values of some columns together: whole numbers if all of them hold those, else text."""
    whole = all(some.numbers is not None for some in held)
    found: set[Any] = set().union(*((distinct if whole else distinct_texts)(some) for some in held))
    if not found:
        what, help = "all values are missing, so there is no class", "take the column out"
        raise Refused(data_errors.MISSING_VALUE, what, [0], help)
    if len(found) > MAX_CLASSES:
        raise Refused(data_errors.CLASS, f"there are more than {MAX_CLASSES:_} different classes", [0])
    return found


def distinct(held: ColumnValues) -> set[int]:
    assert held.numbers is not None
    there = ~held.numbers.missing[held.rows]
    return set(np.unique(held.numbers.values[held.rows][there]).tolist())


def distinct_texts(held: ColumnValues) -> set[str]:
    """Text as it stands; booleans, and whole numbers beside text, as they are printed."""
    column = held.column
    if column.labels:
        return {column.labels[code] for code in np.unique(column.values[held.rows])}
    from dlc.runtime.data.arrow_compute import pc

    cells, gone = (column.values, column.blank) if column.is_text else (printed(column), column.gaps.ravel())
    places = np.arange(len(gone)).reshape(-1, *column.shape)[held.rows].ravel()
    return set(pc.unique(cells.take(places[~gone[places]])).to_pylist())


# --- whole numbers ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class IntegerValues:
    """The whole numbers of a column, with 0 where there is none: the value is `missing`, or `other`."""

    values: np.ndarray
    missing: np.ndarray
    other: np.ndarray


def whole_numbers(column: Column) -> IntegerValues | None:
    """The numbers of a column that holds whole numbers; none for a column of text.

    Booleans are text. So is text, but in a file that does not tell it from numbers: there a column holds
    whole numbers if all of them stand as they are printed, or all with `.0`, so that `00501` makes it text.
    A number with a fraction is refused.
    """
    if column.labels or column.is_truth or (column.is_text and not (column.untyped and all_printed(column))):
        return None
    found = numbers_in(column)
    if found.other.any() and column.is_text:  # more than 64 bits
        return None
    if found.other.any():
        word = first_text(column, found.other)
        help = "classes are text or whole numbers; `bucketize` makes classes of a `float` input"
        raise refusal(
            data_errors.VALUE, f"{shorten(word)} is not a whole number of 64 bits", found.other, help
        )
    return found


def all_printed(column: Column) -> bool:
    from dlc.runtime.data.arrow_compute import pc

    matched = (pc.match_substring_regex(column.trimmed, pattern) for pattern in (WHOLE, DOTTED))
    return any(pc.all(found).as_py() is not False for found in matched)


def numbers_in(column: Column) -> IntegerValues:
    """The whole numbers among the values of a column."""
    if column.is_text:
        return printed_numbers(column)
    values, missing = column.values, column.gaps
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            whole = (values == np.floor(values)) & (np.abs(values) < LARGEST)
    else:
        whole = values <= np.iinfo(np.int64).max if values.dtype == np.uint64 else ~missing
    return IntegerValues(np.where(whole & ~missing, values, 0).astype(np.int64), missing, ~missing & ~whole)


def printed_numbers(column: Column) -> IntegerValues:
    from dlc.runtime.data.arrow_compute import pc

    cells, shape = column.trimmed, (-1, *column.shape)
    printed = pc.or_(pc.match_substring_regex(cells, WHOLE), pc.match_substring_regex(cells, DOTTED))
    printed = pc.fill_null(printed, False)
    plain = pc.if_else(printed, pc.replace_substring_regex(cells, r"\.0$", ""), "0")
    values, large = as_int64(plain)
    printed = printed.to_numpy(zero_copy_only=False) & ~large
    missing = column.blank
    return IntegerValues(*(array.reshape(shape) for array in (values, missing, ~printed & ~missing)))


def as_int64(cells: Any) -> tuple[np.ndarray, np.ndarray]:
    """Printed whole numbers, and which of them have more than 64 bits."""
    import pyarrow as pa

    try:
        values = cells.cast(pa.int64()).to_numpy(zero_copy_only=False)
        return values, np.zeros(len(values), bool)
    except pa.ArrowInvalid:
        numbers = [int(cell) if len(cell) <= LONGEST else 2**63 for cell in cells.to_pylist()]
        large = np.array([not -(2**63) <= number < 2**63 for number in numbers])
        return np.array([0 if big else n for n, big in zip(numbers, large, strict=True)], np.int64), large


# --- the place of a value ---------------------------------------------------------------------------------


def places(column: Column, classes: Classes) -> np.ndarray:
    """The place of each value among the classes, `UNKNOWN` for one that is none, `MISSING` for a missing one.

    Where the spec names the classes, a column of whole numbers gives their places, unless the names are
    numbers themselves.
    """
    names = classes.names
    if names is None:
        return places_of_numbers(numbers_in(column), classes)
    if not classes.found_in and counts_places(column) and not named_by_numbers(names):
        return places_of_numbers(numbers_in(column), replace(classes, labels=None))
    return places_of_names(column, names)


def counts_places(column: Column) -> bool:
    if column.labels or column.is_truth:
        return False
    return not column.is_text or (column.untyped and not column.blank.all() and all_printed(column))


def places_of_numbers(numbers: IntegerValues, classes: Classes) -> np.ndarray:
    count = number(classes.count)
    if classes.labels is None:
        found = np.where((numbers.values >= 0) & (numbers.values < count), numbers.values, UNKNOWN)
    else:
        labels = np.array(classes.labels, np.int64)
        at = np.minimum(np.searchsorted(labels, numbers.values), count - 1)
        found = np.where(labels[at] == numbers.values, at, UNKNOWN)
    return np.select([numbers.missing, numbers.other], [MISSING, UNKNOWN], found)


def places_of_names(column: Column, names: tuple[str, ...]) -> np.ndarray:
    if column.labels:
        place = {name: at for at, name in enumerate(names)}
        return np.array([place.get(label, UNKNOWN) for label in column.labels], np.int64)[column.values]
    found = among(column, names)
    missing = column.blank.reshape(found.shape) if column.is_text else column.gaps
    return np.where((found < 0) & missing, MISSING, found)


# --- what is refused --------------------------------------------------------------------------------------


def refuse_missing_class(found: np.ndarray) -> None:
    if (found == MISSING).any():
        raise refusal(data_errors.MISSING_VALUE, "the value is missing", found == MISSING, MISSING_HELP)


def refuse_unknown_class(column: Column, classes: Classes, found: np.ndarray, purpose: Purpose) -> None:
    """Say of the first value that is none of the classes what they are."""
    bad = found == UNKNOWN
    if not bad.any():
        return
    word = first_text(column, bad)
    if classes.names is None or (counts_places(column) and not named_by_numbers(classes.names)):
        what, help = no_class_number(column, classes, word, bad, purpose)
    else:
        what = f'"{shorten(word)}" is not one of the {classes.count} classes'
        help = near_names(word, classes.names)
    raise refusal(data_errors.CLASS, what, bad, help)


def no_class_number(
    column: Column, classes: Classes, word: str, bad: np.ndarray, purpose: Purpose
) -> tuple[str, str]:
    count = number(classes.count)
    if column.is_text and not is_decimal(word.strip()):
        help = "name the classes in the type: class(a, b, c), or let the data name them: class(auto)"
        return f'"{shorten(word)}" is no class number', help
    if classes.labels and not classes.names:
        return (
            f"{shorten(word)} is not one of the {count} classes",
            f"the classes are {listed(classes.texts, VALUES)}",
        )
    values = numbers_in(column).values
    what = f"there is no class {shorten(word)}: the {count} classes are 0 to {count - 1}"
    if values.size and values.min() == 1 and values.max() == count:
        as_they_are = "" if purpose.raw else "; `class(auto)` takes them as they are"
        return what, f"classes are counted from 0{as_they_are}"
    uncounted = purpose.target and {*values[bad].tolist()} in UNCOUNTED
    return what, IGNORE_HELP if uncounted else ""


def near_names(word: str, names: tuple[str, ...], called: str = "classes") -> str:
    from dlc.compiler.diagnostics.suggest import did_you_mean

    if (plain := word.strip()) in names and plain != word:
        return f'{called} are compared as they stand: take away the white space around "{plain}"'
    if (inside := plain.strip(QUOTES)) in names and inside != plain:
        return f'{called} are compared as they stand: take away the quotes around "{inside}"'
    return did_you_mean(word, names) or f"the {called} are {listed(names, VALUES)}"
