"""Find the classes of `class(auto)` fields in the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.types import Classes
from dlc.runtime.data import data_errors
from dlc.runtime.data.columns.classes import ColumnValues, labels_of
from dlc.runtime.data.columns.field_columns import refusal_error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dlc.compiler.diagnostics.diagnostic import Diagnostic
    from dlc.runtime.data.columns.column_match import Match
    from dlc.runtime.data.columns.field_columns import FieldColumns
    from dlc.runtime.data.data_errors import Refused
    from dlc.runtime.data.source import Column

    Held = tuple[int, Column, np.ndarray]  # the index of a column, the column, and its rows with classes
    Refusal = Callable[[Match, Held, Refused], Diagnostic]  # the error for values of a column


def find_classes(filled: FieldColumns, train: np.ndarray) -> dict[str, Classes]:
    """The classes of `class(auto)` fields: the distinct values of an input in the training rows, and of a
    target in all rows. Fields that share classes have the union of their values."""

    def held(m: Match) -> list[Held]:
        rows = filled.layout(m, None if m.wanted.is_target else train).rows
        rows = np.arange(filled.count) if rows is None else rows
        return [(index, column, rows) for index, column in filled.sources(m)]

    return classes_in(
        filled.fields, held, lambda m, of, refused: refusal_error(filled, m.wanted, of[0], refused)
    )


def classes_in(
    fields: Sequence[Match], held: Callable[[Match], list[Held]], error: Refusal
) -> dict[str, Classes]:
    """The classes of fields, from the columns that are `held` of each."""
    groups: dict[str, list[Match]] = {}
    for m in fields:
        if m.wanted.declared.classes and m.wanted.learns:
            groups.setdefault(m.wanted.declared.classes.found_in, []).append(m)
    classes, problems = {}, []
    for owner, matches in groups.items():
        sources = [(m, of) for m in matches for of in held(m)]
        values: list[ColumnValues] = []
        for m, of in sources:
            try:
                values.append(ColumnValues.of(*of[1:]))
            except data_errors.Refused as refused:
                problems.append(error(m, of, refused))
        try:
            if len(values) == len(sources):
                classes[owner] = Classes.found(labels_of(values), owner)
        except data_errors.Refused as refused:
            problems.append(error(*sources[0], refused))
    if problems:
        raise CompileError(problems)
    return classes
