"""The parts of the rows of a source: what decides which row is in which part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.definitions import sections
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.types import Tensor
from dlc.runtime.data import data_errors
from dlc.runtime.data.columns.conversion import refusal
from dlc.runtime.data.columns.field_columns import refusal_error
from dlc.runtime.data.data_errors import MISSING_VALUE, fail
from dlc.runtime.data.requirements import SPLIT_COLUMN, RequiredField
from dlc.runtime.data.split.row_split import RowSplit, split_rows
from dlc.runtime.data.split.series_split import split_windows

if TYPE_CHECKING:
    from dlc.compiler.definitions.sections import Data
    from dlc.compiler.diagnostics.diagnostic import Diagnostic
    from dlc.runtime.data.columns.field_columns import FieldColumns
    from dlc.runtime.data.sequences.table_series import Sequences
    from dlc.runtime.data.source import Column


def split_of(filled: FieldColumns, data: Data) -> tuple[RowSplit, str]:
    """The samples of each part, and a note that counts those in none."""
    groups, sequences = groups_of(filled), filled.sequences
    if groups is None and sequences is not None and sequences.window is not None:
        return split_windows(sequences, data, filled.opened.file)
    labels, file = labels_of_rows(data, filled), filled.opened.file
    return split_rows(filled.count, data, labels, file, groups, filled.what), ""


def split_column(data: Data) -> list[RequiredField]:
    """The column of `split = groups(...)`."""
    if not isinstance(data.split, sections.GroupsSplit):
        return []
    column = data.split.column
    if isinstance(column, str):
        column = sections.ColumnField(column=column).placed(data.split.span, {})
    return [RequiredField(SPLIT_COLUMN, Tensor("string"), "split", column, data.split.span)]


def groups_of(filled: FieldColumns) -> np.ndarray | None:
    """The group of each row as a number."""
    if SPLIT_COLUMN not in filled.columns:
        return None
    column = group_column(filled)
    if filled.sequences is None:
        return column.codes
    return groups_of_series(filled, filled.sequences, column.codes)


def group_column(filled: FieldColumns) -> Column:
    """The column whose values are the groups of the rows, all of which have one."""
    (column,) = filled.columns[SPLIT_COLUMN]
    if (missing := column.missing_rows).any():
        help = "fill it in, or remove the row; `drop = missing` removes such rows"
        refused = refusal(MISSING_VALUE, "the row has no group", missing, help)
        raise CompileError([split_error(filled, refused)])
    return column


def groups_of_series(filled: FieldColumns, sequences: Sequences, codes: np.ndarray) -> np.ndarray:
    """The group of each sample. All rows of a series need to be of one group."""
    of_rows = codes[sequences.order]
    other = np.flatnonzero(of_rows[1:] != of_rows[:-1]) + 1
    inside = other[~np.isin(other, sequences.begins)]
    if len(inside):
        help = "give all rows of a series one group, or leave `split` out"
        what = "the row is of another group than those before it in its series"
        refused = data_errors.Refused(data_errors.SPLIT, what, sequences.order[inside[:5]], help)
        raise CompileError([split_error(filled, refused)])
    return of_rows[sequences.starts]


def split_error(filled: FieldColumns, refused: data_errors.Refused) -> Diagnostic:
    [m] = (m for m in filled.matches if m.wanted.role == "split")
    return refusal_error(filled, m.wanted, m.indices[0], refused)


def labels_of_rows(data: Data, filled: FieldColumns) -> np.ndarray | None:
    """The class of each row that the split is stratified by, as an integer."""
    column = label_column(data, filled)
    if column is None:
        return None
    return column.codes if filled.sequences is None else column.codes[filled.sequences.first_rows]


def label_column(data: Data, filled: FieldColumns) -> Column | None:
    """The column whose classes the split is stratified by."""
    if data.stratify is None:
        return None
    found = next((m for m in filled.fields if m.wanted.name == data.stratify), None)
    place = (data_errors.span_of_setting(data, "stratify"), "")
    if found is None:
        from dlc.compiler.diagnostics.suggest import did_you_mean

        help = did_you_mean(data.stratify, [m.wanted.name for m in filled.fields])
        message = f"the rows cannot be stratified by `{data.stratify}`, which is not a field of the data"
        raise fail(data_errors.SPLIT, message, place, help=help)
    declared = found.wanted.declared
    if declared.element not in ("class", "binary", "bool", "string") or declared.rank:
        message = f"the rows cannot be stratified by {found.wanted}, which is {declared} and not one class"
        raise fail(data_errors.SPLIT, message, place)
    return filled.columns[data.stratify][0]
