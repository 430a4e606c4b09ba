"""Recordings of several rows as one column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlc.runtime.data.data_errors import SHAPE
from dlc.runtime.data.files.bad_file import BadFile
from dlc.runtime.data.source import Column, numbers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.compiler.types import Tensor
    from dlc.runtime.data.requirements import RequiredField

COPIES = 2  # of the samples in memory, while they are joined


def joined(recordings: Iterable[tuple[int, np.ndarray]], count: int, declared: Tensor) -> Column:
    """The recordings of some of `count` rows, `[time]` or `[time, channels]`, as a column of sequences, or as
    an array if the type has the number of samples. Rows without a recording are missing."""
    found = dict(recordings)
    channels = tuple(n for n in declared.shape[:-1] if isinstance(n, int))
    time = declared.shape[-1]
    absent = np.full((time if isinstance(time, int) else 1, *channels), np.nan, np.float32)
    rows = [found.get(row, absent) for row in range(count)]
    if isinstance(time, int):
        whole = np.stack(rows) if rows else np.zeros((0, *absent.shape), np.float32)
        return numbers(np.ascontiguousarray(np.moveaxis(whole, 1, -1)))
    values = np.concatenate(rows) if rows else np.zeros((0, *channels), np.float32)
    return Column(values, channels, lengths=np.fromiter(map(len, rows), np.int64, count))


def need_length(samples: np.ndarray, wanted: RequiredField, rate: int) -> None:
    """`BadFile` for a recording that is shorter or longer than the type of its field says."""
    *channels, time = wanted.declared.shape
    if isinstance(time, int) and len(samples) != time:
        free = f"float[{', '.join([*map(str, channels), 'T'])}]"
        raise BadFile(f"has {seconds(len(samples), rate)}, not {seconds(time, rate)}",
                      f"`{wanted.name}: {free}` takes recordings of any length", SHAPE)  # fmt: skip


def seconds(samples: int, rate: int) -> str:
    return f"{samples:_} samples ({samples / rate:.3g} s at {rate} Hz)"
