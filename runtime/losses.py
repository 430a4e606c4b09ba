"""The losses of several batches, as one."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.runtime.forms import Form

HELD = 4096  # numbers that are kept apart before they are packed into one tensor
LEAST = 1e-30  # a weight, at least, where something is divided by it: what has no weight is 0


class Losses:
    """What a form makes of several batches: each mean is the sum of all over the weight of all, and the
    losses are computed of these once. Values are read back from the device when they are asked for."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._columns = [Column() for _ in form.recorded]

    def add(self, made: Mapping[str, Any]) -> None:
        """What the form made of a batch, or of several."""
        for name, column in zip(self._form.recorded, self._columns, strict=True):
            column.add(made[name])

    def read(self) -> dict[str, float]:
        """The losses by name; NaN if one of a batch was no finite number."""
        columns = dict(zip(self._form.recorded, map(Column.read, self._columns), strict=True))
        means = []
        for mean, weight in zip(self._form.means, self._form.weights_of_means, strict=True):
            pairs = zip(columns[mean], columns[weight], strict=True)
            means.append(sum(m * w for m, w in pairs) / max(sum(columns[weight]), LEAST))
        sound = all(isfinite(number) for column in columns.values() for number in column)
        return {name: loss if sound else float("nan") for name, loss in self._form.losses(means).items()}


class Column:
    """Numbers, or tensors of one, that are read back all at once."""

    def __init__(self) -> None:
        self._packed: list[torch.Tensor] = []
        self._apart: list[Any] = []

    def add(self, number: Any) -> None:
        self._apart.append(number.detach() if isinstance(number, torch.Tensor) else number)
        if len(self._apart) == HELD and isinstance(number, torch.Tensor):
            self._pack()

    def read(self) -> list[float]:
        if not self._apart or isinstance(self._apart[0], torch.Tensor):
            self._pack()
            return torch.cat(self._packed).tolist() if self._packed else []
        return self._apart

    def _pack(self) -> None:
        if self._apart:
            self._packed.append(torch.stack(self._apart))
        self._apart = []


def divided(sum: Any, weight: Any) -> Any:
    """The mean, of a sum and the weight that it is over, a number or a tensor."""
    return sum / (weight.clamp(min=LEAST) if isinstance(weight, torch.Tensor) else max(weight, LEAST))
