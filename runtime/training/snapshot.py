"""Snapshots of the state of a training, to restore it."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Snapshot:
    """Copies of weights, optimizer states and random generator states. Taking it again reuses its memory."""

    def __init__(self, weights: list[torch.Tensor], optimizers: Sequence[Any], device: torch.device) -> None:
        self._weights, self._optimizers, self._device = weights, optimizers, device
        self._kept: list[torch.Tensor] = []
        self._known: set[tuple[int, int]] = set()  # the optimizers and weights that have a state
        self._nested: list[tuple[Any, torch.Tensor, Any]] = []
        self._random: list[torch.Tensor] = []

    def take(self) -> None:
        live = self._live()
        if len(live) != len(self._kept):
            self._kept = [t.detach().clone() for t in live]
        else:
            copy(live, self._kept)
        self._known = {(id(o), id(w)) for o, w, _ in self._states()}
        self._nested = [(o, w, deepcopy(s)) for o, w, s in self._states() if is_nested(s)]
        self._random = random_states(self._device)

    @property
    def weights(self) -> list[torch.Tensor]:
        """The weights as they were taken."""
        return self._kept[: len(self._weights)]

    def restore(self) -> None:
        for optimizer, weight, _ in [*self._states()]:
            if (id(optimizer), id(weight)) not in self._known:  # taken before its first step
                del optimizer.state[weight]
        copy(self._kept, self._live())
        for optimizer, weight in [(o, w) for o, w, s in self._states() if is_nested(s)]:
            del optimizer.state[weight]
        for optimizer, weight, state in self._nested:
            optimizer.state[weight] = deepcopy(state)
        set_random_states(self._device, self._random)

    def _live(self) -> list[torch.Tensor]:
        flat = (s for _, _, s in self._states() if not is_nested(s))
        return [*self._weights, *(t for s in flat for t in s.values() if isinstance(t, torch.Tensor))]

    def _states(self) -> Iterator[tuple[Any, torch.Tensor, dict[str, Any]]]:
        return ((o, weight, state) for o in self._optimizers for weight, state in o.state.items())


def is_nested(state: dict[str, Any]) -> bool:
    """Whether the state of an optimizer has lists that grow, such as a history of gradients (LBFGS)."""
    return any(isinstance(value, list) for value in state.values())


def copy(source: list[torch.Tensor], target: list[torch.Tensor]) -> None:
    with torch.no_grad():
        for a, b in zip(source, target, strict=True):
            b.copy_(a)


def fill(source: list[torch.Tensor], target: list[torch.Tensor]) -> None:
    """Copy tensors of the same shapes. ValueError if a shape differs."""
    for a, b in zip(source, target, strict=True):
        if a.shape != b.shape:
            raise ValueError(f"a tensor has the shape {[*a.shape]} in place of {[*b.shape]}")
    copy(source, target)


def random_states(device: torch.device) -> list[torch.Tensor]:
    """The states of the random generators that a step may use."""
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    elif device.type == "mps":
        states.append(torch.mps.get_rng_state())
    return states


def set_random_states(device: torch.device, states: list[torch.Tensor]) -> None:
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)
    elif device.type == "mps":
        torch.mps.set_rng_state(states[1])
