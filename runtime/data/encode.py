"""From the values of a column to the array that a type wants. What does not fit is refused with its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.runtime.data import mistakes
from dlc.runtime.data.convert import (
    FLOAT_HELP,
    IMPUTE_HELP,
    MISSING_HELP,
    alternatives,
    as_numbers,
    as_whole_numbers,
    codes_of,
    first,
    first_text,
    named_by_numbers,
    refusal,
    refuse_missing,
    refuse_missing_text,
    spelled,
    unparsable,
)
from dlc.runtime.data.mistakes import Refused, shorten

if TYPE_CHECKING:
    from dlc.compiler.types import Classes, Tensor
    from dlc.runtime.data.source import Column

# NumPy has no bfloat16; training narrows what it gets as float32.
DTYPES = {"float": "float32", "bfloat16": "float32"}
WORDS = ("false", "true")


@dataclass(frozen=True)
class Purpose:
    """What an array is for.

    A `target` of type binary may be a probability. `raw` arrays feed the artifact: named classes stay text.
    With `unknown`, a class that training has not seen becomes -1.
    """

    target: bool = False
    raw: bool = False
    unknown: bool = False


def encode(column: Column, declared: Tensor, classes: Classes | None, purpose: Purpose) -> np.ndarray:
    """One column as an array in the dtype that the graph wants."""
    element = declared.element
    if element == "string":
        return strings(column)
    if element == "class":
        assert classes is not None
        return class_values(column, classes, purpose)
    if element == "binary":
        return binary_values(column, declared.classes.names if declared.classes else None, purpose)
    if element == "bool":
        return truths(column, None, False).astype(bool)
    dtype = np.dtype(DTYPES.get(element, element))
    values = as_numbers(column)
    if not declared.missing:
        in_spec = IMPUTE_HELP if dtype.kind == "f" else FLOAT_HELP
        refuse_missing(values, MISSING_HELP if purpose.target or purpose.raw else in_spec)
    return floats(values, dtype) if dtype.kind == "f" else wholes(column, dtype)


def floats(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    with np.errstate(over="ignore"):
        made = values.astype(dtype, copy=False)
    bad = np.isinf(made)
    if bad.any():
        what = "infinite" if np.isinf(first(values, bad)) else f"too large for {dtype.name}"
        raise refusal(mistakes.VALUE, f"the value is {what}", bad)
    return made


def wholes(column: Column, dtype: np.dtype) -> np.ndarray:
    values = as_whole_numbers(column)
    if values.dtype == dtype:
        return values
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    bad = (values < low) | (values > high)
    if bad.any():
        what = f"{first(values, bad)} does not fit {dtype.name}, which holds {low} to {high}"
        raise refusal(mistakes.VALUE, what, bad)
    return values.astype(dtype)


def strings(column: Column) -> np.ndarray:
    """Text; a missing one is empty."""
    if column.labels:
        return np.array(column.labels, object)[column.values]
    if not column.is_text:
        raise Refused(mistakes.VALUE, "the column holds numbers, and text is wanted", [0])
    texts = column.values.to_numpy(zero_copy_only=False)
    texts[texts == None] = ""
    return texts.reshape(-1, *column.shape)


def binary_values(column: Column, names: tuple[str, ...] | None, purpose: Purpose) -> np.ndarray:
    values = truths(column, names, purpose.target)
    if purpose.target:
        return values.astype(np.float32)
    made = values.astype(bool)
    return np.array(names, object)[made.astype(np.int8)] if purpose.raw and names else made


def truths(column: Column, names: tuple[str, ...] | None, probabilities: bool) -> np.ndarray:
    """0 and 1 from numbers, from the names of no and yes, or from `false` and `true`."""
    if column.is_text:
        values = truths_of_text(column, names)
    elif names and (column.labels or named_by_numbers(names)):
        values = codes_of(column, names)
        refuse_names(column, names, values < 0)
    else:
        values = as_numbers(column)
    refuse_missing(values)
    bad = (values < 0) | (values > 1) if probabilities else (values != 0) & (values != 1)
    if bad.any():
        wanted = "0, 1 or a probability between them" if probabilities else "0 or 1"
        raise refusal(mistakes.VALUE, f"{spelled(first(values, bad))} is not {wanted}", bad)
    return values


def truths_of_text(column: Column, names: tuple[str, ...] | None) -> np.ndarray:
    """Names where there are some, numbers elsewhere, NaN where nothing stands."""
    codes = codes_of(column, names) if names else codes_of(column, WORDS, lower=True)
    others = codes < 0
    if not others.any():
        return codes
    rest = type(column)(column.values.filter(others.ravel()))
    if rest.parsed is None:
        bad = np.zeros_like(others)
        bad[others] = unparsable(rest)
        refuse_names(column, names or (*WORDS, "0", "1"), bad)
    values = codes.astype(np.float64)
    values[others] = as_numbers(rest)
    return values


def refuse_names(column: Column, names: tuple[str, ...], bad: np.ndarray) -> None:
    if bad.any():
        what = f'"{shorten(first_text(column, bad))}" is neither {alternatives(names)}'
        raise refusal(mistakes.CLASS, what, bad)


def class_values(column: Column, classes: Classes, purpose: Purpose) -> np.ndarray:
    """Class numbers; or names, where the artifact takes them."""
    if classes.names is None:
        codes = class_numbers(column, classes.count, purpose)
    else:
        codes = named_classes(column, classes.names, purpose)
    if purpose.raw and classes.names:
        return np.array((*classes.names, ""), object)[codes]
    return codes


def class_numbers(column: Column, count: Any, purpose: Purpose) -> np.ndarray:
    if column.is_text and column.parsed is None:
        refuse_missing_text(column)
        word = first_text(column, unparsable(column))
        help = "name the classes in the type: class(a, b, c), or let the data name them: class(auto)"
        raise refusal(mistakes.CLASS, f'"{shorten(word)}" is no class number', unparsable(column), help)
    values = as_whole_numbers(column)
    bad = (values < 0) | (values >= count)
    if bad.any() and purpose.unknown:
        values = np.where(bad, -1, values)
    elif bad.any():
        what = f"there is no class {first(values, bad)}: the {count} classes are 0 to {count - 1}"
        help = "classes are counted from 0" if values.min() == 1 and values.max() == count else ""
        raise refusal(mistakes.CLASS, what, bad, help)
    return values.astype(np.int64, copy=False)


def named_classes(column: Column, names: tuple[str, ...], purpose: Purpose) -> np.ndarray:
    """By name; numbers stand for the classes in their order, unless the names are numbers themselves."""
    if not (column.is_text or column.labels or named_by_numbers(names)):
        return class_numbers(column, len(names), purpose)
    codes = codes_of(column, names)
    bad = codes < 0
    if not bad.any():
        return codes
    if column.is_text:
        refuse_missing_text(column)
        if bad.all() and not named_by_numbers(names) and column.parsed is not None:
            return class_numbers(column, len(names), purpose)
    if purpose.unknown:
        return codes
    from dlc.compiler.suggest import did_you_mean

    word = first_text(column, bad)
    help = did_you_mean(word, names) or f"the classes are {mistakes.listed(names)}"
    raise refusal(mistakes.CLASS, f'"{shorten(word)}" is not one of the {len(names)} classes', bad, help)
