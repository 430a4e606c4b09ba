"""Losses over several batches: the means over the batch in a loss, and the computation after them.

The mean over several batches is the sum of all sums divided by the sum of all weights, not the mean of means.
The graph of a loss is therefore cut at its means. Before the cut each batch gives a sum and a weight for each
mean; after the cut the loss is computed once. A number of a whole batch, such as `dice`, counts as a mean
over rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.ir.graph import Graph, Node, Value
from dlc.compiler.passes.graph_rewrite import prune
from dlc.compiler.record import record
from dlc.compiler.training.objective import SumAndWeight

if TYPE_CHECKING:
    from collections.abc import Iterable


@record(eq=False)
class Cut:
    """Some scalars of a graph, cut at their means.

    `after` computes the scalars from the means, which are its inputs in order. `sums` and `weights` are the
    two parts of each mean, in the same order; `batch` computes them in addition to the values of the graph.
    `is_linear`: the scalars are sums of means times factors. `has_trainable_factors`: a factor depends on
    trainable weights. `of_rows`: the weight of each mean is a number per row.
    """

    batch: Graph
    sums: tuple[Value, ...]
    weights: tuple[Value, ...]
    after: Graph
    is_linear: bool
    has_trainable_factors: bool
    of_rows: bool

    @property
    def means(self) -> tuple[Value, ...]:
        return self.after.inputs

    def parts(self, values: Iterable[Value]) -> Graph:
        """The graph that computes these values of a batch; its outputs are named by their indices."""
        return prune(self.batch, {str(k): value for k, value in enumerate(values)})


def cut_at_means(graph: Graph, names: Iterable[str]) -> Cut:
    """The outputs of these names, which have no batch axis, cut at their means."""
    outputs = {name: graph.outputs[name] for name in names}
    of_batch = batch_dependent(graph)
    late = nodes_after_means(graph, of_batch)
    after = [node for node in graph.nodes if node in late or of_batch.isdisjoint(node.results)]
    rest = replace(graph, inputs=(), nodes=tuple(after), outputs=outputs)
    live = rest.needed_by(outputs.values())
    late_values = {result for node in late for result in node.results}
    means = tuple(v for v in graph.values() if v in live and v in of_batch and v not in late_values)
    producers = graph.producers()
    parts = [parts_of(mean, producers.get(mean)) for mean in means]
    batch = replace(graph, nodes=(*graph.nodes, *parts))
    used = [node for node in late if not live.isdisjoint(node.results)]
    linear, factors = all(late[node] for node in used), has_trainable_factor(graph, used, of_batch)
    of_rows = all(node.operator.weighs_rows for node in parts)
    return Cut(batch, *zip_parts(parts), prune(replace(rest, inputs=means)), linear, factors, of_rows)


def has_trainable_factor(graph: Graph, late: Iterable[Node], of_batch: set[Value]) -> bool:
    """Whether values after the means are multiplied or divided by values that depend on trainable weights."""
    trainable = graph.depends({w.value: 1 for w in graph.weights if w.trainable})
    scaling = (node for node in late if (*range(len(node.operands)),) not in node.operator.linear_in)
    return any(v in trainable and v not in of_batch for node in scaling for v in node.operands)


def zip_parts(parts: Iterable[Node]) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
    results = [node.results for node in parts]
    return tuple(sum for sum, _ in results), tuple(weight for _, weight in results)


def parts_of(mean: Value, producer: Node | None) -> Node:
    """The node that computes the sum and the weight of a mean, given the node that computes the mean."""
    if producer is not None and producer.operator.averages:
        operator = SumAndWeight(of=producer.operator).bind(*(v.type for v in producer.operands))
        operands = producer.operands
    else:
        operator, operands = SumAndWeight().bind(mean.type), (mean,)
    results = tuple(
        Value(f"{mean.name}/{part}", type, mean.site)
        for part, type in zip(("sum", "weight"), operator.results, strict=True)
    )
    return Node(operator, operands, {}, results, f"{mean.name}/parts", mean.site)


def batch_dependent(graph: Graph) -> set[Value]:
    """The values that depend on the batch, or on its size."""
    varying = (node for node in graph.nodes if node.operator.random or node.operator.reads_batch_size)
    own = (value for node in varying for value in node.results)
    return set(graph.depends(dict.fromkeys((*graph.inputs, *own), 1)))


def nodes_after_means(graph: Graph, of_batch: set[Value]) -> dict[Node, bool]:
    """The nodes that can be computed after the cut, and whether each is linear in its batch-dependent
    operands. They compute a scalar from means only, or are linear in any scalars."""
    late: dict[Node, bool] = {}
    exact: set[Value] = set()  # means, and values that depend on the batch only through means
    for node in graph.nodes:
        operands = [v for v in node.reads if v in of_batch]
        results = of_batch.intersection(node.results)
        if not results:
            continue
        if node.operator.averages:
            exact.update(results)
            continue
        scalars = not any(v.type.batched or v.type.rank for v in (*operands, *results))
        if not operands or not scalars or node.operator.random or node.operator.wrt is not None:
            continue
        linear, of_means = is_linear(node, of_batch), exact.issuperset(operands)
        if linear or of_means:
            late[node] = linear
        if of_means:
            exact.update(results)
    return late


def is_linear(node: Node, of_batch: set[Value]) -> bool:
    """Whether it is linear in its batch-dependent operands jointly."""
    dependent = {k for k, value in enumerate(node.operands) if value in of_batch}
    return any(dependent.issubset(operands) for operands in node.operator.linear_in)
