"""What training computes in float64 of the rows alone, taken out of its steps: it is the same in all of them,
and there are devices without float64."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.dims.dim import Dim
from dlc.compiler.ir.graph import Graph, GraphInput
from dlc.compiler.passes.graph_rewrite import prune, rewired

if TYPE_CHECKING:
    from collections.abc import Container

    from dlc.compiler.ir.graph import Node, Value

EARLY = "early/"  # before the name of what is handed over: no field of the data has such a name


def hoist(graph: Graph, drawn: Container[str] = ()) -> tuple[Graph, Graph]:
    """The graph of what depends on the rows alone up to its last float64 value; and the rest, which takes the
    outputs of that as inputs. `drawn` inputs are drawn anew in every step."""
    early = early_nodes(graph, drawn)
    if not early:
        return prune(graph, {}), graph
    later = replace(graph, nodes=tuple(node for node in graph.nodes if node not in early))
    taken = later.needed_by(graph.outputs.values())
    made = (value for node in graph.nodes if node in early for value in node.results)
    handed = {value: handed_over(value) for value in made if value in taken}
    inputs = (v for v in graph.inputs if v in taken or any(isinstance(size, Dim) for size in v.type.shape))
    weights = tuple(w for w in graph.weights if w.value in taken)
    nodes = tuple(rewired(node, handed) for node in later.nodes if not taken.isdisjoint(node.results))
    outputs = {name: handed.get(value, value) for name, value in graph.outputs.items()}
    rest = Graph((*inputs, *handed.values()), weights, nodes, outputs)
    return prune(graph, {given.name: value for value, given in handed.items()}), rest


def handed_over(value: Value) -> GraphInput:
    name = f"{EARLY}{value.name}"
    return GraphInput(name, value.type, value.site, "input", name)


def early_nodes(graph: Graph, drawn: Container[str]) -> set[Node]:
    """The nodes that compute in float64 of rows and of what was learnt from them, and those that make what
    they read. What is the same for every row stays with the rest as well."""
    fixed: set[Value] = {v for v in graph.inputs if v.field not in drawn}
    fixed.update(w.value for w in graph.weights if w.role == "learnt")
    able = []
    for node in graph.nodes:
        moves = node.operator.training_only or node.operator.inference() is not node.operator
        if not moves and fixed.issuperset(node.reads):
            fixed.update(node.results)
            able.append(node)
    early: set[Node] = set()
    wanted: set[Value] = set()
    for node in reversed(able):
        wide = any(v.type.element == "float64" for v in (*node.operands, *node.results))
        if wide or not wanted.isdisjoint(node.results):
            wanted.update(node.reads)
            if node.results[0].type.batched:
                early.add(node)
    return early
