"""Arrays and frames in memory, rows along the first axis of each column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.diagnostics.quoting import shorten
from dlc.runtime.data import data_errors
from dlc.runtime.data.columns.python_columns import as_array, column_of, column_of_sequences
from dlc.runtime.data.source import Column, Opened

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class ArraySource(Opened):
    """A dict of arrays or lists by input or target name. Values that no field reads are not checked."""

    no_rows = "have no rows"
    what = "array"
    typeless = True

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        self.file, self.own_names = "the arrays given", True
        self._take(arrays.items())

    def _take(self, given: Iterable[tuple[str, Any]]) -> None:
        self._given = tuple(given)
        self.names = tuple(name for name, _ in self._given)
        self._decoded: dict[int, Column] = {}
        self.count = -1
        if not self.names:
            raise self._uneven(f"no {self.what}s")

    def read(self, indices: Sequence[int]) -> list[Column]:
        for index in indices:
            if index not in self._decoded:
                self._decoded[index] = self._column(*self._given[index])
        columns = [self._decoded[index] for index in indices]
        counts = [column.count for column in columns]
        if len({*counts}) > 1:
            each = zip(counts, indices, strict=True)
            raise self._uneven(", ".join(f"{count} in `{self.names[index]}`" for count, index in each))
        self.count = counts[0] if counts else 0
        return columns

    def _uneven(self, found: str) -> data_errors.CompileError:
        message = f"the {self.what}s need the same number of rows, found {found}"
        return data_errors.fail(data_errors.SHAPE, message)

    def name(self, index: int) -> str:
        return f'{self.what} "{self.names[index]}"'

    def _column(self, name: str, given: Any) -> Column:
        try:
            if (column := column_of_sequences(given)) is not None:
                return column
            array = as_array(given)
        except ValueError as error:
            message = f'the {self.what} "{name}" cannot be read: {shorten(error, 200)}'
            raise data_errors.fail(data_errors.BROKEN, message) from None
        if not array.ndim:
            message = f'the {self.what} "{name}" is a single value, and has no rows'
            raise data_errors.fail(data_errors.SHAPE, message)
        try:
            return column_of(array)
        except ValueError as error:
            message = f'the {self.what} "{name}": {shorten(error, 200)}'
            raise data_errors.fail(data_errors.VALUE, message) from None
