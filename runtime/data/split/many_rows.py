"""The split of more rows than fit into memory: a byte for each row. It equals that of `split_rows`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.definitions.sections import PARTS, OrderedSplit
from dlc.runtime.data import bounds, data_errors
from dlc.runtime.data.split.row_split import SPLIT, part_counts, split_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.definitions.sections import Data
    from dlc.runtime.data.source import Column

TRAIN, VALIDATION, TEST = range(len(PARTS))
CHUNK = 1 << 20  # rows that are looked at together
ROW = 64  # bytes of memory that a row takes, where labels or groups decide
FEWER = "allow more memory (`--memory`), or leave `stratify` and `split` out"


def parts_of_rows(rows: int, data: Data, file: str, labels: np.ndarray | None = None,
                  groups: np.ndarray | None = None) -> np.ndarray:  # fmt: skip
    """The number of the part of each row, uint8."""
    test, validation = part_counts(rows, data, file)
    if not test + validation:
        return np.zeros(rows, np.uint8)
    if labels is None and groups is None and not isinstance(data.splitting, OrderedSplit):
        return random_parts(rows, data.seed, test, validation)
    found = np.zeros(rows, np.uint8)
    if labels is None and groups is None:
        found[rows - test - validation :], found[rows - test :] = VALIDATION, TEST
        return found
    setting = data_errors.span_of_setting(data, "split" if labels is None else "stratify")
    what, limit = f"the split of {file}", bounds.memory_limit()
    bounds.check(rows * ROW, limit, what, setting, help=FEWER, label="set here")
    split = split_rows(rows, data, labels, file, groups)
    found[split.validation], found[split.test] = VALIDATION, TEST
    return found


def random_parts(rows: int, seed: int, test: int, validation: int) -> np.ndarray:
    """The parts of `random_order`: the rows with the least numbers are the test, the next ones validation."""
    found = np.zeros(rows, np.uint8)
    for part, count in ((VALIDATION, test + validation), (TEST, test)):
        if count:
            border = nth_number(rows, seed, count - 1)
            for start, numbers in random_numbers(rows, seed):
                rest = np.arange(start, start + len(numbers))
                least = (numbers < border.number) | ((numbers == border.number) & (rest <= border.row))
                found[start : start + len(numbers)][least] = part
    return found


@dataclass(frozen=True)
class Border:
    """A random number, and its row."""

    number: np.uint64
    row: int


def nth_number(rows: int, seed: int, n: int) -> Border:
    """The random number with `n` numbers before it in ascending order; of equal ones, earlier rows first."""
    counts = np.zeros(1 << 16, np.int64)
    for _, numbers in random_numbers(rows, seed):
        counts += np.bincount((numbers >> np.uint64(48)).astype(np.int64), minlength=len(counts))
    ends = np.cumsum(counts)
    bucket = int(np.searchsorted(ends, n, side="right"))
    held, places = [], []
    for start, numbers in random_numbers(rows, seed):
        inside = np.flatnonzero(numbers >> np.uint64(48) == bucket)
        held.append(numbers[inside])
        places.append(start + inside)
    numbers, places = np.concatenate(held), np.concatenate(places)
    at = np.argsort(numbers, kind="stable")[n - int(ends[bucket] - counts[bucket])]
    return Border(np.uint64(numbers[at]), int(places[at]))


def random_numbers(rows: int, seed: int) -> Iterator[tuple[int, np.ndarray]]:
    """The numbers that `random_order` sorts, in chunks, each with its first row."""
    bits = np.random.PCG64([seed, SPLIT])
    for start in range(0, rows, CHUNK):
        yield start, bits.random_raw(min(CHUNK, rows - start))


class Codes:
    """The numbers of the values of a column that is read in pieces: those of `Column.codes` of all rows."""

    def __init__(self) -> None:
        self._known: dict[str | None, int] = {}
        self._found: list[np.ndarray] = []

    def add(self, column: Column) -> None:
        """The rows that follow those before."""
        if not column.is_text:
            self._found.append(column.codes)
            return
        words = column.values.dictionary_encode()
        numbers = [self._number(word) for word in words.dictionary.to_pylist()]
        places = words.indices.fill_null(len(numbers)).to_numpy(zero_copy_only=False)
        self._found.append(np.array([*numbers, -1], np.int32)[places])

    def _number(self, word: str) -> int:
        return self._known.setdefault(word, len(self._known))

    @property
    def codes(self) -> np.ndarray:
        return np.concatenate(self._found)
