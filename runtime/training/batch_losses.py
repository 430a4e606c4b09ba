"""Combine the losses of several batches."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import torch

from dlc.compiler.training.class_losses import LEAST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dlc.runtime.training.batch_means import Means

PACK = 4096  # numbers that are packed into one tensor


class Losses:
    """The losses of forms over several batches. Each mean is the sum over all batches divided by the weight
    of all batches, and the losses are computed from the means once. Values are copied from the device only
    in `read`."""

    def __init__(self, forms: Sequence[Means]) -> None:
        self._kept = [(means, {name: DeferredNumbers() for name in means.recorded}) for means in forms]
        self._adders = [[(name, c.add) for name, c in columns.items()] for _, columns in self._kept]

    def add(self, numbers: Mapping[str, Any], form: int = 0) -> None:
        """Add the outputs of a form, by its place, for a batch or for several batches."""
        for name, add in self._adders[form]:
            add(numbers[name])

    def state(self) -> list[Any]:
        """The numbers of the batches so far, of each form, as tensors."""
        return [{name: column.state() for name, column in columns.items()} for _, columns in self._kept]

    def restore(self, state: Sequence[Mapping[str, torch.Tensor]], device: torch.device) -> None:
        for (_, columns), numbers in zip(self._kept, state, strict=True):
            for name, column in columns.items():
                column.restore(numbers[name], device)

    def read(self) -> dict[str, float]:
        """The losses by name; NaN if any number of a batch was not finite."""
        return {name: loss for means, columns in self._kept for name, loss in read(means, columns).items()}


def read(means: Means, columns: Mapping[str, DeferredNumbers]) -> dict[str, float]:
    """The losses of a form from its outputs for each batch."""
    numbers = {name: column.read() for name, column in columns.items()}
    if not all(isfinite(number) for column in numbers.values() for number in column):
        return dict.fromkeys(means.figures, float("nan"))
    if means.moves:
        return {figure: mean_of(numbers[name], weights_of(means, numbers))
                for figure, name in means.figures.items()}  # fmt: skip
    pairs = zip(means.names, means.weights, strict=True)
    return means.read([mean_of(numbers[mean], numbers[weight]) for mean, weight in pairs])


def weights_of(means: Means, numbers: Mapping[str, list[float]]) -> list[float]:
    """The weights of the steps: those of the first mean, or 1 if the losses do not depend on the batch."""
    if not means.weights:
        return [1.0 for _ in next(iter(numbers.values()))]
    return numbers[means.weights[0]]


def mean_of(means: Sequence[float], weights: Sequence[float]) -> float:
    """The weighted mean of the means of all batches."""
    return sum(m * w for m, w in zip(means, weights, strict=True)) / max(sum(weights), LEAST)


class DeferredNumbers:
    """Numbers or scalar tensors, which are copied from the device all at once."""

    def __init__(self) -> None:
        self._packed: list[torch.Tensor] = []
        self._apart: list[Any] = []

    def add(self, number: Any) -> None:
        if not isinstance(number, torch.Tensor):
            self._apart.append(number)
            return
        if number.device.type == "cpu":  # kept tensors would scatter over the heap, and hold it in memory
            self._apart.append(number.item())
            return
        self._apart.append(number.detach())
        if len(self._apart) == PACK:
            self._pack()

    def read(self) -> list[float]:
        if not self._apart or isinstance(self._apart[0], torch.Tensor):
            self._pack()
            return torch.cat(self._packed).tolist() if self._packed else []
        return self._apart

    def state(self) -> torch.Tensor:
        """The numbers as a tensor."""
        return torch.tensor(self.read(), dtype=torch.float64)

    def restore(self, numbers: torch.Tensor, device: torch.device) -> None:
        """Take the numbers of a state, before any other."""
        if device.type == "cpu":
            self._apart = numbers.tolist()
        elif len(numbers):
            self._packed = [numbers.to(device, torch.float32)]

    def _pack(self) -> None:
        if self._apart:
            self._packed.append(torch.stack(self._apart))
        self._apart = []


def mean_of_sum(sum: Any, weight: Any) -> Any:
    """The mean: a sum divided by its weight, a number or a tensor."""
    return sum / (weight.clamp(min=LEAST) if isinstance(weight, torch.Tensor) else max(weight, LEAST))
