"""Batches of rows as tensors, and the epochs of a training."""

from __future__ import annotations

from base64 import b64decode, b64encode
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from dlc.compiler.definitions.sections import NormalField
from dlc.compiler.dims.dim import ClassCount, names, number, substitute
from dlc.compiler.ir.graph import GraphInput
from dlc.runtime.data.rows.orders import BlockOrder
from dlc.runtime.training.device import free_memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dlc.compiler.dims.dim import Size
    from dlc.compiler.lower.dim_bindings import DimSource
    from dlc.runtime.data.rows.dataset import Order, Rows
    from dlc.runtime.training.training_plan import TrainingPlan

CHUNK = 4 << 20  # bytes of one gather
SHARE = 0.4  # maximum part of the free GPU memory for rows


class Loader:
    """Loads the fields of rows that a form reads, as tensors on a device.

    Rows in memory are converted to tensors once; other rows are loaded batch by batch. `shapes` are those of
    the fields that are drawn for every batch.
    """

    def __init__(self, rows: Rows, fields: Sequence[str], device: torch.device,
                 shapes: DrawnShapes,
                 generator: torch.Generator | None = None) -> None:  # fmt: skip
        self.fields, self.device = list(fields), device
        self._rows, self._shapes, self._generator = rows, shapes, generator
        self._read = [name for name in fields if name not in rows.drawn]
        held = rows.held()
        self._resident = None if held is None else ResidentArrays([held[n] for n in self._read], device)

    def batches(
        self, sizes: Sequence[int], order: Order | None = None, start: int = 0
    ) -> Iterator[list[torch.Tensor]]:
        """Batches of these sizes, beginning with batch `start`; each batch is a list with a tensor for every
        field. `order` defaults to the order of the source."""
        source = self._streamed if self._resident is None else self._resident.batches
        read = source(sizes, order, start)
        return read if self._read == self.fields else self._with_drawn(sizes[start:], read)

    def order(self, generator: torch.Generator, batch: int) -> Order:
        """The order of the next epoch, for batches of about this size."""
        return self._rows.order(lambda count: torch.randperm(count, generator=generator).numpy(), batch)

    def _streamed(
        self, sizes: Sequence[int], order: Order | None, start: int
    ) -> Iterator[list[torch.Tensor]]:
        for batch in self._rows.batches(sizes, self._read, order, start):
            yield [as_tensor(batch[name]).to(self.device) for name in self._read]

    def _with_drawn(
        self, sizes: Sequence[int], read: Iterator[list[torch.Tensor]]
    ) -> Iterator[list[torch.Tensor]]:
        for size, batch in zip(sizes, read, strict=True):
            known = dict(zip(self._read, batch, strict=True))
            shapes = self._shapes.of_batch(known)
            yield [known[n] if n in known else self._draw(n, (size, *shapes[n])) for n in self.fields]

    def _draw(self, name: str, shape: tuple[int, ...]) -> torch.Tensor:
        draw = torch.randn if isinstance(self._rows.drawn[name], NormalField) else torch.rand
        if self._generator is None:
            return draw(shape, device=self.device)
        return draw(shape, generator=self._generator).to(self.device)


