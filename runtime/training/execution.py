"""Execution of graphs in training: device, precision and shared weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from dlc.compiler.lower.precision import mixed, wide
from dlc.compiler.lower.torch import trace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from torch import fx

    from dlc.compiler.ir.graph import Graph

Batch = list[torch.Tensor]  # a tensor for each field that the training form reads

# Rewrites of a module for other precisions.
REWRITTEN = {"float64": wide, "bf16": mixed}


class Execution:
    """Compiles graphs to functions that share weights, on one device and in one precision."""

    def __init__(self, weights: Mapping[str, torch.Tensor], device: torch.device, precision: str) -> None:
        self.precision = precision
        self._weights, self._device = weights, device
        dtype = torch.float64 if precision == "float64" else torch.float32
        self._step = torch.tensor(torch.inf, dtype=dtype, device=device)

    def module(self, graph: Graph) -> fx.GraphModule:
        """A graph as a function of its inputs and weights."""
        module = REWRITTEN.get(self.precision, lambda module: module)(trace(graph)).to(self._device)
        if any(node.operator.moves for node in graph.nodes):
            module.step = self._step
        return module

    def at_step(self, step: int) -> None:
        """Set the step of training, counted from 0, of all modules."""
        self._step.fill_(step)

    def weights(self, graph: Graph) -> list[torch.Tensor]:
        """The weights that a graph reads."""
        return [self._weights[w.name] for w in graph.weights]

    def autocast(self) -> AbstractContextManager[Any]:
        """A context in which modules compute in the precision (autocast for bf16)."""
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self.precision == "bf16")
