"""Python values as a column: arrays, lists and series of numbers or text."""

from __future__ import annotations

from dataclasses import replace
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.diagnostics.quoting import shorten
from dlc.runtime.data.source import Column, numbers, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LISTS = (list, tuple, np.ndarray)
# The fix for arrays that have neither numbers nor text, by the kind of their dtype.
DTYPE_FIXES = {
    "M": '`.astype("datetime64[s]").astype("int64")` converts them to seconds',
    "m": '`.astype("timedelta64[s]").astype("int64")` converts them to seconds',
    "c": "`.real` and `.imag` of it are arrays of numbers, and so is `abs` of it",
    "V": "each of its fields can be an array of its own",
    "S": "`.astype(str)` converts it to text",
}
IN_A_ZONE = '`.astype("datetime64[s, UTC]").astype("int64")` converts them to seconds'
MISSING = ("NAType", "NaTType")  # of pandas
NO_TEXT, TOO_LARGE = "a value is not text in UTF-8", "a number is too large"


def as_array(given: Any) -> np.ndarray:
    """The values as a NumPy array; tensors of other libraries are converted. ValueError if that fails."""
    try:
        array = np.asarray(given)
        if array.dtype.kind in "US" and isinstance(given, (list, tuple)):
            array = np.asarray(given, object)  # else NumPy converts numbers in a list with text to text
        if array.dtype.kind == "f" and is_integer_column(given):
            as_list = next(name for name in ("tolist", "to_list", "to_pylist") if hasattr(given, name))
            array = np.array(getattr(given, as_list)(), object)  # NumPy has no missing integer
        if array.dtype.kind == "O" and array.ndim == 1 and len(array) and isinstance(array[0], LISTS):
            array = np.asarray(array.tolist())  # a column of lists
    except OverflowError:
        raise ValueError(TOO_LARGE) from None
    except (TypeError, RuntimeError) as error:
        raise ValueError(str(error)) from None
    except ValueError:
        raise ValueError("its rows are not all of one shape") from None
    if array.dtype.kind == "S":
        return array.astype(object)
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def column_of_sequences(given: Any) -> Column | None:
    """The steps of rows that are lists or arrays of different lengths; None for other values. ValueError if
    the steps cannot be read."""
    if not isinstance(given, (list, tuple)) and str(getattr(given, "dtype", "")) != "object":
        return None
    rows = list(given)
    absent = next((place for place, row in enumerate(rows) if row is None), None)
    if absent is not None and any(isinstance(row, LISTS) for row in rows):
        raise ValueError(f"the list of row {absent + 1} is missing")
    if (
        not all(isinstance(row, LISTS) and getattr(row, "ndim", 1) for row in rows)
        or len({*map(len, rows)}) < 2
    ):
        return None
    arrays = [as_array(row) for row in rows if len(row)]
    if len({array.shape[1:] for array in arrays}) > 1:
        raise ValueError("its steps are not all of one shape")
    if len({array.dtype.kind for array in arrays}) > 1:
        arrays = [array.astype(object) for array in arrays]
    lengths = np.array([len(row) for row in rows], np.int64)
    return replace(column_of(np.concatenate(arrays)), lengths=lengths)


def is_integer_column(given: Any) -> bool:
    """Whether it is an integer column of pandas, polars or Arrow; some of its values may be missing."""
    kind = getattr(given, "dtype", getattr(given, "type", None))
    return not isinstance(kind, np.dtype) and str(kind).lower().startswith(("int", "uint"))


def column_of(array: np.ndarray) -> Column:
    """The values as a column, rows along the first axis. None and NaN are missing values. ValueError if the
    values are neither numbers nor text."""
    kind = array.dtype.kind
    if kind in "biuf":
        return numbers(array)
    try:
        if kind == "O":
            return column_of_objects(array)
        if kind in "UT":
            return texts(array.ravel().tolist(), array.shape[1:])
    except UnicodeError:
        raise ValueError(NO_TEXT) from None
    help = DTYPE_FIXES.get(kind, "")
    raise ValueError(f"values of {array.dtype} are neither numbers nor text{help and f'; {help}'}")


def column_of_objects(array: np.ndarray) -> Column:
    """A column of Python objects: text if any of them is text, else numbers."""
    values = array.ravel().tolist()
    missing_mask = [is_missing(value) for value in values]
    known = [value for value, missing in zip(values, missing_mask, strict=True) if not missing]
    if any(isinstance(value, (str, bytes)) for value in known):
        return texts(filled(values, missing_mask, as_text, None), array.shape[1:])
    kind = bool if all(isinstance(value, (bool, np.bool_)) for value in known) else int
    if known and (kind is bool or all(isinstance(value, (int, np.integer)) for value in known)):
        whole = np.array(filled(values, missing_mask, kind, kind())).reshape(array.shape)
        if whole.dtype.kind in "biu":
            return numbers(
                whole, nulls=np.array(missing_mask).reshape(array.shape) if any(missing_mask) else None
            )
    return numbers(np.array(filled(values, missing_mask, as_float, np.nan), np.float64).reshape(array.shape))


def filled(
    values: Sequence[Any], missing_mask: Sequence[bool], read: Callable[[Any], Any], other: Any
) -> list[Any]:
    return [other if missing else read(value) for value, missing in zip(values, missing_mask, strict=True)]


def is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and isnan(value)) or type(value).__name__ in MISSING


def as_text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode()
    try:
        return str(value)
    except ValueError:  # an integer with more digits than Python converts
        raise ValueError(TOO_LARGE) from None


def as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ValueError(TOO_LARGE) from None
    except (TypeError, ValueError):
        what = f"'{shorten(as_text(value))}' is neither a number nor text"
        in_a_zone = type(value).__name__ == "Timestamp" and getattr(value, "tzinfo", None) is not None
        raise ValueError(f"{what}; {IN_A_ZONE}" if in_a_zone else what) from None
