"""Gradient clipping."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from dlc.compiler.definitions.definition import Definition, setting
from dlc.compiler.definitions.parameter_types import Number


class GradientClip(Definition, family="clip", what="a bound on gradients"):
    @abstractmethod
    def torch(self, utils: Any, weights: list[Any]) -> None:
        """Clip the gradients of the weights in place; `utils` is `torch.nn.utils`."""
        raise NotImplementedError


class NormClip(GradientClip):
    """Scales all gradients together so that their norm is at most `limit` (torch `clip_grad_norm_`)."""

    usage = "norm(1)"

    limit: float = setting("maximum norm", Number(above=0))

    def torch(self, utils, weights):
        utils.clip_grad_norm_(weights, self.limit)


class ValueClip(GradientClip):
    """Clips each entry of the gradients to -limit..limit (torch `clip_grad_value_`)."""

    usage = "value(0.5)"

    limit: float = setting("maximum absolute value", Number(above=0))

    def torch(self, utils, weights):
        utils.clip_grad_value_(weights, self.limit)
