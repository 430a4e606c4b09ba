"""Split rows into training, validation and test rows."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from dlc.compiler.definitions.sections import Data, DataSource
from dlc.runtime.data import data_errors
from dlc.runtime.data.data_errors import counted

SPLIT = zlib.crc32(b"split")


@dataclass(frozen=True)
class RowSplit:
    """The row numbers of each part, in ascending order."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def row_count(amount: float | DataSource, rows: int) -> int:
    """The number of rows for a fraction or a count; at least one unless it is 0."""
    if isinstance(amount, DataSource) or not amount:
        return 0
    return amount if isinstance(amount, int) else max(1, round(amount * rows))


def split_rows(rows: int, data: Data, labels: np.ndarray | None, file: str) -> RowSplit:
    """Split the rows as `data` says. Test rows are drawn first, so they do not depend on `validation`."""
    test, validation = row_count(data.test, rows), row_count(data.validation, rows)
    if test + validation >= rows:
        asked = {"validation": validation, "test": test}
        shares = " and ".join(f"{n} for {part}" for part, n in asked.items() if n)
        places = [
            (data_errors.span_of_setting(data, part), counted(n, "row")) for part, n in asked.items() if n
        ]
        message = f"{file} has {counted(rows, 'row')}, and {shares} leave none for training"
        few = rows <= len(places)
        help = (
            "each part takes a row at least: bring more rows"
            if few
            else "ask for a smaller fraction or count"
        )
        raise data_errors.fail(data_errors.SPLIT, message, *places, help=help)
    if not test + validation:
        nothing = np.arange(0)
        return RowSplit(np.arange(rows), nothing, nothing)
    order = random_order(rows, data.seed)
    if labels is not None:
        order = stratified(order, labels)
    ends = np.split(order, [test, test + validation])
    return RowSplit(np.sort(ends[2]), np.sort(ends[1]), np.sort(ends[0]))


def random_order(rows: int, seed: int) -> np.ndarray:
    """A random permutation. It sorts raw bits of PCG64, which are the same in every version of NumPy;
    `permutation` may change between versions. It does not depend on rows that were drawn with this seed."""
    return np.argsort(np.random.PCG64([seed, SPLIT]).random_raw(rows), kind="stable")


def stratified(order: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Stratify an order: every prefix has the class proportions of all rows, up to rounding."""
    labels = labels[order]
    by_class = np.argsort(labels, kind="stable")
    _, starts, counts = np.unique(labels[by_class], return_index=True, return_counts=True)
    within = np.arange(len(order)) - np.repeat(starts, counts)
    place = np.empty(len(order))
    place[by_class] = (within + 0.5) / np.repeat(counts, counts)
    return order[np.argsort(place, kind="stable")]
