"""Arrays of rows that differ in length."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from dlc.runtime import memory
from dlc.runtime.data.data_errors import TOO_LARGE, fail

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SMALL = 1 << 28  # bytes of a padded batch that are not compared with the free memory


class Ragged:
    """Rows that differ in length along one sample axis.

    `values` are the steps of all rows, `[steps, ...]`; row i is the `lengths[i]` steps from `starts[i]` on.
    `axis` is the sample axis of the steps: 1 for `[channels, time]`.
    """

    def __init__(self, values: np.ndarray, lengths: np.ndarray, axis: int = 0,
                 starts: np.ndarray | None = None) -> None:  # fmt: skip
        self.values, self.lengths, self.axis = values, lengths, axis
        self.starts = np.cumsum(lengths) - lengths if starts is None else starts

    @classmethod
    def of_numbers(cls, rows: Sequence[Sequence[int]]) -> Ragged:
        """Rows of integers, int64."""
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        every = (number for row in rows for number in row)
        return cls(np.fromiter(every, np.int64, int(lengths.sum())), lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, rows: np.ndarray | slice) -> Ragged:
        return Ragged(self.values, self.lengths[rows], self.axis, self.starts[rows])

    @property
    def dtype(self) -> np.dtype:
        return self.values.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of rows, and the shape of the longest one."""
        return (len(self), *self.sample_shape(int(self.lengths.max(initial=0))))

    def sample_shape(self, steps: int) -> tuple[int, ...]:
        inner = self.values.shape[1:]
        return (*inner[: self.axis], steps, *inner[self.axis :])

    @property
    def nbytes(self) -> int:
        return int(self.lengths.sum()) * self.values.itemsize * prod(self.values.shape[1:])

    @property
    def steps(self) -> np.ndarray:
        """The steps of all rows, one row after the other."""
        return self.values[step_indices(self.starts, self.lengths)]

    @property
    def is_uniform(self) -> bool:
        """Whether all rows have the same length, as windows do, which may share their steps."""
        return bool((self.lengths == self.lengths[:1]).all())

    def padded(self) -> np.ndarray:
        """One array, in which each row is as long as the longest one. Shorter rows are continued by copies of
        their last step, so that padding is as harmless as data; a row without steps has steps of others.
        `CompileError` if it does not fit into the free memory."""
        longest = int(self.lengths.max(initial=0))
        self._check_padded(longest)
        if not longest:
            return np.zeros((len(self), *self.sample_shape(0)), self.dtype)
        if self.is_uniform:
            every = np.lib.stride_tricks.sliding_window_view(self.values, longest, axis=0)
            return np.moveaxis(every[self.starts], -1, self.axis + 1)
        within = np.minimum(np.arange(longest), np.maximum(self.lengths - 1, 0)[:, None])
        places = np.minimum(self.starts[:, None] + within, len(self.values) - 1)
        made = self.values[places]
        return made if not self.axis else np.moveaxis(made, 1, self.axis + 1)

    def _check_padded(self, longest: int) -> None:
        """One long row makes a batch of short ones large."""
        size = len(self) * longest * self.dtype.itemsize * prod(self.values.shape[1:])
        if size > SMALL and size > (free := memory.free()):
            takes = f"{memory.format_size(size)}, and {memory.format_size(free)} of memory is free"
            message = f"{len(self)} rows, as long as the longest one of {longest} steps, take {takes}"
            raise fail(TOO_LARGE, message, help="take smaller batches, or shorten the longest rows")

    def stretches(self, most: int) -> Ragged:
        """The distinct stretches of at most `most` successive steps within rows of one length."""
        length = min(most, int(self.lengths.min(initial=most)))
        begins = covered(self.starts, self.lengths - length + 1, len(self.values))
        starts = np.flatnonzero(begins)
        return Ragged(self.values, np.full(len(starts), length), self.axis, starts)

    def mapped(self, function: Callable[[np.ndarray], np.ndarray]) -> Ragged:
        """The rows with other values; `function` takes and gives an array of steps."""
        return Ragged(function(self.values), self.lengths, self.axis, self.starts)


def with_end(rows: np.ndarray | Ragged, symbol: int) -> np.ndarray | Ragged:
    """Rows of symbols, each with this symbol behind its last one."""
    if not isinstance(rows, Ragged):
        return np.concatenate([rows, np.full((len(rows), 1), symbol, rows.dtype)], axis=1)
    return Ragged(np.insert(rows.steps, np.cumsum(rows.lengths), symbol), rows.lengths + 1, rows.axis)


def joined_rows(pieces: Sequence[np.ndarray | Ragged]) -> np.ndarray | Ragged:
    """Rows that follow each other, in memory of their own unless there is one piece. They are one array if no
    piece is ragged and all have one shape."""
    if len(pieces) == 1:
        return pieces[0]
    first = pieces[0]
    arrays = [
        piece for piece in pieces if isinstance(piece, np.ndarray) and piece.shape[1:] == first.shape[1:]
    ]
    if len(arrays) == len(pieces):
        return np.concatenate(arrays)
    axis = next((rows.axis for rows in pieces if isinstance(rows, Ragged)), None)
    if axis is None:
        axis = next(
            at for at, size in enumerate(first.shape[1:]) if any(p.shape[at + 1] != size for p in pieces)
        )
    parts = [as_ragged(rows, axis) for rows in pieces]
    values = [part.values[step_indices(part.starts, part.lengths)] for part in parts]
    return Ragged(np.concatenate(values), np.concatenate([part.lengths for part in parts]), axis)


def as_ragged(rows: np.ndarray | Ragged, axis: int) -> Ragged:
    """Rows whose steps are along an axis of a sample."""
    if isinstance(rows, Ragged):
        return rows
    steps = np.moveaxis(rows, axis + 1, 1)
    values = steps.reshape(len(rows) * steps.shape[1], *steps.shape[2:])
    return Ragged(values, np.full(len(rows), steps.shape[1], np.int64), axis)


def step_indices(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The indices of the steps of rows, one row after the other."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(starts - (ends - lengths), lengths)


def array_of(values: np.ndarray | Ragged) -> np.ndarray:
    """The rows as one array, padded if they differ in length."""
    return values.padded() if isinstance(values, Ragged) else values


def distinct_steps(values: np.ndarray | Ragged) -> np.ndarray:
    """The values of all rows, without padding; each step once, also if rows share it."""
    if not isinstance(values, Ragged):
        return values
    return values.values[covered(values.starts, values.lengths, len(values.values))]


def covered(starts: np.ndarray, lengths: np.ndarray, count: int) -> np.ndarray:
    """A mask of the `count` steps that are in a row of `lengths[i]` steps from `starts[i]` on."""
    begin = np.bincount(starts, minlength=count + 1)
    end = np.bincount(starts + lengths, minlength=count + 1)
    return np.cumsum(begin - end)[:count] > 0
