"""Values of a column as numbers or as places among names, and the refusal of those that are neither."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.quoting import shorten
from dlc.runtime.data import mistakes
from dlc.runtime.data.mistakes import Refused

if TYPE_CHECKING:
    from dlc.runtime.data.source import Column

MOST_ROWS = 5  # rows that a refusal names, and whether there are more
EXACT = 2**53  # whole numbers below are the same in float64
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
        word = first_text(column, bad)
        raise refusal(mistakes.VALUE, f'"{shorten(word)}" is not a number', bad, text=word)
    return values


def as_whole_numbers(column: Column) -> np.ndarray:
    """The column as whole numbers; what is missing or has a fraction is refused."""
    values = as_numbers(column)
    if values.dtype.kind != "f":
        return values
    refuse_missing(values)
    bad = ~np.isfinite(values) | (values != np.floor(values))
    if bad.any():
        raise refusal(mistakes.VALUE, f"{spelled(first(values, bad))} is not a whole number", bad)
    if column.is_text and values.size and np.abs(values).max() >= EXACT:
        return _exact(column, values)
    bad = np.abs(values) >= 2.0**63
    if bad.any():
        raise refusal(mistakes.VALUE, f"{spelled(first(values, bad))} is too large", bad)
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


def _exact(column: Column, values: np.ndarray) -> np.ndarray:
    """Whole numbers past what float64 holds exactly."""
    import pyarrow as pa

    try:
        return column.trimmed.cast(pa.int64()).to_numpy(zero_copy_only=False).reshape(values.shape)
    except pa.ArrowInvalid:
        bad = np.abs(values) >= EXACT
        raise refusal(mistakes.VALUE, f"{spelled(first(values, bad))} is too large", bad) from None


# --- text -------------------------------------------------------------------------------------------------


def among(column: Column, names: tuple[str, ...]) -> np.ndarray:
    """The place of each value among the names, -1 where it is none of them. Text is compared as it stands,
    numbers as they are printed."""
    import pyarrow as pa

    if column.labels:
        places = {name: place for place, name in enumerate(names)}
        return np.array([places.get(label, -1) for label in column.labels], np.int64)[column.values]
    if column.is_text:
        cells = column.values.fill_null("")
    else:
        cells = pa.array([spelled(value) for value in column.values.ravel().tolist()], pa.large_string())
    return places_in(cells, names).reshape(-1, *column.shape)


def truth_words(column: Column) -> np.ndarray:
    """0 for `false`, 1 for `true`, in any case of letters; -1 for other text."""
    from dlc.runtime.data.compute import pc

    return places_in(pc.utf8_lower(column.trimmed), WORDS).reshape(-1, *column.shape)


def places_in(cells: Any, names: tuple[str, ...]) -> np.ndarray:
    import pyarrow as pa

    from dlc.runtime.data.compute import pc

    places = pc.index_in(cells, value_set=pa.array(names, pa.large_string()))
    return pc.fill_null(places, -1).to_numpy(zero_copy_only=False).astype(np.int64)


def text_at(column: Column, place: int) -> str:
    """One value, by its place among all of them, as text."""
    if column.labels:
        return column.labels[int(column.values.ravel()[place])]
    if column.is_text:
        return column.values[place].as_py() or ""
    return spelled(column.values.ravel()[place].item())


# --- refusing ---------------------------------------------------------------------------------------------


def refusal(code: str, what: str, bad: np.ndarray, help: str = "", text: str = "") -> Refused:
    """The refusal of the rows in which something is bad."""
    rows = bad.reshape(len(bad), -1).any(axis=1)
    return Refused(code, what, np.flatnonzero(rows)[:MOST_ROWS], help, text)


def refuse_missing(values: np.ndarray, help: str = MISSING_HELP) -> None:
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise refusal(mistakes.MISSING_VALUE, "the value is missing", np.isnan(values), help)


def alternatives(names: tuple[str, ...]) -> str:
    return f"{', '.join(f'`{name}`' for name in names[:-1])} nor `{names[-1]}`"


def named_by_numbers(names: tuple[str, ...] | None) -> bool:
    """True for classes such as "3" and "7", which numbers in the data mean by name, not by place."""
    return any(is_number(name) for name in names or ())


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def first(values: np.ndarray, bad: np.ndarray) -> Any:
    return values[bad][0].item()


def first_text(column: Column, bad: np.ndarray) -> str:
    return text_at(column, int(np.flatnonzero(bad.ravel())[0]))


def spelled(value: float) -> str:
    """A number as a person writes it: 3, not 3.0; true, not 1."""
    if isinstance(value, bool):
        return str(value).lower()
    short = isinstance(value, float) and value == value // 1 and abs(value) < EXACT
    return str(int(value)) if short or isinstance(value, int) else f"{value:g}"
