"""Lint of validation and test rows, and stretches of windows, that are training rows too."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.definitions.sections import DataSource, TextSource
from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.runtime.data.data_errors import span_of_setting
from dlc.runtime.data.rows import CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data import Dataset, Rows

SHARE = 0.1  # the share of equal rows from which on they are probably not meant; iris has 2 %
STRETCH = 8  # successive rows that are hardly equal by chance
BYTES = 1 << 24  # of the rows that are hashed at a time
FEW = 0.25  # rows with a smaller share of distinct rows are equal by chance
# The mixing function of SplitMix64.
SHIFTS = (30, 27)
FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def overlapping_parts(
    program: CompiledProgram, data: Dataset, weights: Mapping[str, np.ndarray]
) -> Iterator[Diagnostic]:
    """Validation or test rows that equal a training row in every field. Of windows, which are seldom equal as
    a whole, stretches of successive rows are compared. Rows of few values, as in a table of categories, are
    exempt, unless the part has exactly the training rows."""
    if data.train is None or not data.train.count:
        return
    train, windows = None, data.train.stretches(STRETCH)
    for part, rows in list(data.parts())[1:]:
        if rows.count is None or rows.count < 2:
            continue
        train = np.sort(row_hashes(windows or data.train)) if train is None else train
        found = np.sort(row_hashes(rows.stretches(STRETCH) or rows))
        places = np.minimum(np.searchsorted(train, found), len(train) - 1)
        equal = np.count_nonzero(train[places] == found)
        few = 1 + np.count_nonzero(np.diff(train)) < FEW * len(train)
        if equal <= SHARE * len(found) or (few and not np.array_equal(found, train)):
            continue
        share = f"{100 * equal / len(found):.0f} %"
        message = f"{equal} of the {len(found)} {part} rows ({share}) equal a training row in every field"
        if windows is not None:
            what = f"stretches of up to {STRETCH} rows in {part} windows"
            message = f"{equal} of the {len(found)} {what} ({share}) are in training windows too"
        span = span_of_setting(program.data, part) if program.data else None
        yield Diagnostic("W0711", message, (Label(span),) if span else (), (), help_for(program, part))


def help_for(program: CompiledProgram, part: str) -> str:
    if program.data and isinstance(program.data.source, TextSource):
        return "remove repeated passages from the text"
    if program.data and not isinstance(getattr(program.data, part), DataSource):
        return 'remove repeated rows from the source, or keep them together: split = groups("...")'
    return "give rows that training does not see"


def row_hashes(rows: Rows) -> np.ndarray:
    """A number of 64 bits for each row, equal for rows that are equal in every field."""
    fields = sorted(rows.types)
    row_bytes = sum(type.dtype.itemsize * prod(type.shape) for type in rows.types.values())
    size = min(CHUNK, max(BYTES // max(row_bytes, 1), 1))
    return np.concatenate([np.zeros(0, np.uint64), *map(batch_hashes, rows.batches(size, fields))])


def batch_hashes(batch: Mapping[str, np.ndarray]) -> np.ndarray:
    total = np.uint64(0)
    for values in batch.values():
        lanes = mixed(as_uint64(values) + np.uint64(1))
        places = mixed(np.arange(1, lanes.shape[1] + 1, dtype=np.uint64))
        total = mixed(total * FACTORS[0] + (lanes * (places | np.uint64(1))).sum(axis=1, dtype=np.uint64))
    return np.asarray(total)


def as_uint64(values: np.ndarray) -> np.ndarray:
    """The bytes of each row, as numbers of 64 bits."""
    if values.dtype == object:
        hashes = np.fromiter(map(hash, values.ravel()), np.int64, values.size)
        return hashes.view(np.uint64).reshape(len(values), -1)
    rows = np.ascontiguousarray(values).reshape(len(values), -1).view(np.uint8)
    spare = -rows.shape[1] % 8
    return np.pad(rows, ((0, 0), (0, spare))).view(np.uint64) if spare else rows.view(np.uint64)


def mixed(numbers: np.ndarray) -> np.ndarray:
    """Each number with its bits mixed."""
    for shift, factor in zip(SHIFTS, FACTORS, strict=True):
        numbers = (numbers ^ (numbers >> np.uint64(shift))) * factor
    return numbers ^ (numbers >> np.uint64(31))
