"""Values of a column as numbers or as places among names, and the refusal of those that are neither."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.diagnostics.quoting import shorten
from dlc.runtime.data import data_errors
from dlc.runtime.data.data_errors import Refused
from dlc.runtime.data.numerals import is_decimal

if TYPE_CHECKING:
    from dlc.runtime.data.source import Column

MOST_ROWS = 5  # rows that a refusal names, and whether there are more
EXACT = 2**53  # whole numbers below are the same in float64
LARGEST = 2.0**63  # whole numbers below have 64 bits
MISSING_HELP = "fill it in, or take the row out"
IMPUTE_HELP = "let `impute` fill it in before anything else uses the values, or take the row out"
WORDS = ("false", "true")
FLOAT_HELP = "declare the input as `float` and let `impute` fill it in, or take the row out"


def as_numbers(column: Column) -> np.ndarray:
    """The column as numbers, NaN where one is missing."""
    if column.nulls is not None:
        return np.where(column.nulls, np.nan, column.values)
    if not column.is_text:
        return column.values
    values = column.parsed
    if values is None:
        bad = unparsable(column)
        word, words = first_text(column, bad), not holds_numbers(column)
        raise refusal(data_errors.VALUE, f'"{shorten(word)}" is not a number', bad, text=word, words=words)
    return values


def as_whole_numbers(column: Column) -> np.ndarray:
    """The column as whole numbers; what is missing or has a fraction is refused."""
    values = as_numbers(column)
    if values.dtype.kind != "f":
        return values
    refuse_missing(values)
    bad = ~np.isfinite(values) | (values != np.floor(values))
    if bad.any():
        raise refusal(data_errors.VALUE, f"{spelled(first(values, bad))} is not a whole number", bad)
    if column.is_text and values.size and np.abs(values).max() >= EXACT:
        return _exact(column, values)
    bad = np.abs(values) >= LARGEST
    if bad.any():
        raise refusal(data_errors.VALUE, f"{spelled(first(values, bad))} is too large", bad)
    return values.astype(np.int64)


def unparsable(column: Column) -> np.ndarray:
    """Which texts are no number: cast by halves, so that a long column with one slip is soon done."""
    import pyarrow as pa

    cells = column.trimmed
    bad = np.zeros(len(cells), bool)
    spans = [(0, len(cells))]
    found = 0
    while spans and found < MOST_ROWS:
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


def holds_numbers(column: Column) -> bool:
    """Whether any text of the column is a number."""
    from dlc.runtime.data.arrow_compute import pc
    from dlc.runtime.data.numerals import NUMBER

    return bool(pc.any(pc.match_substring_regex(column.trimmed, f"^(?:{NUMBER.pattern})$")).as_py())


def _exact(column: Column, values: np.ndarray) -> np.ndarray:
    """Whole numbers past what float64 holds exactly."""
    import pyarrow as pa

    try:
        return column.trimmed.cast(pa.int64()).to_numpy(zero_copy_only=False).reshape(values.shape)
    except pa.ArrowInvalid:
        bad = np.abs(values) >= EXACT
        raise refusal(data_errors.VALUE, f"{spelled(first(values, bad))} is too large", bad) from None


# --- text -------------------------------------------------------------------------------------------------


def among(column: Column, names: tuple[str, ...]) -> np.ndarray:
    """The place of each value among the names, -1 where it is none of them. Text is compared as it stands,
    numbers as they are printed in full."""
    if column.labels:
        places = {name: place for place, name in enumerate(names)}
        return np.array([places.get(label, -1) for label in column.labels], np.int64)[column.values]
    if column.is_truth:
        at = np.array([place_of_truth(truth, names) for truth in (False, True)])
        return np.where(column.gaps, -1, at[column.values.astype(np.int8)])
    cells = column.values.fill_null("") if column.is_text else printed(column)
    return places_in(cells, names).reshape(-1, *column.shape)


def place_of_truth(truth: bool, names: tuple[str, ...]) -> int:
    """The place of the name that says it, in any case of letters, that of Python first; or else of 0 or 1."""
    said = next((name for name in names if name.lower() == str(truth).lower()), str(int(truth)))
    meant = str(truth) if str(truth) in names else said
    return names.index(meant) if meant in names else -1


def printed(column: Column) -> Any:
    """The numbers of a column as text, none where one is missing."""
    import pyarrow as pa

    distinct, places = np.unique(column.values.ravel(), return_inverse=True)
    words = np.array([in_full(value) for value in distinct], object)
    return pa.array(words[places], pa.large_string(), mask=column.gaps.ravel())


def in_full(value: Any) -> str:
    """A number in the fewest digits that tell it from all others of its type: 3, not 3.0; True, not 1."""
    if value.dtype.kind == "f" and value == np.floor(value) and abs(value) < LARGEST:
        return str(int(value))
    return str(value)


def truth_words(column: Column) -> np.ndarray:
    """0 for `false`, 1 for `true`, in any case of letters; -1 for other text."""
    from dlc.runtime.data.arrow_compute import pc

    return places_in(pc.utf8_lower(column.trimmed), WORDS).reshape(-1, *column.shape)


def places_in(cells: Any, names: tuple[str, ...]) -> np.ndarray:
    import pyarrow as pa

    from dlc.runtime.data.arrow_compute import pc

    places = pc.index_in(cells, value_set=pa.array(names, pa.large_string()))
    return pc.fill_null(places, -1).to_numpy(zero_copy_only=False).astype(np.int64)


def text_at(column: Column, place: int) -> str:
    """One value, by its place among all of them, as text."""
    if column.labels:
        return column.labels[int(column.values.ravel()[place])]
    if column.is_text:
        return column.values[place].as_py() or ""
    return in_full(column.values.ravel()[place])


# --- refusing ---------------------------------------------------------------------------------------------


def refusal(
    code: str, what: str, bad: np.ndarray, help: str = "", text: str = "", words: bool = False
) -> Refused:
    """The refusal of the rows in which something is bad."""
    rows = bad.reshape(len(bad), -1).any(axis=1)
    return Refused(code, what, np.flatnonzero(rows)[:MOST_ROWS], help, text, words)


def refuse_missing(values: np.ndarray, help: str = MISSING_HELP) -> None:
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise refusal(data_errors.MISSING_VALUE, "the value is missing", np.isnan(values), help)


def alternatives(names: tuple[str, ...]) -> str:
    return f"{', '.join(f'`{name}`' for name in names[:-1])} nor `{names[-1]}`"


def named_by_numbers(names: tuple[str, ...] | None) -> bool:
    """True for classes such as "3" and "7", which numbers in the data mean by name, not by place."""
    return any(is_decimal(name) for name in names or ())


def first(values: np.ndarray, bad: np.ndarray) -> Any:
    return values[bad][0].item()


def first_text(column: Column, bad: np.ndarray) -> str:
    return text_at(column, int(np.flatnonzero(bad.ravel())[0]))


def spelled(value: float) -> str:
    """A number as messages show it, in six digits: 3, not 3.0."""
    short = isinstance(value, float) and value == value // 1 and abs(value) < EXACT
    return str(int(value)) if short or isinstance(value, int) else f"{value:g}"
