"""The state of an optimizer of PyTorch, in a form that a file can hold."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING, Any

import torch

from dlc.runtime.training.snapshot import copy

if TYPE_CHECKING:
    from collections.abc import Sequence


def weights_of(optimizer: Any) -> list[torch.Tensor]:
    """The weights that an optimizer changes, in its order."""
    return [weight for group in optimizer.param_groups for weight in group["params"]]


def optimizer_state(optimizer: Any) -> list[Any]:
    """The state of each weight of an optimizer, none for those that it has not changed yet. The tensors are
    those of the optimizer. (`Optimizer.state_dict` has the learning rates too, which the schedule gives.)"""
    return [dict(optimizer.state[w]) if w in optimizer.state else None for w in weights_of(optimizer)]


def restore_optimizer(optimizer: Any, states: Sequence[Any]) -> None:
    """Give an optimizer the states that `optimizer_state` took."""
    for weight, state in zip(weights_of(optimizer), states, strict=True):
        if state is not None:
            optimizer.state[weight] = {name: placed(value, weight, name) for name, value in state.items()}


def placed(value: Any, weight: torch.Tensor, name: str) -> Any:
    """A value of a state on the device of its weight, in its memory format; counts of steps stay where
    PyTorch keeps them, on the CPU."""
    if isinstance(value, list):
        return [placed(item, weight, name) for item in value]
    if not isinstance(value, torch.Tensor):
        return value
    if value.shape != weight.shape or name == "step":
        return value.clone() if name == "step" else value.to(weight.device, copy=True)
    made = torch.empty_like(weight, dtype=value.dtype, requires_grad=False)
    copy([value], [made])
    return made


def gradient_norm(weights: Sequence[torch.Tensor]) -> float:
    """The norm of the gradients that weights have; NaN if none has one."""
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    if not gradients:
        return nan
    return float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients))))  # pyright: ignore
