"""The means that losses are computed of, which several batches have in common."""

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

OBJECTIVE = "objective"  # what training makes small: the loss, and what regularizers add


class Means:
    """The means of the losses of a form. `figures` names its losses as people are told them.

    `names` and `weights` are what it makes of a batch beside its outputs: each mean, and the weight that it
    is over. `recorded` is all that the losses of several batches are computed of.
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
        self.recorded = [*means, *weights, *apart]
        self.graph = replace(self.cut.batch, outputs={**outputs, **means, **weights})

    @cached_property
    def weights_are_enough(self) -> bool:
        """Whether no more than the weights has to be known of all batches before the first gradient: no
        derivative depends on what the means are. They are computed by themselves where nothing is drawn for
        them, and no statistic moves."""
        needs_means = not self.cut.is_linear or self.cut.has_trainable_factors
        return not needs_means and not self._weights.changes_state()

    def sums(self, batch: Batch) -> list[Any]:
        """The sum of each mean over a batch, with gradients."""
        return self._sums(batch)

    def weigh(self, batch: Batch) -> list[Any]:
        """The weight of each mean over a batch, which needs no more than the targets."""
        return self._weights(batch)

    def sums_of(self, made: Mapping[str, Any]) -> list[Any]:
        """The sums, of what the form made of a batch."""
        return [made[mean] * made[weight] for mean, weight in zip(self.names, self.weights, strict=True)]

    def made(self, means: Sequence[Any], weights: Sequence[Any]) -> dict[str, Any]:
        """What the form makes of a batch, of several that have these means; but for what is no loss."""
        with torch.no_grad():
            losses = self.losses(means)
        return {**losses, **dict(zip(self.names, means, strict=True)),
                **dict(zip(self.weights, weights, strict=True))}  # fmt: skip

    def losses(self, means: Sequence[Any]) -> dict[str, Any]:
        """The losses, of their means, with gradients."""
        module, weights = self._losses
        return module(*means, *weights)

    def read(self, means: Sequence[float]) -> dict[str, float]:
        """The losses by the names of their figures, of their means, on the CPU in float64."""
        if not self.cut.after.nodes:  # each is a mean itself
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
        told = {figure: self.cut.after.outputs[name] for figure, name in self.figures.items()}
        graph = replace(prune(self.cut.after, told), inputs=self.cut.means)
        return trace(graph), self._execution.weights(graph)


class GraphPart:
    """A part of the graph of a form, whose outputs are named by their places, as a function of a batch of
    the fields."""

    def __init__(self, graph: Graph, execution: Execution, fields: Sequence[str]) -> None:
        self._graph, self._execution = graph, execution
        self._module, self._weights = execution.module(graph), execution.weights(graph)
        self._places = [fields.index(value.field) for value in graph.inputs]

    def __call__(self, batch: Batch) -> list[Any]:
        with self._execution.autocast():
            made = self._module(*(batch[place] for place in self._places), *self._weights)
        return [made[str(place)] for place in range(len(made))]

    def changes_state(self) -> bool:
        """Whether a call draws random numbers or moves statistics, in what is left of the graph where nothing
        reads the rest of what its nodes make."""
        left = {node.meta.get("name") for node in self._module.graph.nodes if node.op.startswith("call")}
        moved = {weight.value for weight in self._graph.weights if weight.role == "statistic"}
        return any(
            node.operator.random or not moved.isdisjoint(node.weights.values())
            for node in self._graph.nodes
            if node.name in left
        )
