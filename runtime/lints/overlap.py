"""Lint of validation and test rows, and stretches of windows, that are in an earlier part too."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.definitions.sections import DataSource, TextSource
from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.runtime.data.data_errors import span_of_setting
from dlc.runtime.data.rows.dataset import CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data import Dataset, Rows

SHARE = 0.1  # the share of equal rows from which on they are probably not meant; iris has 2 %
STRETCH = 8  # successive rows that are hardly equal by chance
BYTES = 1 << 24  # of the rows that are hashed at a time
SAMPLED = 1 << 22  # rows of a part; of more, a sample is compared
FEW = 0.25  # rows with a smaller share of distinct rows are equal by chance
# The mixing function of SplitMix64.
SHIFTS = (30, 27)
FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


@dataclass(frozen=True)
class Overlap:
    """How many of the `total` rows of a part equal a row of another part. `by_chance` is true for rows of few
    values, as in a table of categories. Of windows, stretches of successive rows are compared."""

    part: str
    other: str
    equal: int
    total: int
    by_chance: bool
    windows: bool

    def scaled(self, total: int) -> Overlap:
        """That of `total` rows, estimated from a sample."""
        return replace(self, equal=round(self.equal * total / max(self.total, 1)), total=total)

    @property
    def is_leak(self) -> bool:
        return self.equal > SHARE * self.total and not self.by_chance


def overlapping_parts(
    program: CompiledProgram, data: Dataset, weights: Mapping[str, np.ndarray]
) -> Iterator[Diagnostic]:
    """Validation or test rows that equal a training row in every field, and test rows that equal a validation
    row."""
    told = set()
    for found in overlaps(data):
        if not found.is_leak or found.part in told:
            continue
        told.add(found.part)
        share = f"{100 * found.equal / found.total:.0f} %"
        of = "training" if found.other == "train" else found.other
        message = (
            f"{found.equal} of the {found.total} {found.part} rows ({share}) equal a {of} row in every field"
        )
        if found.windows:
            what = f"stretches of up to {STRETCH} rows in {found.part} windows"
            message = f"{found.equal} of the {found.total} {what} ({share}) are in {of} windows too"
        span = span_of_setting(program.data, found.part) if program.data else None
        help = help_for(program, found.part, found.other)
        yield Diagnostic("W0711", message, (Label(span),) if span else (), (), help)


def overlaps(data: Dataset) -> Iterator[Overlap]:
    """The rows of each part that are in an earlier part too, for parts of at least two rows."""
    parts = [(part, rows) for part, rows in data.parts() if rows.count and rows.types]
    if len(parts) < 2:
        return
    windows = parts[0][1].stretches(STRETCH) is not None
    every = -(-max(rows.count or 0 for _, rows in parts) // SAMPLED)
    hashes = {part: np.sort(row_hashes(rows.stretches(STRETCH) or rows, every)) for part, rows in parts}
    for place, (part, rows) in enumerate(parts):
        for other, _ in parts[:place] if (rows.count or 0) >= 2 else ():
            found = overlap(part, other, hashes[part], hashes[other], windows=windows)
            yield found if every == 1 else found.scaled(rows.count or 0)


def overlap(part: str, other: str, found: np.ndarray, among: np.ndarray, *, windows: bool) -> Overlap:
    """The overlap of rows with these hashes, in ascending order. If both parts have exactly the same rows,
    that is no chance."""
    places = np.minimum(np.searchsorted(among, found), len(among) - 1)
    equal = np.count_nonzero(among[places] == found)
    few = 1 + int(np.count_nonzero(np.diff(among))) < FEW * len(among)
    return Overlap(part, other, int(equal), len(found), few and not np.array_equal(found, among), windows)


def help_for(program: CompiledProgram, part: str, other: str) -> str:
    if program.data and isinstance(program.data.source, TextSource):
        return "remove repeated passages from the text"
    if program.data and not isinstance(getattr(program.data, part), DataSource):
        return 'remove repeated rows from the source, or keep them together: split = groups("...")'
    return f"give rows that {'training' if other == 'train' else other} does not see"


def row_hashes(rows: Rows, every: int = 1) -> np.ndarray:
    """A number of 64 bits for each row, equal for rows that are equal in every field; only the numbers that
    `every` divides, so that equal rows are among them or not."""
    fields = sorted(rows.types)
    row_bytes = sum(type.dtype.itemsize * prod(type.shape) for type in rows.types.values())
    size = min(CHUNK, max(BYTES // max(row_bytes, 1), 1))
    found = map(batch_hashes, rows.batches(size, fields))
    kept = (numbers if every == 1 else numbers[numbers % np.uint64(every) == 0] for numbers in found)
    return np.concatenate([np.zeros(0, np.uint64), *kept])


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
