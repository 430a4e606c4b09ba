"""Columns of the rows that `dlc predict --keep` copies in front of the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.diagnostics.quoting import VALUES, listed, shorten
from dlc.compiler.diagnostics.suggest import did_you_mean
from dlc.runtime.data.data_errors import MISSING_COLUMN, REPEATED, fail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.diagnostics.problems import CompileError
    from dlc.runtime.data.source import Column, Opened


def indices_of(opened: Opened, names: Sequence[str]) -> list[int]:
    """The indices of columns by their names. `CompileError` for a name that no column has, or several."""
    for name in names:
        if opened.names.count(name) != 1:
            raise not_one_column(opened, name)
    return [opened.names.index(name) for name in names]


def raw_values(column: Column) -> np.ndarray | list[np.ndarray]:
    """The values of a column as the source has them, rows along the first axis; a list if they differ in
    length. A missing value is None."""
    if column.lengths is not None:
        ends = np.cumsum(column.lengths)
        return np.split(flat_values(column.steps), ends[:-1]) if len(ends) else []
    return flat_values(column)


def flat_values(column: Column) -> np.ndarray:
    """The values of rows of one shape."""
    values: Any = column.values
    if column.is_text:
        return np.array(values.to_pylist(), object).reshape(-1, *column.shape)
    if column.labels is not None:
        return np.array(column.labels, object)[values]
    if not (missing := column.missing_numbers).any():
        return values
    found = values.astype(object)
    found[missing] = None
    return found


def not_one_column(opened: Opened, name: str) -> CompileError:
    """The error for a column to keep that does not exist, or exists several times."""
    if not opened.names:
        return fail(MISSING_COLUMN, f"{opened.file} has no names, so no column of it can be kept")
    if name in opened.names:
        return fail(REPEATED, f'{opened.file} has several columns named "{shorten(name)}"')
    known = listed(opened.names, VALUES)
    help = did_you_mean(name, opened.names) or f"it has {known}"
    if all(part.strip() in opened.names for part in name.split(",")):
        help = f"give each by itself: {' '.join(f'--keep {part.strip()}' for part in name.split(','))}"
    return fail(
        MISSING_COLUMN, f'{opened.file} has no column "{shorten(name)}", which is to be kept', help=help
    )
