"""Windows of an array: samples that share its rows."""

from __future__ import annotations

from functools import cached_property
from math import prod
from typing import Any

import numpy as np


class Windows:
    """The samples `rows[start : start + length]`, for each of `starts`. Their rows are stored once; indexing with
    a slice or an array of sample numbers copies these samples."""

    def __init__(self, rows: np.ndarray, starts: np.ndarray, length: int) -> None:
        self.rows, self.starts, self.length = rows, starts, length

    @property
    def dtype(self) -> np.dtype:
        return self.rows.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.starts), self.length, *self.rows.shape[1:])

    @property
    def nbytes(self) -> int:
        """The bytes of all samples, if each had rows of its own."""
        return prod(self.shape) * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, samples: slice | np.ndarray) -> np.ndarray:
        if not len(starts := self.starts[samples]):
            return np.zeros((0, *self.shape[1:]), self.dtype)
        return self._every[starts]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)

    @cached_property
    def _every(self) -> np.ndarray:
        """The windows from every row, as a view."""
        every = np.lib.stride_tricks.sliding_window_view(self.rows, self.length, axis=0)
        return np.moveaxis(every, -1, 1)

    def take(self, samples: np.ndarray) -> Windows:
        """These samples."""
        return Windows(self.rows, self.starts[samples], self.length)

    def cut(self, length: int) -> Windows:
        """The distinct windows of at most this length within the samples."""
        length = min(length, self.length)
        starts = np.flatnonzero(covered(self.starts, self.length - length + 1, len(self.rows)))
        return Windows(self.rows, starts, length)

    @property
    def used(self) -> np.ndarray:
        """The rows that are in a sample, each once."""
        return self.rows[covered(self.starts, self.length, len(self.rows))]


def covered(starts: np.ndarray, lengths: np.ndarray | int, count: int) -> np.ndarray:
    """A mask of the `count` places that are in a stretch from one of `starts` on."""
    begin = np.bincount(starts, minlength=count + 1)
    end = np.bincount(starts + lengths, minlength=count + 1)
    return np.cumsum(begin - end)[:count] > 0
