"""Columns of successive rows as one column."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from dlc.runtime.data.source import Column, texts

if TYPE_CHECKING:
    from collections.abc import Sequence

NUMBERS, BOOLEANS, TEXTS = "numbers", "booleans", "text"


def joined(columns: Sequence[Column]) -> Column:
    """Successive rows of a column together, which are all numbers, booleans or text."""
    columns = [column for column in columns if column.count] or columns[:1]
    if len(columns) == 1:
        return columns[0]
    if len({shape_of(column) for column in columns}) > 1 or any(c.lengths is not None for c in columns):
        columns = [in_sequences(column) for column in columns]
        lengths = np.concatenate([column.lengths for column in columns])  # type: ignore[arg-type]
        return replace(joined_values([column.steps for column in columns]), lengths=lengths)
    return joined_values(columns)


def joined_values(columns: Sequence[Column]) -> Column:
    """Successive rows of one shape together."""
    columns = [column for column in columns if len(column.values)] or columns[:1]
    if columns[0].is_text:
        import pyarrow as pa

        return replace(columns[0], values=pa.concat_arrays([column.values for column in columns]))
    nulls = None
    if any(column.nulls is not None for column in columns):
        nulls = np.concatenate([column.missing_numbers for column in columns])
    return replace(columns[0], values=np.concatenate([column.values for column in columns]), nulls=nulls)


def in_sequences(column: Column) -> Column:
    """Rows of the same number of steps as sequences."""
    if column.lengths is not None:
        return column
    steps, *shape = shape_of(column)
    lengths = np.full(column.count, steps, np.int64)
    if column.is_text:
        return replace(column, shape=tuple(shape), lengths=lengths)
    flat = (column.count * steps, *shape)
    nulls = None if column.nulls is None else column.nulls.reshape(flat)
    return replace(
        column, values=column.values.reshape(flat), nulls=nulls, shape=tuple(shape), lengths=lengths
    )


def shape_of(column: Column) -> tuple[int, ...]:
    """The shape of one row, or of one step."""
    return column.shape if column.is_text else column.values.shape[1:]


def kind_of(column: Column) -> str | None:
    """What a column holds, None if every value of it is missing."""
    if column.is_text:
        return None if column.values.null_count == len(column.values) and not column.untyped else TEXTS
    if column.values.dtype.kind == "f" and bool(np.isnan(column.values).all()):
        return None
    return BOOLEANS if column.is_boolean else NUMBERS


def rank_of(column: Column) -> int:
    """The number of axes of a row."""
    return len(shape_of(column)) + (column.lengths is not None)


def as_kind(column: Column, kind: str | None) -> Column:
    """A column whose values are all missing as one of another kind; another column as it is."""
    if kind is None or column.is_text == (kind == TEXTS) or kind_of(column) is not None:
        return column
    if kind == TEXTS:
        shape = shape_of(column)
        return replace(texts([None] * column.values.size, shape), lengths=column.lengths)
    missing = np.full((len(column.values) // max(prod(column.shape), 1), *column.shape), np.nan)
    return Column(missing, lengths=column.lengths)
