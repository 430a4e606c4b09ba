"""Values of Python as a column: arrays, lists and series of numbers or text."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.diagnostics.quoting import shorten
from dlc.runtime.data.source import Column, numbers, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LISTS = (list, tuple, np.ndarray)
# What to make of arrays that hold neither numbers nor text, by the kind of their element.
OTHERWISE = {
    "M": '`.astype("datetime64[s]").astype("int64")` makes seconds of them',
    "m": '`.astype("timedelta64[s]").astype("int64")` makes seconds of them',
    "c": "`.real` and `.imag` of it are arrays of numbers, and so is `abs` of it",
    "V": "each of its fields can be an array of its own",
    "S": "`.astype(str)` makes text of it",
}
IN_A_ZONE = '`.astype("datetime64[s, UTC]").astype("int64")` makes seconds of them'
MISSING = ("NAType", "NaTType")  # of pandas
NO_TEXT, TOO_LARGE = "a value is no text in UTF-8", "a number is too large"


def as_array(given: Any) -> np.ndarray:
    """As NumPy has it; tensors of other libraries convert themselves. ValueError says why it cannot be."""
    try:
        array = np.asarray(given)
        if array.dtype.kind in "US" and isinstance(given, (list, tuple)):
            array = np.asarray(given, object)  # else NumPy makes text of what stands beside text
        if array.dtype.kind == "f" and holds_whole_numbers(given):
            as_list = next(name for name in ("tolist", "to_list", "to_pylist") if hasattr(given, name))
            array = np.array(getattr(given, as_list)(), object)  # NumPy has no missing whole number
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


def holds_whole_numbers(given: Any) -> bool:
    """Whether it is a column of pandas, polars or Arrow that says so; some of its values may be missing."""
    kind = getattr(given, "dtype", getattr(given, "type", None))
    return not isinstance(kind, np.dtype) and str(kind).lower().startswith(("int", "uint"))


def column_of(array: np.ndarray) -> Column:
    """The values as they are, rows first: text as text, None and NaN missing. ValueError says what they are
    if they are neither numbers nor text."""
    kind = array.dtype.kind
    if kind in "biuf":
        return numbers(array)
    try:
        if kind == "O":
            return of_objects(array)
        if kind in "UT":
            return texts(array.ravel().tolist(), array.shape[1:])
    except UnicodeError:
        raise ValueError(NO_TEXT) from None
    help = OTHERWISE.get(kind, "")
    raise ValueError(f"values of {array.dtype} are neither numbers nor text{help and f'; {help}'}")


def of_objects(array: np.ndarray) -> Column:
    """Python objects: text if there is any among them, else numbers."""
    values = array.ravel().tolist()
    gone = [is_missing(value) for value in values]
    known = [value for value, missing in zip(values, gone, strict=True) if not missing]
    if any(isinstance(value, (str, bytes)) for value in known):
        return texts(filled(values, gone, as_text, None), array.shape[1:])
    kind = bool if all(isinstance(value, (bool, np.bool_)) for value in known) else int
    if known and (kind is bool or all(isinstance(value, (int, np.integer)) for value in known)):
        whole = np.array(filled(values, gone, kind, kind())).reshape(array.shape)
        if whole.dtype.kind in "biu":
            return numbers(whole, nulls=np.array(gone).reshape(array.shape) if any(gone) else None)
    return numbers(np.array(filled(values, gone, as_float, np.nan), np.float64).reshape(array.shape))


def filled(values: Sequence[Any], gone: Sequence[bool], read: Callable[[Any], Any], other: Any) -> list[Any]:
    return [other if missing else read(value) for value, missing in zip(values, gone, strict=True)]


def is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and isnan(value)) or type(value).__name__ in MISSING


def as_text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode()
    try:
        return str(value)
    except ValueError:  # of more digits than Python writes
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
