"""The means that losses are computed from, over one batch or over several."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from dlc.compiler.lower.torch import trace
from dlc.compiler.passes.graph_rewrite import prune
from dlc.compiler.passes.loss_means import cut_at_means

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dlc.compiler.ir.graph import Graph
    from dlc.runtime.training.execution import Batch, Execution

OBJECTIVE = "objective"  # the minimized value: the loss and the regularizers


class Means:
    """The means of the losses of a form. `figures` maps the names of reported losses to outputs.

    `names` and `weights` are additional outputs of the form: each mean, and its weight. `recorded` are all
    outputs that are needed to compute the losses of several batches. If a factor `moves` with the steps of
    training, these are the losses of each step, and the weight of their first mean.
    """

    def __init__(self, graph: Graph, figures: Mapping[str, str], execution: Execution,
                 fields: Sequence[str]) -> None:  # fmt: skip
        outputs = graph.outputs
        self.figures, self._execution, self._fields = figures, execution, fields
        self.cut = cut_at_means(graph, {*figures.values(), OBJECTIVE} & outputs.keys())
        means = {f"mean/{place}": value for place, value in enumerate(self.cut.means)}
        weights = {f"weight/{place}": value for place, value in enumerate(self.cut.weights)}
        self.names, self.weights = list(means), list(weights)
        apart = [name for name in figures.values() if outputs[name] not in means.values()]
        self.moves = any(node.operator.moves for node in self.cut.after.nodes)
        self.recorded = [*figures.values(), *self.weights[:1]] if self.moves else [*means, *weights, *apart]
        self.graph = replace(self.cut.batch, outputs={**outputs, **means, **weights})

    @cached_property
    def weights_are_enough(self) -> bool:
        """Whether the weights of all batches are enough to compute gradients, because no derivative depends
        on the values of the means. The graph of the weights must not draw random numbers or update running
        statistics, since it is computed separately."""
        needs_means = not self.cut.is_linear or self.cut.has_trainable_factors
        return not needs_means and not self._weights.changes_state()

    def sums(self, batch: Batch) -> list[Any]:
        """The sum of each mean over a batch, with gradients."""
        return self._sums(batch)

    def weigh(self, batch: Batch) -> list[Any]:
        """The weight of each mean over a batch. It depends only on the targets."""
        return self._weights(batch)

    def sums_of(self, made: Mapping[str, Any]) -> list[Any]:
        """The sums of the means, from the outputs of the form for a batch."""
        return [made[mean] * made[weight] for mean, weight in zip(self.names, self.weights, strict=True)]

    def made(self, means: Sequence[Any], weights: Sequence[Any]) -> dict[str, Any]:
        """The outputs of the form for several batches with these means: only losses, means and weights."""
        with torch.no_grad():
            losses = self.losses(means)
        return {**losses, **dict(zip(self.names, means, strict=True)),
                **dict(zip(self.weights, weights, strict=True))}  # fmt: skip

    def losses(self, means: Sequence[Any]) -> dict[str, Any]:
        """The losses from their means, with gradients."""
        module, weights = self._losses
        return module(*means, *weights)

    def read(self, means: Sequence[float]) -> dict[str, float]:
        """The losses by their reported names, computed from their means on the CPU in float64."""
        if not self.cut.after.nodes:  # each loss is a mean
            known = dict(zip(self.cut.means, means, strict=True))
            return {figure: known[self.cut.after.outputs[name]] for figure, name in self.figures.items()}
        module, weights = self._figures
        given = [torch.tensor(mean, dtype=torch.float64) for mean in means]
        with torch.no_grad():
            made = module(*given, *(weight.detach().cpu() for weight in weights))
            return {name: float(loss) for name, loss in made.items()}

    @cached_property
    def _sums(self) -> GraphPart:
        return GraphPart(self.cut.parts(self.cut.sums), self._execution, self._fields)

    @cached_property
    def _weights(self) -> GraphPart:
        return GraphPart(self.cut.parts(self.cut.weights), self._execution, self._fields)

    @cached_property
    def _losses(self) -> tuple[Any, list[torch.Tensor]]:
        return self._execution.module(self.cut.after), self._execution.weights(self.cut.after)

    @cached_property
    def _figures(self) -> tuple[Any, list[torch.Tensor]]:
        reported = {figure: self.cut.after.outputs[name] for figure, name in self.figures.items()}
        graph = replace(prune(self.cut.after, reported), inputs=self.cut.means)
        return trace(graph), self._execution.weights(graph)


class GraphPart:
    """A part of the graph of a form as a function of a batch of the fields. Its outputs are named by
    their indices."""

    def __init__(self, graph: Graph, execution: Execution, fields: Sequence[str]) -> None:
        self._graph, self._execution = graph, execution
        self._module, self._weights = execution.module(graph), execution.weights(graph)
        self._places = [fields.index(value.field) for value in graph.inputs]

    def __call__(self, batch: Batch) -> list[Any]:
        with self._execution.autocast():
            made = self._module(*(batch[place] for place in self._places), *self._weights)
        return [made[str(place)] for place in range(len(made))]

    def changes_state(self) -> bool:
        """Whether a call draws random numbers or updates running statistics, in the nodes that remain after
        dead code elimination."""
        left = {node.meta.get("name") for node in self._module.graph.nodes if node.op.startswith("call")}
        moved = {weight.value for weight in self._graph.weights if weight.role == "statistic"}
        return any(
            node.operator.random or not moved.isdisjoint(node.weights.values())
            for node in self._graph.nodes
            if node.name in left
        )
