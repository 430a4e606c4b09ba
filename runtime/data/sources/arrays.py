"""Arrays in memory, a row along the first axis of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.runtime.data import mistakes
from dlc.runtime.data.source import Column, Opened, numbers, texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Arrays(Opened):
    """A dict of arrays or lists by the name of the input or target."""

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        self.file = "the arrays given"
        self._arrays = {name: _plain(array) for name, array in arrays.items()}
        self.names = tuple(self._arrays)
        counts = {len(a) for a in self._arrays.values() if a.ndim}
        if len(counts) != 1 or any(not a.ndim for a in self._arrays.values()):
            found = ", ".join(f"{len(a) if a.ndim else 'none'} in `{n}`" for n, a in self._arrays.items()) or "no arrays"
            raise mistakes.fail(mistakes.SHAPE, f"the arrays need the same number of rows, found {found}")
        self.count = counts.pop()

    def read(self, places: Sequence[int]) -> list[Column]:
        return [_column(self._arrays[self.names[place]]) for place in places]

    def name(self, place: int) -> str:
        return f'array "{self.names[place]}"'


def _plain(array: Any) -> np.ndarray:
    """As NumPy has it; tensors of other libraries convert themselves."""
    return np.asarray(array)


def _column(array: np.ndarray) -> Column:
    if array.dtype.kind in "OUS":
        return texts([str(v) for v in array.ravel()], array.shape[1:])
    return numbers(array)
