"""Rewriting of graphs: adding nodes, replacing values, removing identities and dead nodes, sorting."""

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
    """A copy of a graph to which nodes are appended."""

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
    """The graph without `identity` nodes, for example of dropout at inference."""
    replaced: dict[Value, Value] = {}
    nodes = []
    for node in graph.nodes:
        node = rewired(node, replaced)
        if node.operator.identity:
            replaced[node.results[0]] = node.operands[0]
        else:
            nodes.append(node)
    outputs = {name: replaced.get(value, value) for name, value in graph.outputs.items()}
    return replace(graph, nodes=tuple(nodes), outputs=outputs)


def prune(graph: Graph, outputs: Mapping[str, Value] | None = None) -> Graph:
    """The graph without dead inputs, weights and nodes. `outputs` replaces the outputs of the graph."""
    outputs = graph.outputs if outputs is None else outputs
    live = graph.needed_by(outputs.values())
    return Graph(
        tuple(v for v in graph.inputs if v in live),
        tuple(w for w in graph.weights if w.value in live),
        tuple(n for n in graph.nodes if not live.isdisjoint(n.results)),
        outputs,
    )


def rewired(node: Node, replaced: Mapping[Value, Value]) -> Node:
    """The node with replaced operands and weights."""
    if not any(v in replaced for v in node.reads):
        return node
    operands = tuple(replaced.get(v, v) for v in node.operands)
    weights = {leaf: replaced.get(v, v) for leaf, v in node.weights.items()}
    graphs = {role: rewired_inside(graph, replaced) for role, graph in node.graphs.items()}
    return replace(node, operands=operands, weights=weights, graphs=graphs)


def rewired_inside(graph: Graph, replaced: Mapping[Value, Value]) -> Graph:
    """A graph within a node that reads replaced values of the graph around it."""
    nodes = tuple(rewired(node, replaced) for node in graph.nodes)
    outputs = {name: replaced.get(value, value) for name, value in graph.outputs.items()}
    return replace(graph, nodes=nodes, outputs=outputs)


def in_order(graph: Graph) -> Graph:
    """The graph in topological order; the order is otherwise unchanged."""
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


def at_inference(graph: Graph) -> Graph:
    return replace(graph, nodes=tuple(node_at_inference(node) for node in graph.nodes))


def node_at_inference(node: Node) -> Node:
    """The node with its inference operator."""
    return with_operator(node, node.operator.inference())


def node_without_updates(node: Node) -> Node:
    """The node with the operator that leaves its running statistics as they are."""
    return with_operator(node, node.operator.without_updates())


def with_operator(node: Node, operator: Operator) -> Node:
    """The node with another form of its operator."""
    if operator is node.operator:
        return node
    operands = node.operator.operands_for(operator, node.operands)
    return replace(node, operator=operator.bind(*(v.type for v in operands)), operands=operands)
