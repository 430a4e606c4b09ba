"""Convert the values of a column to numbers or to indices of names, and refuse all other values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.diagnostics.quoting import shorten
from dlc.runtime.data import data_errors
from dlc.runtime.data.columns.numerals import is_decimal
from dlc.runtime.data.data_errors import Refused

if TYPE_CHECKING:
    from dlc.runtime.data.source import Column

MAX_ROWS = 5  # rows that a refusal has: the last one only says that there are more
EXACT = 2**53  # smaller integers are exact in float64
LARGEST = 2.0**63  # smaller integers fit int64
MISSING_HELP = "fill it in, or remove the row"
TARGET_HELP = "fill it in, remove the row, or write `ignore=missing` into the type of the output"
IMPUTE_HELP = "let `impute` fill it in before anything else uses the values, or remove the row"
WORDS = ("false", "true")
FLOAT_HELP = "declare the input as `float` and let `impute` fill it in, or remove the row"


def as_numbers(column: Column) -> np.ndarray:
    """The column as numbers, NaN where a value is missing."""
    if column.nulls is not None and column.nulls.any():
        return np.where(column.nulls, np.nan, column.values)
    if not column.is_text:
        return column.values
    values = column.parsed
    if values is None:
        bad = unparsable(column)
        word, words = first_bad_text(column, bad), not has_numbers(column)
        raise refusal(data_errors.VALUE, f'"{shorten(word)}" is not a number', bad, text=word, words=words)
    return values


def as_integers(column: Column) -> np.ndarray:
    """The column as integers. A missing value or a fraction is refused."""
    values = as_numbers(column)
    if values.dtype.kind != "f":
        return values
    refuse_missing(values)
    bad = ~np.isfinite(values) | (values != np.floor(values))
    if bad.any():
        raise refusal(
            data_errors.VALUE, f"{format_number(first_bad(values, bad))} is not a whole number", bad
        )
    if column.is_text and values.size and np.abs(values).max() >= EXACT:
        return _exact(column, values)
    bad = np.abs(values) >= LARGEST
    if bad.any():
        raise refusal(data_errors.VALUE, f"{format_number(first_bad(values, bad))} is too large", bad)
    return values.astype(np.int64)


def unparsable(column: Column) -> np.ndarray:
    """Mask of the first texts that are not numbers. Bisection makes this fast if few texts are bad."""
    import pyarrow as pa

    cells = column.numerals
    bad = np.zeros(len(cells), bool)
    spans = [(0, len(cells))]
    found = 0
    while spans and found < MAX_ROWS:
        start, end = spans.pop()
        try:
            cells.slice(start, end - start).cast(pa.float64())
        except pa.ArrowInvalid:
            if end - start == 1:
                bad[start] = True
                found += 1
            else:
                middle = (start + end) // 2
                spans += [(middle, end), (start, middle)]
    return bad.reshape(-1, *column.shape)


def has_numbers(column: Column) -> bool:
    """Whether any text of the column is a number."""
    from dlc.runtime.data.columns.arrow_compute import pc
    from dlc.runtime.data.columns.numerals import NUMBER

    return bool(pc.any(pc.match_substring_regex(column.numerals, f"^(?:{NUMBER.pattern})$")).as_py())


def _exact(column: Column, values: np.ndarray) -> np.ndarray:
    """Integers that are not exact in float64."""
    import pyarrow as pa

    try:
        return column.numerals.cast(pa.int64()).to_numpy(zero_copy_only=False).reshape(values.shape)
    except pa.ArrowInvalid:
        bad = np.abs(values) >= EXACT
        raise refusal(
            data_errors.VALUE, f"{format_number(first_bad(values, bad))} is too large", bad
        ) from None


# --- text -------------------------------------------------------------------------------------------------


def name_indices(column: Column, names: tuple[str, ...]) -> np.ndarray:
    """The index of each value among the names, -1 if it is not one of them. Text is compared exactly, numbers
    by their full decimal text."""
    if column.labels:
        places = {name: place for place, name in enumerate(names)}
        return np.array([places.get(label, -1) for label in column.labels], np.int64)[column.values]
    if column.is_boolean:
        at = np.array([index_of_boolean(value, names) for value in (False, True)])
        return np.where(column.missing_numbers, -1, at[column.values.astype(np.int8)])
    cells = column.values.fill_null("") if column.is_text else decimal_texts(column)
    return indices_in(cells, names).reshape(column.count, *column.shape)


def index_of_boolean(value: bool, names: tuple[str, ...]) -> int:
    """The index of the name of a boolean: `True` or `False` exactly, else in any case, else `1` or `0`; -1 if
    there is none."""
    other = next((name for name in names if name.lower() == str(value).lower()), str(int(value)))
    name = str(value) if str(value) in names else other
    return names.index(name) if name in names else -1


def decimal_texts(column: Column) -> Any:
    """The numbers of a column as text, null where a number is missing."""
    import pyarrow as pa

    distinct, places = np.unique(column.values.ravel(), return_inverse=True)
    words = np.array([decimal_text(value) for value in distinct], object)
    return pa.array(words[places], pa.large_string(), mask=column.missing_numbers.ravel())


def decimal_text(value: Any) -> str:
    """A number in the fewest digits that identify it within its dtype: 3, not 3.0; True, not 1."""
    if value.dtype.kind == "f" and value == np.floor(value) and abs(value) < LARGEST:
        return str(int(value))
    return str(value)


def boolean_codes(column: Column) -> np.ndarray:
    """0 for `false`, 1 for `true`, case-insensitive; -1 for other text."""
    from dlc.runtime.data.columns.arrow_compute import pc

    return indices_in(pc.utf8_lower(column.trimmed), WORDS).reshape(-1, *column.shape)


def indices_in(cells: Any, names: tuple[str, ...]) -> np.ndarray:
    import pyarrow as pa

    from dlc.runtime.data.columns.arrow_compute import pc

    places = pc.index_in(cells, value_set=pa.array(names, pa.large_string()))
    return pc.fill_null(places, -1).to_numpy(zero_copy_only=False).astype(np.int64)


def text_of(column: Column, place: int) -> str:
    """The value at a flat index, as text."""
    if column.labels:
        return column.labels[int(column.values.ravel()[place])]
    if column.is_text:
        return column.values[place].as_py() or ""
    return decimal_text(column.values.ravel()[place])


# --- refusing ---------------------------------------------------------------------------------------------


def refusal(
    code: str, what: str, bad: np.ndarray, help: str = "", text: str = "", words: bool = False
) -> Refused:
    """The refusal of the rows that have a bad value."""
    rows = bad.reshape(len(bad), -1).any(axis=1)
    return Refused(code, what, np.flatnonzero(rows)[:MAX_ROWS], help, text, words)


def refuse_missing(values: np.ndarray, help: str = MISSING_HELP) -> None:
    if values.dtype.kind == "f":
        refuse_missing_values(np.isnan(values), help)


def refuse_missing_values(missing: np.ndarray, help: str = MISSING_HELP) -> None:
    if missing.any():
        raise refusal(data_errors.MISSING_VALUE, "the value is missing", missing, help)


def alternatives(names: tuple[str, ...]) -> str:
    return f"{', '.join(f'`{name}`' for name in names[:-1])} nor `{names[-1]}`"


def named_by_numbers(names: tuple[str, ...] | None) -> bool:
    """True for classes such as "3" and "7": numbers in the data are then their names, not their indices."""
    return any(is_decimal(name) for name in names or ())


def first_bad(values: np.ndarray, bad: np.ndarray) -> Any:
    return values[bad][0].item()


def first_bad_text(column: Column, bad: np.ndarray) -> str:
    return text_of(column, int(np.flatnonzero(bad.ravel())[0]))


def format_number(value: float) -> str:
    """A number as it is shown in messages, in six digits: 3, not 3.0."""
    short = isinstance(value, float) and value == value // 1 and abs(value) < EXACT
    return str(int(value)) if short or isinstance(value, int) else f"{value:g}"
