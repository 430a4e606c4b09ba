"""Encode the values of a column as an array of a declared type. Invalid values are refused by row."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.diagnostics.quoting import shorten
from dlc.runtime.data import data_errors
from dlc.runtime.data.columns.classes import MISSING, near_names, places, refuse_unknown_class
from dlc.runtime.data.columns.conversion import (
    FLOAT_HELP,
    IMPUTE_HELP,
    MISSING_HELP,
    TARGET_HELP,
    WORDS,
    alternatives,
    as_integers,
    as_numbers,
    boolean_codes,
    decimal_texts,
    first_bad,
    first_bad_text,
    format_number,
    name_indices,
    named_by_numbers,
    refusal,
    refuse_missing,
    refuse_missing_values,
    unparsable,
)
from dlc.runtime.data.columns.numerals import PAIRS, is_decimal
from dlc.runtime.data.data_errors import Refused
from dlc.runtime.data.requirements import Purpose
from dlc.runtime.data.source import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.types import Classes, Tensor
    from dlc.runtime.data.source import Column

IGNORED = -1  # the class of an ignored entry of a target; an ignored number is NaN
# NumPy has no bfloat16: training gets float32 and narrows it. A class is its index.
DTYPES = {"float": "float32", "bfloat16": "float32", "class": "int64", "binary": "bool"}


def encode(column: Column, declared: Tensor, classes: Classes | None, purpose: Purpose) -> np.ndarray:
    """One column as an array in the dtype of the graph."""
    element = declared.element
    if element == "string":
        return text_values(column)
    if element == "class":
        assert classes is not None
        return class_values(column, classes, purpose)
    if element == "binary":
        return binary_values(column, declared.classes.names if declared.classes else None, purpose)
    if element == "bool":
        values = booleans(column, None, replace(purpose, target=False))
        return values.astype(np.float32 if purpose.ignoring else bool)
    dtype = dtype_of(element)
    values = as_numbers(column)
    if purpose.ignoring:
        return numbers_or_nan(values, dtype)
    if not declared.missing:
        in_spec = IMPUTE_HELP if dtype.kind == "f" else FLOAT_HELP
        refuse_missing(values, missing_help(purpose, in_spec))
    return floats(values, dtype) if dtype.kind == "f" else integers(column, dtype)


def missing_help(purpose: Purpose, of_input: str = MISSING_HELP) -> str:
    """The fix for a missing value; `of_input` is that for an input of a spec."""
    return MISSING_HELP if purpose.raw else TARGET_HELP if purpose.target else of_input


def dtype_of(element: str) -> np.dtype:
    """The dtype of training inputs with this element type, except text."""
    return np.dtype(DTYPES.get(element, element))


def floats(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    with np.errstate(over="ignore"):
        made = values.astype(dtype, copy=False)
    bad = np.isinf(made)
    if bad.any():
        what = "infinite" if np.isinf(first_bad(values, bad)) else f"too large for {dtype.name}"
        raise refusal(data_errors.VALUE, f"the value is {what}", bad)
    return made


def numbers_or_nan(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Numbers of a target, NaN where they are ignored; whole numbers as float64."""
    found = np.isnan(values)
    if dtype.kind == "f":
        return floats(np.where(found, np.nan, values), dtype)
    return np.where(found, np.nan, integers(numbers(np.where(found, 0, values)), dtype))


def integers(column: Column, dtype: np.dtype) -> np.ndarray:
    values = as_integers(column)
    if values.dtype == dtype:
        return values
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    bad = (values < low) | (values > high)
    if bad.any():
        what = f"{first_bad(values, bad)} does not fit {dtype.name}, which holds {low} to {high}"
        raise refusal(data_errors.VALUE, what, bad)
    return values.astype(dtype)


def text_values(column: Column) -> np.ndarray:
    """Text; a missing text is the empty string."""
    if column.labels:
        return np.array(column.labels, object)[column.values]
    if not column.is_text and not column.count:  # a column of Python without rows
        return np.zeros(column.values.shape, object)
    if not column.is_text:
        raise Refused(data_errors.VALUE, "the column holds numbers, and text is wanted", [0])
    return column.values.fill_null("").to_numpy(zero_copy_only=False).reshape(-1, *column.shape)


def binary_values(column: Column, names: tuple[str, ...] | None, purpose: Purpose) -> np.ndarray:
    values = booleans(column, names, purpose)
    if purpose.target:
        return values.astype(np.float32)
    made = values.astype(bool)
    return np.array(names, object)[made.astype(np.int8)] if purpose.raw and names else made


