"""What a loss makes of several batches: the means that it is made of, and what it makes of them.

The mean of several batches is the sum of all over the weight of all, and not the mean of their means. So the
graph of a loss is cut behind its means: before the cut, each batch gives a sum and a weight for every mean;
behind it, the loss is computed once. A number of each batch as a whole, as `dice` makes it, counts as a mean
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
    """Some numbers of a graph, cut behind their means.

    `behind` makes the numbers of the means, its inputs in order; `sums` and `weights` are the two parts of
    each mean, in the same order, which `batch` makes beside all that the graph has made. `is_linear` says
    that the numbers are sums of means, each times a factor, `learns_factors` that a factor is of weights that
    are learnt, and `of_rows` that every weight of a mean is a number for each row.
    """

    batch: Graph
    sums: tuple[Value, ...]
    weights: tuple[Value, ...]
    behind: Graph
    is_linear: bool
    learns_factors: bool
    of_rows: bool

    @property
    def means(self) -> tuple[Value, ...]:
        return self.behind.inputs

    def parts(self, values: Iterable[Value]) -> Graph:
        """What makes these values of a batch, named by their place."""
        return prune(self.batch, {str(place): value for place, value in enumerate(values)})


def cut_at_means(graph: Graph, numbers: Iterable[str]) -> Cut:
    """The outputs of these names, none of which has a batch, cut behind their means."""
    wanted = {name: graph.outputs[name] for name in numbers}
    of_batch = depending(graph)
    late = behind_means(graph, of_batch)
    behind = [node for node in graph.nodes if node in late or of_batch.isdisjoint(node.results)]
    rest = replace(graph, inputs=(), nodes=tuple(behind), outputs=wanted)
    needed = rest.needed_by(wanted.values())
    made = {result for node in late for result in node.results}
    means = tuple(v for v in graph.values() if v in needed and v in of_batch and v not in made)
    producers = graph.producers()
    parts = [parts_of(mean, producers.get(mean)) for mean in means]
    batch = replace(graph, nodes=(*graph.nodes, *parts))
    used = [node for node in late if not needed.isdisjoint(node.results)]
    linear, factors = all(late[node] for node in used), has_learnt_factor(graph, used, of_batch)
    of_rows = all(node.operator.weighs_rows for node in parts)
    return Cut(batch, *zip_parts(parts), prune(replace(rest, inputs=means)), linear, factors, of_rows)


def has_learnt_factor(graph: Graph, late: Iterable[Node], of_batch: set[Value]) -> bool:
    """Whether what is made of means is multiplied or divided by what weights have a part in."""
    learnt = graph.depends({w.value: 1 for w in graph.weights if w.trainable})
    scaling = (node for node in late if (*range(len(node.operands)),) not in node.operator.linear_in)
    return any(v in learnt and v not in of_batch for node in scaling for v in node.operands)


def zip_parts(parts: Iterable[Node]) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
    results = [node.results for node in parts]
    return tuple(sum for sum, _ in results), tuple(weight for _, weight in results)


def parts_of(mean: Value, maker: Node | None) -> Node:
    """The node that makes the sum and the weight of a mean, which this node makes."""
    if maker is not None and maker.operator.averages:
        operator = SumAndWeight(of=maker.operator).bind(*(v.type for v in maker.operands))
        operands = maker.operands
    else:
        operator, operands = SumAndWeight().bind(mean.type), (mean,)
    results = tuple(
        Value(f"{mean.name}/{part}", type, mean.site)
        for part, type in zip(("sum", "weight"), operator.results, strict=True)
    )
    return Node(operator, operands, {}, results, f"{mean.name}/parts", mean.site)


def depending(graph: Graph) -> set[Value]:
    """The values that differ from batch to batch."""
    drawn = (v for node in graph.nodes if node.operator.random for v in node.results)
    return set(graph.depends(dict.fromkeys((*graph.inputs, *drawn), 1)))


def behind_means(graph: Graph, of_batch: set[Value]) -> dict[Node, bool]:
    """The nodes that may stand behind the cut, and whether each is linear in what it takes of batches: those
    that make one number of means alone, and those that are linear in numbers of any kind."""
    late: dict[Node, bool] = {}
    exact: set[Value] = set()  # means, and what is made of them alone
    for node in graph.nodes:
        taken = [v for v in node.reads if v in of_batch]
        results = of_batch.intersection(node.results)
        if not results:
            continue
        if node.operator.averages:
            exact.update(results)
            continue
        fits = not any(v.type.batched or v.type.rank for v in (*taken, *results))
        if not taken or not fits or node.operator.random or node.operator.wrt is not None:
            continue
        linear, of_means = is_linear(node, of_batch), exact.issuperset(taken)
        if linear or of_means:
            late[node] = linear
        if of_means:
            exact.update(results)
    return late


def is_linear(node: Node, of_batch: set[Value]) -> bool:
    """Whether it makes a sum of what it takes of batches, each times a factor that is the same for all."""
    taken = {place for place, value in enumerate(node.operands) if value in of_batch}
    return any(taken.issubset(places) for places in node.operator.linear_in)
