"""Rows as tensors, and the batches that a pass over them is made of."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from dlc.compiler.sections import Normal
from dlc.runtime.device import free_memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dlc.runtime.data.rows import Rows

CHUNK = 4 << 20  # bytes that are gathered at once
SHARE = 0.4  # of a GPU's free memory that rows may take


class Resident:
    """The fields of rows that a form of the graph reads, kept as tensors.

    They are kept on the device where they fit, else in the machine's memory, from where they are
    brought chunk by chunk. `shapes` are the sample shapes of fields that are drawn anew for every batch.
    """

    def __init__(self, rows: Rows, fields: Sequence[str], device: torch.device,
                 shapes: dict[str, tuple[int, ...]],
                 generator: torch.Generator | None = None) -> None:  # fmt: skip
        arrays = {name: np.ascontiguousarray(rows[name]) for name in fields if name not in rows.drawn}
        self.size = sum(a.nbytes for a in arrays.values())
        free = free_memory(device)
        home = device if free is None or self.size < SHARE * free else torch.device("cpu")
        self.fields, self.device, self.count = list(fields), device, rows.count
        self._drawn, self._shapes, self._generator = rows.drawn, shapes, generator
        self._tensors = {name: as_tensor(array).to(home) for name, array in arrays.items()}
        self._home = home

    def batches(
        self, sizes: Sequence[int], order: torch.Tensor | None = None
    ) -> Iterator[list[torch.Tensor]]:
        """Batches of these sizes, the rows in this order (as they stand if none),
        each a tensor for every field.

        Rows are gathered many batches at a time and then cut: cheaper than gathering each batch.
        """
        if order is not None:
            order = order.to(self._home)
        start = 0
        for chunk in chunks(sizes, max(self.size // max(self.count, 1), 1)):
            end = start + sum(chunk)
            yield from self._cut(slice(start, end) if order is None else order[start:end], chunk)
            start = end

    def _cut(self, rows: slice | torch.Tensor, sizes: Sequence[int]) -> Iterator[list[torch.Tensor]]:
        cut: list[Any] = []
        for name in self.fields:
            if name in self._drawn:
                cut.append(map(partial(self._draw, name), sizes))
                continue
            kept = self._tensors[name]
            taken = kept[rows] if isinstance(rows, slice) else kept.index_select(0, rows)
            cut.append(taken.to(self.device).split(list(sizes)))
        for batch in zip(*cut, strict=True):
            yield list(batch)

    def _draw(self, name: str, size: int) -> torch.Tensor:
        draw = torch.randn if isinstance(self._drawn[name], Normal) else torch.rand
        if self._generator is None:
            return draw(size, *self._shapes[name], device=self.device)
        return draw(size, *self._shapes[name], generator=self._generator).to(self.device)


def chunks(sizes: Sequence[int], row_bytes: int) -> Iterator[Sequence[int]]:
    """The sizes in runs of about `CHUNK` bytes."""
    if not sizes:
        return
    step = max(CHUNK // (row_bytes * max(sizes)), 1)
    for start in range(0, len(sizes), step):
        yield sizes[start : start + step]


def as_tensor(array: np.ndarray) -> torch.Tensor:
    """The array as a tensor, without a copy where torch may write to it."""
    array = np.ascontiguousarray(array)
    return torch.from_numpy(array if array.flags.writeable else array.copy())
