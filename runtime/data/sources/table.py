"""Rows that are written in the spec."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.runtime.data import data_errors
from dlc.runtime.data.columns.python_columns import as_array, column_of, column_of_sequences
from dlc.runtime.data.source import Column, Opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.definitions.sections import TableSource


class TableRows(Opened):
    def __init__(self, source: TableSource) -> None:
        self.file, self.definition = "the table", source
        self._rows = source.rows
        self.count, width = len(source.rows), len(source.rows[0]) if source.rows else 0
        if not width:
            raise data_errors.fail(data_errors.NO_ROWS, "the table has no entries", (source, "written here"))
        self.names = tuple(source.columns or ())
        if self.names and len(self.names) != width:
            message = f"the table's rows have {width} entries, and {len(self.names)} columns are named"
            raise data_errors.fail(data_errors.RAGGED, message, (source, "written here"))
        self.remaining = bool(self.names)
        self.sizes = tuple(int(np.size(entry)) for entry in source.rows[0])

    def read(self, indices: Sequence[int]) -> list[Column]:
        return [self._column([row[index] for row in self._rows], index) for index in indices]

    def _column(self, entries: list[Any], index: int) -> Column:
        try:
            return column_of_sequences(entries) or column_of(as_array(entries))
        except ValueError:
            message = f"the table, {self.name(index)}: the entries are lists of different shapes"
            raise data_errors.fail(data_errors.RAGGED, message, (self.definition, "written here")) from None
