"""`drop = missing`: the rows that have all values that nothing fills in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.diagnostics.quoting import listed
from dlc.runtime.data.data_errors import NO_ROWS, counted, fail

if TYPE_CHECKING:
    from dlc.runtime.data.field_columns import FieldColumns
    from dlc.runtime.data.requirements import RequiredField
    from dlc.runtime.data.source import Column

NOT_NUMBERS = ("class", "string")


def complete_rows(filled: FieldColumns) -> tuple[FieldColumns, str]:
    """The rows that miss no value which nothing fills in, and a note that counts the others."""
    lost, names = np.zeros(filled.count, bool), []
    for m in filled.matches:
        if not m.wanted.needs_value or not (m.wanted.is_field or filled.sequences is None):
            continue
        lacks = [lacks_value(column, m.wanted) for _, column in filled.sources(m)]
        if filled.sequences is not None:
            lacks = [filled.sequences.holding(mask, filled.steps(m)) for mask in lacks]
        names += [m.wanted.name] if np.any(lacks) else []
        lost = np.logical_or.reduce([lost, *lacks])
    if not lost.any():
        return filled, ""
    if lost.all() and filled.count:
        opened, missing = filled.opened, f"every {filled.what} of {filled.opened.file} misses {listed(names)}"
        raise fail(
            NO_ROWS, f"`drop = missing` leaves no {filled.what}: {missing}", (opened.definition, "read here")
        )
    count = f"{lost.sum()} of {counted(filled.count, filled.what)} of {filled.opened.file}"
    note = f"{count} left out (`drop = missing`): they miss {listed(names)}"
    return filled.take(np.flatnonzero(~lost)), note


def lacks_value(column: Column, field: RequiredField) -> np.ndarray:
    """Mask of the rows without a value of a field. For a field of numbers, the text `nan` is missing too."""
    missing = column.missing_rows
    if column.is_text and field.declared.element not in NOT_NUMBERS and column.parsed is not None:
        missing |= np.isnan(column.parsed).any(axis=tuple(range(1, column.parsed.ndim)))
    return missing
