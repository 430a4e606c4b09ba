"""Arrays in memory, a row along the first axis of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.runtime.data import mistakes
from dlc.runtime.data.given import as_array, column_of
from dlc.runtime.data.source import Column, Opened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Arrays(Opened):
    """A dict of arrays or lists by the name of the input or target."""

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        self.file, self.own_names = "the arrays given", True
        self._columns = {name: _column(name, array) for name, array in arrays.items()}
        self.names = tuple(self._columns)
        counts = {column.count for column in self._columns.values()}
        if len(counts) != 1:
            found = ", ".join(f"{c.count} in `{name}`" for name, c in self._columns.items()) or "no arrays"
            raise mistakes.fail(mistakes.SHAPE, f"the arrays need the same number of rows, found {found}")
        self.count = counts.pop()
        if not self.count:
            raise mistakes.fail(mistakes.NO_ROWS, f"{self.file} have no rows")

    def read(self, places: Sequence[int]) -> list[Column]:
        return [self._columns[self.names[place]] for place in places]

    def name(self, place: int) -> str:
        return f'array "{self.names[place]}"'


def _column(name: str, given: Any) -> Column:
    try:
        array = as_array(given)
    except ValueError as error:
        message = f'the array "{name}" cannot be read: {mistakes.shorten(error, 200)}'
        raise mistakes.fail(mistakes.BROKEN, message) from None
    if not array.ndim:
        message = f'the array "{name}" is a single value, and has no rows'
        raise mistakes.fail(mistakes.SHAPE, message)
    try:
        return column_of(array)
    except ValueError as error:
        raise mistakes.fail(mistakes.VALUE, f'the array "{name}": {mistakes.shorten(error, 200)}') from None
