"""The losses of several batches, as one."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import torch

from dlc.compiler.training.class_losses import LEAST

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dlc.runtime.training.batch_means import Means

HELD = 4096  # numbers that are kept apart before they are packed into one tensor


class Losses:
    """The losses of forms over several batches: each mean is the sum of all over the weight of all, and the
    losses are computed of these once. Values are read back from the device when they are asked for."""

    def __init__(self, forms: Sequence[Means]) -> None:
        self._kept = [(means, {name: DeferredNumbers() for name in means.recorded}) for means in forms]
        self._adders = [[(name, c.add) for name, c in columns.items()] for _, columns in self._kept]

    def add(self, made: Iterable[Mapping[str, Any]]) -> None:
        """What each of the forms made of a batch, or of several."""
        for adders, numbers in zip(self._adders, made, strict=True):
            for name, add in adders:
                add(numbers[name])

    def read(self) -> dict[str, float]:
        """The losses by name; NaN if one of a batch was no finite number."""
        return {name: loss for means, columns in self._kept for name, loss in read(means, columns).items()}


def read(means: Means, columns: Mapping[str, DeferredNumbers]) -> dict[str, float]:
    """The losses of a form, of what it made of each batch."""
    numbers = {name: column.read() for name, column in columns.items()}
    if not all(isfinite(number) for column in numbers.values() for number in column):
        return dict.fromkeys(means.figures, float("nan"))
    pairs = zip(means.names, means.weights, strict=True)
    return means.read([mean_of(numbers[mean], numbers[weight]) for mean, weight in pairs])


def mean_of(means: Sequence[float], weights: Sequence[float]) -> float:
    """The mean of all batches, of that of each and its weight."""
    return sum(m * w for m, w in zip(means, weights, strict=True)) / max(sum(weights), LEAST)


class DeferredNumbers:
    """Numbers, or tensors of one, that are read back all at once."""

    def __init__(self) -> None:
        self._packed: list[torch.Tensor] = []
        self._apart: list[Any] = []

    def add(self, number: Any) -> None:
        if not isinstance(number, torch.Tensor):
            self._apart.append(number)
            return
        self._apart.append(number.detach())
        if len(self._apart) == HELD:
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
