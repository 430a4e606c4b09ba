"""Ignored values of targets (`ignore=` in the type of an output): in a column they become missing values,
which a target keeps as class -1 or NaN."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.definitions.sections import WHOLE
from dlc.runtime.data.columns.conversion import refuse_missing_values
from dlc.runtime.data.source import texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.types import Tensor
    from dlc.runtime.data.source import Column


HELP = "fill it in, remove the row, or ignore it too: `ignore=[..., missing]`"


def without_ignored(column: Column, declared: Tensor, read: np.ndarray | None = None) -> Column:
    """The column of a target, with missing values in place of the values that its type ignores. Other missing
    values are refused in the rows that are `read`, by default all, unless the type ignores them too."""
    given = [value for value in declared.ignore if value is not None]
    if None not in declared.ignore:
        missing = column.missing_texts if column.is_text else column.missing_numbers
        counted = np.zeros((column.count, 1), bool)
        counted[slice(None) if read is None else read] = True
        refuse_missing_values(missing.reshape(column.count, -1) & counted, HELP)
    if column.labels:
        named = np.array([None if label in given else label for label in column.labels], object)
        return texts(named[column.values.ravel()].tolist(), column.shape)
    return without_texts(column, given) if column.is_text else without_numbers(column, given)


def without_texts(column: Column, given: Sequence[float | str]) -> Column:
    """Texts are compared exactly, numbers by their value."""
    import pyarrow as pa

    from dlc.runtime.data.columns.arrow_compute import pc

    found = pc.is_in(column.values, value_set=pa.array(words_of(given), pa.large_string()))
    numbers = [float(value) for value in given if not isinstance(value, str)]
    if numbers and column.parsed is not None:
        equal = np.isin(column.parsed.ravel(), numbers)
        found = pc.or_(found, pa.array(equal))
    return replace(column, values=pc.if_else(found, pa.scalar(None, pa.large_string()), column.values))


def words_of(given: Sequence[float | str]) -> list[str]:
    """The texts that stand for these values: 255 is also `255.0`."""
    numbers = [value for value in given if not isinstance(value, str)]
    dotted = [f"{value}.0" for value in numbers if isinstance(value, int)]
    return [*map(str, given), *dotted]


def without_numbers(column: Column, given: Sequence[float | str]) -> Column:
    values: Any = column.values
    if column.is_boolean:
        found = np.isin(values, [value for value in (False, True) if is_among(value, given)])
    else:
        numbers = numbers_in(given)
        found = np.isin(values, np.array(numbers, values.dtype) if values.dtype.kind == "f" else numbers)
    if values.dtype.kind == "f":
        return replace(column, values=np.where(found, np.nan, values))
    return replace(column, nulls=found | column.missing_numbers)


def is_among(value: bool, given: Sequence[float | str]) -> bool:
    words = [str(word).lower() for word in given]
    return str(value).lower() in words or str(int(value)) in words


def numbers_in(given: Sequence[float | str]) -> list[float]:
    """The numbers among the values, and integers that are given as texts."""
    texts = (value for value in given if isinstance(value, str))
    return [*(v for v in given if not isinstance(v, str)), *map(int, filter(WHOLE.fullmatch, texts))]
