"""Arrays in memory, a row along the first axis of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.runtime.data import mistakes
from dlc.runtime.data.source import Column, Opened, column_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Arrays(Opened):
    """A dict of arrays or lists by the name of the input or target."""

    no_rows = "have no rows"

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        self.file, self.own_names = "the arrays given", True
        self._arrays = {name: _plain(name, array) for name, array in arrays.items()}
        self.names = tuple(self._arrays)
        counts = {len(array) for array in self._arrays.values()}
        if len(counts) != 1:
            found = ", ".join(f"{len(a)} in `{name}`" for name, a in self._arrays.items()) or "no arrays"
            raise mistakes.fail(mistakes.SHAPE, f"the arrays need the same number of rows, found {found}")
        self.count = counts.pop()

    def read(self, places: Sequence[int]) -> list[Column]:
        return [column_of(self._arrays[self.names[place]]) for place in places]

    def name(self, place: int) -> str:
        return f'array "{self.names[place]}"'


def _plain(name: str, given: Any) -> np.ndarray:
    """As NumPy has it, text as text; tensors of other libraries convert themselves."""
    try:
        array = np.asarray(given)
        if array.dtype.kind == "O":
            kind = str if any(isinstance(value, str) for value in array.flat) else float
            array = np.array(["" if v is None else v for v in array.flat] if kind is str else array, kind)
            array = array.reshape(np.shape(given))
        if array.dtype.kind == "S":
            array = np.char.decode(array, "utf-8")
    except (ValueError, TypeError) as error:
        message = f'the array "{name}" cannot be read: {mistakes.shorten(error, 200)}'
        raise mistakes.fail(mistakes.BROKEN, message) from None
    if array.dtype.kind not in "biufU":
        raise mistakes.fail(
            mistakes.VALUE, f'the array "{name}" of {array.dtype} is neither numbers nor text'
        )
    if not array.ndim:
        raise mistakes.fail(mistakes.SHAPE, f'the array "{name}" is a single value, and has no rows')
    return array