class DrawnShapes:
    """The sample shapes of fields that are drawn for every batch. Free dimensions have the sizes that they
    have in other fields of the batch."""

    def __init__(self, shapes: Mapping[str, tuple[Size, ...]], sources: Mapping[str, DimSource]) -> None:
        self._shapes = shapes
        free = {n for shape in shapes.values() for size in shape for n in names(size)}
        self._sources = {str(name): sources[str(name)] for name in free if not isinstance(name, ClassCount)}

    @property
    def fields(self) -> list[str]:
        """The fields that have the sizes of free dimensions."""
        return [value.field for value, *_ in self._sources.values() if isinstance(value, GraphInput)]

    def of_batch(self, known: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
        """The shapes for a batch with these tensors, by field."""
        sizes = {}
        for name, (value, axis, scale, offset) in self._sources.items():
            assert isinstance(value, GraphInput), "it is read from a field"
            sizes[name] = (known[value.field].shape[axis] - offset) // scale
        return {name: tuple(number(substitute(size, sizes)) for size in shape)
                for name, shape in self._shapes.items()}  # fmt: skip


class ResidentArrays:
    """Arrays that are kept as tensors: on the device if they fit, else in host memory, from which they are
    copied chunk by chunk."""

    def __init__(self, arrays: Sequence[np.ndarray], device: torch.device) -> None:
        self.size = sum(array.nbytes for array in arrays)
        self.count = max(map(len, arrays), default=0)
        free = free_memory(device)
        self._device = device
        self._home = device if free is None or self.size < SHARE * free else torch.device("cpu")
        self._tensors = [as_tensor(array).to(self._home) for array in arrays]

    def batches(self, sizes: Sequence[int], order: Order | None, start: int) -> Iterator[list[torch.Tensor]]:
        """Gathers the rows of many batches at once and splits them: faster than one gather for each batch."""
        assert not isinstance(order, BlockOrder), "rows in memory have another order"
        kept = None if order is None else torch.from_numpy(order).to(self._home)
        first = sum(sizes[:start])
        for chunk in chunks(sizes[start:], max(self.size // max(self.count, 1), 1)):
            end = first + sum(chunk)
            yield from self._cut(slice(first, end) if kept is None else kept[first:end], chunk)
            first = end

    def _cut(self, rows: slice | torch.Tensor, sizes: Sequence[int]) -> Iterator[list[torch.Tensor]]:
        pieces = []
        for kept in self._tensors:
            taken = kept[rows] if isinstance(rows, slice) else kept.index_select(0, rows)
            pieces.append(taken.to(self._device).split(list(sizes)))
        for place in range(len(sizes)):
            yield [cut[place] for cut in pieces]


class Passes:
    """The epochs of a training, as steps of one or several batches. Every epoch shuffles the rows with a
    generator that continues through all epochs.

    `state` is the position in the training, and `restore` continues from it with the same rows in the same
    batches. The state of the default generator of torch, which drawn inputs use, is not part of it.
    """

    def __init__(self, loader: Loader, plan: TrainingPlan, seed: int) -> None:
        self._loader, self._plan = loader, plan
        self._generator = torch.Generator().manual_seed(seed)
        self.next_epoch()

    def next_epoch(self) -> None:
        """Begin the next epoch."""
        self._begun, self._taken = self._generator.get_state(), 0
        shuffled, batch = self._plan.shuffled, self._plan.sizes[0]
        self._order = self._loader.order(self._generator, batch) if shuffled else None

    def steps(self) -> Iterator[list[list[torch.Tensor]]]:
        """The batches of each remaining step of the epoch; the last step may have fewer batches."""
        together = self._plan.together
        batches = self._loader.batches(self._plan.sizes, self._order, self._taken * together)
        while taken := list(islice(batches, together)):
            self._taken += 1
            yield taken

    @property
    def taken(self) -> int:
        """The steps that were taken of the epoch."""
        return self._taken

    def again(self, taken: int = 0) -> Iterator[list[list[torch.Tensor]]]:
        """The steps of the epoch after the first ones that were `taken`."""
        self._taken = taken
        return self.steps()

    def state(self) -> dict[str, Any]:
        """The steps taken in this epoch, and the generator state at its beginning, as JSON values."""
        return {"taken": self._taken, "generator": b64encode(self._begun.numpy().tobytes()).decode()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the state of passes over the same rows with the same plan."""
        self._generator.set_state(
            torch.frombuffer(bytearray(b64decode(state["generator"])), dtype=torch.uint8)
        )
        self.next_epoch()
        self._taken = state["taken"]


def chunks(sizes: Sequence[int], row_bytes: int) -> Iterator[Sequence[int]]:
    """The sizes in groups of about `CHUNK` bytes."""
    if not sizes:
        return
    step = max(CHUNK // (row_bytes * max(sizes)), 1)
    for start in range(0, len(sizes), step):
        yield sizes[start : start + step]


def as_tensor(array: np.ndarray) -> torch.Tensor:
    """The array as a tensor; copied only if the array is not writable."""
    array = np.ascontiguousarray(array)
    return torch.from_numpy(array if array.flags.writeable else array.copy())
