"""Random orders of rows: of rows that differ in length, and of rows that are read in blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BLOCK = 4096  # most rows of a block, which stand beside each other on the disk
POOL = 64  # blocks that are shuffled together
POOL_BYTES = 1 << 26  # of the rows that are shuffled together
SORTED = 16  # batches of random rows that are sorted by length: more would make steps less alike
SEEDS = 1 << 16  # of which the numbers of a seed are taken


class Pool(NamedTuple):
    """Rows that are shuffled together: those of these blocks, then some of the pool before. `order` are their
    places in the shuffled order; the rows behind `used` go to the next pool."""

    blocks: np.ndarray
    carried: np.ndarray
    order: np.ndarray
    used: int


def in_buckets(
    order: np.ndarray, lengths: np.ndarray, batch: int, permutation: Callable[[int], np.ndarray]
) -> np.ndarray:
    """A random order in which the rows of a batch have similar lengths. Pools are at most a quarter of the
    rows, so that small data is shuffled too; the rows of a smaller last batch are any rows."""
    count = len(order) // batch
    pool, batches = batch * min(SORTED, max(count // 4, 1)), []
    for start in range(0, count * batch, pool):
        rows = order[start : min(start + pool, count * batch)]
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        batches += np.split(rows, len(rows) // batch)
    return np.concatenate([*(batches[place] for place in permutation(count)), order[count * batch :]])


@dataclass(frozen=True)
class BlockOrder:
    """Random blocks of `block` rows of `count` rows in all; the rows of `POOL` blocks are shuffled together.
    Where rows differ in length, those of a batch of `batch` rows are alike. The order depends on the blocks
    and the seed alone."""

    count: int
    block: int
    blocks: np.ndarray
    seed: tuple[int, ...]
    batch: int = 1

    @classmethod
    def drawn(
        cls, count: int, row_bytes: int, permutation: Callable[[int], np.ndarray], batch: int = 1
    ) -> BlockOrder:
        """An order with the random numbers of a permutation."""
        block = max(min(BLOCK, POOL_BYTES // POOL // max(row_bytes, 1)), 1)
        seed = tuple(permutation(SEEDS)[:8].tolist())
        return cls(count, block, permutation(-(-count // block)), seed, batch)

    def rows(self, block: int) -> range:
        """The rows of a block."""
        return range(block * self.block, min((block + 1) * self.block, self.count))

    def pools(self, lengths: np.ndarray | None = None) -> Iterator[Pool]:
        """The pools. `lengths` are those of all rows, if they differ."""
        carried = np.arange(0)
        for number, start in enumerate(range(0, len(self.blocks), POOL)):
            blocks = self.blocks[start : start + POOL]
            rows = np.concatenate([*(self.rows(int(block)) for block in blocks), carried]).astype(np.int64)
            random = Permutations((*self.seed, number))
            order, used = random(len(rows)), len(rows)
            if lengths is not None:
                order = in_buckets(order, lengths[rows], self.batch, random)
                used -= len(rows) % self.batch if start + POOL < len(self.blocks) else 0
            yield Pool(blocks, carried, order, used)
            carried = rows[order[used:]]


class Permutations:
    """Random permutations of less than 2**32 numbers. They sort raw bits of PCG64, which are the same in
    every version of NumPy."""

    def __init__(self, seed: tuple[int, ...]) -> None:
        self._bits = np.random.PCG64([*seed])

    def __call__(self, count: int) -> np.ndarray:
        places = np.uint64((1 << count.bit_length()) - 1)  # sorting numbers is faster than sorting places
        numbers = self._bits.random_raw(count) & ~places | np.arange(count, dtype=np.uint64)
        return (np.sort(numbers) & places).astype(np.int64)
