"""Changing a graph: nodes put behind those of it, and what no output needs taken out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.ir.graph import Graph, Node, Value
from dlc.compiler.ir.names import UniqueNames

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dlc.compiler.diagnostics.source import Site
    from dlc.compiler.operators.base import Operator


class Extension:
    """Nodes put behind those of a graph."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.inputs = list(graph.inputs)
        self.nodes = list(graph.nodes)
        self.names = UniqueNames(x.name for x in (*graph.values(), *graph.nodes))

    def add(self, operator: Operator, operands: Iterable[Value], name: str, site: Site) -> Value:
        operands = tuple(operands)
        bound = operator.bind(*(v.type for v in operands))
        name = self.names.claim(name)
        result = Value(name, bound.results[0], site)
        self.nodes.append(Node(bound, operands, {}, (result,), name, site))
        return result

    def done(self, outputs: Mapping[str, Value]) -> Graph:
        nodes, inputs = tuple(self.nodes), tuple(self.inputs)
        return prune(
            without_identities(replace(self.graph, inputs=inputs, nodes=nodes, outputs=dict(outputs)))
        )


def without_identities(graph: Graph) -> Graph:
    """The graph with the readers of each `identity`, which is all that is left of dropout,
    reading what it reads."""
    same: dict[Value, Value] = {}
    nodes = []
    for node in graph.nodes:
        node = rewired(node, same)
        if node.operator.identity:
            same[node.results[0]] = node.operands[0]
        else:
            nodes.append(node)
    outputs = {name: same.get(value, value) for name, value in graph.outputs.items()}
    return replace(graph, nodes=tuple(nodes), outputs=outputs)


def prune(graph: Graph, outputs: Mapping[str, Value] | None = None) -> Graph:
    """What makes the outputs of a graph, or these in their place."""
    outputs = graph.outputs if outputs is None else outputs
    needed = graph.needed_by(outputs.values())
    return Graph(
        tuple(v for v in graph.inputs if v in needed),
        tuple(w for w in graph.weights if w.value in needed),
        tuple(n for n in graph.nodes if not needed.isdisjoint(n.results)),
        outputs,
    )


def rewired(node: Node, replaced: Mapping[Value, Value]) -> Node:
    """The node reading what stands in the place of what it reads."""
    if not any(v in replaced for v in node.reads):
        return node
    operands = tuple(replaced.get(v, v) for v in node.operands)
    weights = {leaf: replaced.get(v, v) for leaf, v in node.weights.items()}
    return replace(node, operands=operands, weights=weights)


def in_order(graph: Graph) -> Graph:
    """The graph with each node behind those that make what it reads, and else where it was."""
    known = {*graph.inputs, *(w.value for w in graph.weights)}
    nodes: list[Node] = []
    waiting: list[Node] = []
    for node in graph.nodes:
        waiting.append(node)
        while ready := next((n for n in waiting if known.issuperset(n.reads)), None):
            waiting.remove(ready)
            nodes.append(ready)
            known.update(ready.results)
    return replace(graph, nodes=tuple(nodes))
