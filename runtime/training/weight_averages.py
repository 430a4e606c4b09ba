"""Exponential moving averages (EMA) of weights, and average nets."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from dlc.compiler.training.ramp import number_at
from dlc.runtime.training.snapshot import copy, fill

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.average_nets import Average


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

    def state(self) -> dict[str, Any]:
        return {"begun": self._begun, "tensors": self.tensors}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._begun = state["begun"]
        fill(state["tensors"], self.tensors)

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


class FollowingNet:
    """The weights of an average net. After a step that changes its net,
    `average = decay * average + (1 - decay) * weight`; running statistics are copied after every step, and
    fitted values do not change. Equal to `torch.optim.swa_utils.AveragedModel`."""

    def __init__(
        self, name: str, average: Average, program: CompiledProgram, held: Mapping[str, torch.Tensor]
    ) -> None:
        own = [w for w in program.graph.weights if w.net == name]
        averaged, copied = [w for w in own if not w.is_buffer], [w for w in own if w.role == "statistic"]
        self._decay, self._names = average.decay, {w.follows for w in averaged}
        self._averages, self._weights = [held[w.name] for w in averaged], [held[w.follows] for w in averaged]
        self._copies, self._buffers = [held[w.name] for w in copied], [held[w.follows] for w in copied]

    def follow(self, changed: Container[str], step: int) -> None:
        """Follow after a step, counted from 0, that changed the weights with these names."""
        if any(name in changed for name in self._names):
            share = 1 - number_at(self._decay, step)
            with torch.no_grad():
                torch._foreach_lerp_(self._averages, self._weights, share)  # pyright: ignore
        copy(self._buffers, self._copies)
