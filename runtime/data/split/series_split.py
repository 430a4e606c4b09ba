"""Split windows of series into training, validation and test windows that share no rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlc.runtime.data import data_errors
from dlc.runtime.data.data_errors import counted
from dlc.runtime.data.split.row_split import RowSplit, row_count

if TYPE_CHECKING:
    from dlc.compiler.definitions.sections import Data
    from dlc.runtime.data.sequences.table_series import Sequences


def split_windows(sequences: Sequences, data: Data, file: str) -> tuple[RowSplit, str]:
    """The last windows of each series for the test, those before them for validation, and a note that counts
    the windows that cross a border. Fractions and counts are of all windows; each series gives its share."""
    taken = np.zeros(sequences.count, bool)  # windows from the border of a series on
    border = np.full(sequences.series.max(initial=-1) + 1, np.iinfo(np.int64).max)
    parts = {}
    for part in ("test", "validation"):
        wanted = row_count(getattr(data, part), sequences.count)
        ends = sequences.starts + sequences.span
        free = ~taken & (ends <= border[sequences.series])
        parts[part] = np.flatnonzero(last_of_each(sequences.series, free, wanted))
        if wanted and not len(parts[part]):
            raise none_left(sequences, data, file, part)
        np.minimum.at(border, sequences.series[parts[part]], sequences.starts[parts[part]])
        taken |= sequences.starts >= border[sequences.series]
    free = ~taken & (sequences.starts + sequences.span <= border[sequences.series])
    train = np.flatnonzero(free)
    if not len(train):
        raise none_left(sequences, data, file, "training")
    lost = sequences.count - len(train) - sum(map(len, parts.values()))
    crosses, is_ = ("crosses", "is") if lost == 1 else ("cross", "are")
    note = f"{counted(lost, 'window')} of {file} {crosses} a border of the split, and {is_} in no part"
    return RowSplit(train, parts["validation"], parts["test"]), note if lost else ""


def last_of_each(series: np.ndarray, free: np.ndarray, wanted: int) -> np.ndarray:
    """A mask of `wanted` windows: of each series the last ones that are free, in proportion to its
    windows."""
    sizes = np.bincount(series)
    shares = np.diff(np.round(np.cumsum([0, *sizes]) * (wanted / max(len(series), 1))).astype(np.int64))
    behind = np.cumsum(free[::-1])[::-1]  # the free windows of this and all later series, from each window on
    ends = np.cumsum(sizes)
    later = np.concatenate([behind, [0]])[ends]
    return free & (behind - later[series] <= shares[series])


def none_left(sequences: Sequences, data: Data, file: str, part: str) -> data_errors.CompileError:
    """The error for a part that gets no window."""
    taken = f"{counted(sequences.count, 'window')} of {counted(sequences.span, 'row')}"
    why = "windows that share rows with another part are left out"
    message = f"{file} has {taken}, and none is left for {part}: {why}"
    places = [
        (data_errors.span_of_setting(data, key), "") for key in ("validation", "test") if getattr(data, key)
    ]
    help = "bring more rows, or ask for a smaller fraction, a shorter window or a smaller step"
    return data_errors.fail(data_errors.SPLIT, message, *places, help=help)
