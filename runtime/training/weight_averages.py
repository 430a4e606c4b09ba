"""Exponential moving averages (EMA) of weights."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from dlc.runtime.training.snapshot import copy

if TYPE_CHECKING:
    from collections.abc import Iterator


class Averages:
    """The exponential moving average of weights, `average = decay * average + (1 - decay) * weight`, from the
    first step on. Equal to `torch.optim.swa_utils.AveragedModel`; running statistics are not averaged."""

    def __init__(self, weights: list[torch.Tensor], decay: float) -> None:
        self._weights, self._share, self._begun = weights, 1 - decay, False
        self.tensors = [w.detach().clone() for w in weights]

    def add(self) -> None:
        """Update the averages with the weights after a step."""
        if not self._begun:
            copy(self._weights, self.tensors)
            self._begun = True
            return
        with torch.no_grad():
            torch._foreach_lerp_(self.tensors, self._weights, self._share)  # pyright: ignore

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """In its context the weights have the values of the averages."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for weight, average in zip(self._weights, self.tensors, strict=True):
            weight.data, average.data = average.data, weight.data
