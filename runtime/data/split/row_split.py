"""Split rows into training, validation and test rows."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.definitions.sections import Data, DataSource, OrderedSplit
from dlc.runtime.data import data_errors
from dlc.runtime.data.data_errors import counted, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

SPLIT = zlib.crc32(b"split")
EXACT = 4096  # rows of a part for which the best groups are searched
SEARCHED = 1 << 25  # bound of the number of rows times the number of groups that are searched


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


def split_rows(
    rows: int,
    data: Data,
    labels: np.ndarray | None,
    file: str,
    groups: np.ndarray | None = None,
    what: str = "row",
) -> RowSplit:
    """Split the rows as `data` says. Test rows are drawn first, so they do not depend on `validation`. Rows
    of one of the `groups` stay together. `what` is the word for them."""
    test, validation = part_counts(rows, data, file, what)
    if not test + validation:
        nothing = np.arange(0)
        return RowSplit(np.arange(rows), nothing, nothing)
    if groups is not None:
        return split_groups(groups, test, validation, data, file)
    in_order = isinstance(data.splitting, OrderedSplit)
    order = np.arange(rows)[::-1] if in_order else random_order(rows, data.seed)
    if labels is not None:
        order = stratified(order, labels)
    ends = np.split(order, [test, test + validation])
    return RowSplit(np.sort(ends[2]), np.sort(ends[1]), np.sort(ends[0]))


def part_counts(rows: int, data: Data, file: str, what: str = "row") -> tuple[int, int]:
    """The rows of the test and of validation. `CompileError` if they leave none for training."""
    test, validation = row_count(data.test, rows), row_count(data.validation, rows)
    if test + validation >= rows:
        asked = {"validation": validation, "test": test}
        shares = " and ".join(f"{n} for {part}" for part, n in asked.items() if n)
        places = [
            (data_errors.span_of_setting(data, part), counted(n, what)) for part, n in asked.items() if n
        ]
        message = f"{file} has {counted(rows, what)}, and {shares} leave none for training"
        few = rows <= len(places)
        help = (
            f"each part takes a {what} at least: bring more {plural(what)}"
            if few
            else "ask for a smaller fraction or count"
        )
        raise data_errors.fail(data_errors.SPLIT, message, *places, help=help)
    return test, validation


def split_groups(groups: np.ndarray, test: int, validation: int, data: Data, file: str) -> RowSplit:
    """Whole groups for each part, with numbers of rows near those that are asked for."""
    _, of_row, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    asked = {name: count for name, count in (("test", test), ("validation", validation)) if count}
    if len(sizes) <= len(asked):
        message = (
            f"{file} has {counted(len(sizes), 'group')} of rows, and {len(asked) + 1} parts need one each"
        )
        place = (data_errors.span_of_setting(data, "split"), "")
        raise data_errors.fail(data_errors.SPLIT, message, place, help="bring rows of more groups")
    left = random_order(len(sizes), data.seed).tolist()
    parts = {"test": np.arange(0), "validation": np.arange(0)}
    for spare, (name, rows) in zip(range(len(asked), 0, -1), asked.items(), strict=True):
        taken = nearest_groups(left, sizes.tolist(), rows, len(left) - spare)
        left = [group for group in left if group not in taken]
        parts[name] = np.flatnonzero(np.isin(of_row, [*taken]))
    return RowSplit(np.flatnonzero(np.isin(of_row, left)), **parts)


def nearest_groups(order: Sequence[int], sizes: Sequence[int], rows: int, most: int) -> set[int]:
    """Groups that have together about this number of rows: at least one group, and at most so many. Earlier
    groups of the order are preferred."""
    taken, rest = [], []
    for group in order:
        if sizes[group] <= rows - EXACT:
            taken.append(group)
            rows -= sizes[group]
        else:
            rest.append(group)
    taken += nearest_subset(rest, sizes, rows)
    taken = taken or [min(order, key=lambda group: sizes[group])]
    return {*sorted(taken, key=lambda group: -sizes[group])[:most]}


def nearest_subset(groups: Sequence[int], sizes: Sequence[int], rows: int) -> list[int]:
    """The groups whose sizes have the sum nearest to this number of rows (subset sum; bit n of an integer
    stands for the sum n)."""
    groups = [group for group in groups if sizes[group] < 2 * rows][: SEARCHED // max(rows, 1)]
    if not groups:
        return []
    reached, bound = [1], (1 << 2 * rows) - 1
    for group in groups:
        reached.append(reached[-1] | reached[-1] << sizes[group] & bound)
        if reached[-1] >> rows & 1:
            break
    total = nearest_bit(reached[-1], rows)
    taken = []
    for group, before in reversed([*zip(groups, reached[:-1], strict=False)]):
        if not before >> total & 1:
            taken.append(group)
            total -= sizes[group]
    return taken


def nearest_bit(bits: int, place: int) -> int:
    """The place of the set bit that is nearest; bit 0 is set."""
    below = (bits & (1 << place + 1) - 1).bit_length() - 1
    above = bits >> place
    distance = (above & -above).bit_length() - 1
    return below if not above or place - below <= distance else place + distance


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
