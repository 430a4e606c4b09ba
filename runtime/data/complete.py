"""`drop = missing`: the rows that have all values that nothing fills in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.diagnostics.quoting import listed
from dlc.runtime.data.data_errors import NO_ROWS, counted, fail

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.runtime.data.columns.field_columns import FieldColumns
    from dlc.runtime.data.requirements import RequiredField
    from dlc.runtime.data.source import Column, Opened

NOT_NUMBERS = ("class", "string")


@dataclass(frozen=True)
class LeftOut:
    """The number of rows that are left out, of `count`; and for each field the number of those that miss it.
    The sum of two is that of both pieces of a source."""

    lost: int
    count: int
    missed: Mapping[str, int]

    def __add__(self, other: LeftOut) -> LeftOut:
        missed = {name: missed + other.missed[name] for name, missed in self.missed.items()}
        return LeftOut(self.lost + other.lost, self.count + other.count, missed)

    def note(self, opened: Opened, what: str) -> list[str]:
        """A note that counts the rows. `CompileError` if none is left; `what` is what a row is."""
        if not self.lost:
            return []
        names = listed([name for name, missed in self.missed.items() if missed])
        if self.lost == self.count:
            missing = f"every {what} of {opened.file} misses {names}"
            raise fail(
                NO_ROWS, f"`drop = missing` leaves no {what}: {missing}", (opened.definition, "read here")
            )
        count = f"{self.lost} of {counted(self.count, what)} of {opened.file}"
        return [f"{count} left out (`drop = missing`): they miss {names}"]


def complete_rows(filled: FieldColumns) -> tuple[FieldColumns, LeftOut]:
    """The rows that miss no value which nothing fills in, and the number of the others."""
    lost, missed = np.zeros(filled.count, bool), {}
    for m in filled.matches:
        if not m.wanted.needs_value or not (m.wanted.is_field or filled.sequences is None):
            continue
        lacks = [lacks_value(column, m.wanted) for _, column in filled.sources(m)]
        if filled.sequences is not None:
            lacks = [filled.sequences.holding(mask, filled.steps(m)) for mask in lacks]
        missed[m.wanted.name] = int(np.logical_or.reduce(lacks).sum())
        lost = np.logical_or.reduce([lost, *lacks])
    found = LeftOut(int(lost.sum()), filled.count, missed)
    return (filled.take(np.flatnonzero(~lost)) if found.lost else filled), found


def lacks_value(column: Column, field: RequiredField) -> np.ndarray:
    """Mask of the rows without a value of a field. For a field of numbers, the text `nan` is missing too."""
    missing = column.missing_rows
    if column.is_text and field.declared.element not in NOT_NUMBERS and column.parsed is not None:
        missing |= np.isnan(column.parsed).any(axis=tuple(range(1, column.parsed.ndim)))
    return missing
