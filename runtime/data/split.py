"""Parting of rows into test, validation and training rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlc.compiler.definitions.sections import Data, DataSource
from dlc.runtime.data import data_errors
from dlc.runtime.data.data_errors import counted


@dataclass(frozen=True)
class RowSplit:
    """Row numbers of each part, in the order of the file."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def share(amount: float | DataSource, rows: int) -> int:
    """How many of the rows a fraction or a count means; at least one if it is not 0."""
    if isinstance(amount, DataSource) or not amount:
        return 0
    return amount if isinstance(amount, int) else max(1, round(amount * rows))


def part(rows: int, data: Data, labels: np.ndarray | None, file: str) -> RowSplit:
    """Part the rows as `data` asks. Test rows are drawn first, so that they do not depend on `validation`."""
    test, validation = share(data.test, rows), share(data.validation, rows)
    if test + validation >= rows:
        asked = {"validation": validation, "test": test}
        shares = " and ".join(f"{n} for {part}" for part, n in asked.items() if n)
        places = [(data_errors.place_of(data, part), counted(n, "row")) for part, n in asked.items() if n]
        message = f"{file} has {counted(rows, 'row')}, and {shares} leave none for training"
        few = rows <= len(places)
        help = (
            "each part takes a row at least: bring more rows"
            if few
            else "ask for a smaller fraction or count"
        )
        raise data_errors.fail(data_errors.PARTING, message, *places, help=help)
    if not test + validation:
        nothing = np.arange(0)
        return RowSplit(np.arange(rows), nothing, nothing)
    order = shuffled(rows, data.seed)
    if labels is not None:
        order = spread(order, labels)
    ends = np.split(order, [test, test + validation])
    return RowSplit(np.sort(ends[2]), np.sort(ends[1]), np.sort(ends[0]))


def shuffled(rows: int, seed: int) -> np.ndarray:
    """A random order. The raw bits of PCG64 are the same in every version of NumPy,
    its permutations need not be."""
    return np.argsort(np.random.PCG64(seed).random_raw(rows), kind="stable")


def spread(order: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The same rows so that every beginning holds each class by its share, as nearly as whole rows can."""
    labels = labels[order]
    by_class = np.argsort(labels, kind="stable")
    _, starts, counts = np.unique(labels[by_class], return_index=True, return_counts=True)
    within = np.arange(len(order)) - np.repeat(starts, counts)
    place = np.empty(len(order))
    place[by_class] = (within + 0.5) / np.repeat(counts, counts)
    return order[np.argsort(place, kind="stable")]