def booleans(column: Column, names: tuple[str, ...] | None, purpose: Purpose) -> np.ndarray:
    """0 and 1 from numbers, from the two names of a binary type, or from `false` and `true`."""
    if column.is_text:
        values = booleans_of_text(column, names, purpose.raw)
    elif names and (column.labels or named_by_numbers(names)):
        missing = np.isnan(as_numbers(column))
        values = np.where(missing, np.nan, name_indices(column, names))
        refuse_names(column, names, values < 0, purpose.raw)
    else:
        values = as_numbers(column)
    if not purpose.ignoring:
        refuse_missing(values, missing_help(purpose))
    wrong = (values < 0) | (values > 1) if purpose.target else (values != 0) & (values != 1)
    bad = wrong & ~np.isnan(values)
    if bad.any():
        wanted = "0, 1 or a probability between them" if purpose.target else "0 or 1"
        raise refusal(
            data_errors.VALUE,
            f"{format_number(first_bad(values, bad))} is not {wanted}",
            bad,
            name_integers_fix(column, names, purpose),
        )
    return values


def name_integers_fix(column: Column, names: tuple[str, ...] | None, purpose: Purpose) -> str:
    """The fix if two integers stand for no and yes, such as 1 and 2: name them in the type."""
    if names or purpose.raw:
        return ""
    numbers = column.values if column.is_text else decimal_texts(column)
    found = [word for word in numbers.unique().to_pylist() if word is not None]
    if len(found) != 2 or not all(is_decimal(word) and float(word).is_integer() for word in found):
        return ""
    return order_fix(sorted(found, key=float))


def order_fix(words: Sequence[str]) -> str:
    return f"which of them means no? write it first: `binary({', '.join(map(quoted, words))})`"


def booleans_of_text(column: Column, names: tuple[str, ...] | None, raw: bool) -> np.ndarray:
    """Names and numbers as 0 and 1, NaN for an empty text."""
    codes = name_indices(column, names) if names else boolean_codes(column)
    others = codes < 0
    if not others.any():
        return codes
    rest = replace(column, values=column.values.filter(others.ravel()), shape=())
    if rest.parsed is None:
        bad = np.zeros_like(others)
        bad[others] = unparsable(rest)
        refuse_names(column, names, bad, raw)
    values = codes.astype(np.float64)
    values[others] = as_numbers(rest)
    return values


def refuse_names(column: Column, names: tuple[str, ...] | None, bad: np.ndarray, raw: bool) -> None:
    if bad.any():
        word = first_bad_text(column, bad)
        what = f'"{shorten(word)}" is neither {alternatives(names or (*WORDS, "0", "1"))}'
        help = near_names(word, names, "names") if names else "" if raw else name_texts_fix(column)
        raise refusal(data_errors.CLASS, what, bad, help)


def name_texts_fix(column: Column) -> str:
    """The fix if two texts stand for no and yes: name them in the type."""
    from dlc.runtime.data.columns.arrow_compute import pc

    found = pc.unique(column.values.filter(pc.invert(column.trimmed.is_null()))).to_pylist()
    meant: dict[str, str] = {}
    for word in sorted(found):
        meant.setdefault(word.strip().lower(), word)
    pair = PAIRS.get(next(iter(meant)), ())
    known = {*meant} == {*pair}
    names = [meant[word] for word in pair] if known else [*meant.values()]
    if len(names) == 2:
        alike = "make them two in the data, and " if len(found) > 2 else ""
        if not known:
            return f"{alike}{order_fix(names)}"
        return f"{alike}name them in the type, the no first: `binary({', '.join(map(quoted, names))})`"
    return "it has more than two texts: `class(auto)` has a class for each" if len(names) > 2 else ""


def quoted(text: str) -> str:
    """A text as a quoted string of a spec."""
    return json.dumps(text, ensure_ascii=False)


def class_values(column: Column, classes: Classes, purpose: Purpose) -> np.ndarray:
    """The class index of each value; `UNKNOWN` or `MISSING` for values of an input that are not a class."""
    found = places(column, classes)
    if purpose.target and not purpose.ignoring:
        refuse_missing_values(found == MISSING, missing_help(purpose))
    if purpose.target or purpose.strict:
        refuse_unknown_class(column, classes, found, purpose)
    return np.where(found == MISSING, IGNORED, found) if purpose.ignoring else found
