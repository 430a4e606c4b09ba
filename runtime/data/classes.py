"""Classes found in the training rows, for `class(auto)`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.types import Classes
from dlc.runtime.data import mistakes
from dlc.runtime.data.convert import as_whole_numbers, refusal, refuse_missing_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.runtime.data.source import Column

MOST = 1_000_000


def is_words(column: Column) -> bool:
    """True for text that is not all numbers."""
    return column.labels is not None or (column.is_text and column.parsed is None)


def found_in(column: Column, train: np.ndarray, words: bool) -> set[Any]:
    """What a column holds in the training rows: its names, or its greatest number."""
    found = set(_names(column, train)) if words else {_greatest(column, train)}
    if len(found) > MOST:
        raise mistakes.Refused(mistakes.CLASS, f"there are more than {MOST:_} different classes", [0])
    return found


def classes_of(found: set[Any], words: bool) -> Classes:
    """Names in their order; or the numbers from 0 to the greatest."""
    return Classes(len(found), tuple(sorted(found))) if words else Classes(1 + max(found))


def _names(column: Column, train: np.ndarray) -> Sequence[str]:
    if column.labels:
        return [column.labels[code] for code in np.unique(column.values[train])]
    if not column.is_text:
        return [str(number) for number in np.unique(as_whole_numbers(column)[train])]
    from dlc.runtime.data.compute import pc

    refuse_missing_text(column)
    cells: Any = column.trimmed
    if len(train) * int(np.prod(column.shape, dtype=np.int64)) != len(cells):
        places = np.arange(len(cells)).reshape(-1, *column.shape)[train]
        cells = cells.take(places.ravel())
    return pc.unique(cells).to_pylist()


def _greatest(column: Column, train: np.ndarray) -> int:
    values = as_whole_numbers(column)
    bad = values < 0
    if bad.any():
        help = 'numbers are counted from 0; to name the classes, write class("-1", "1")'
        raise refusal(mistakes.CLASS, f"{values[bad][0]} is no class number", bad, help)
    bad = values >= MOST
    if bad.any():
        help = "class(auto) makes a class of every number up to the greatest"
        raise refusal(mistakes.CLASS, f"{values[bad][0]} is too great for a class number", bad, help)
    return int(values[train].max())
