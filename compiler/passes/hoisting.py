"""Hoisting of float64 computations out of the training steps. Where they depend only on the rows, they are
the same in all steps, and some devices have no float64."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.dims.dim import Dim
from dlc.compiler.ir.graph import Graph, GraphInput
from dlc.compiler.passes.graph_rewrite import prune, rewired

if TYPE_CHECKING:
    from collections.abc import Container

    from dlc.compiler.ir.graph import Node, Value

EARLY = "early/"  # prefix of the names of hoisted values; no field of the data has such a name


def hoist(graph: Graph, drawn: Container[str] = ()) -> tuple[Graph, Graph]:
    """The hoisted graph, which computes from the rows up to the last float64 values; and the remaining graph,
    which takes the outputs of the hoisted one as inputs. `drawn` are inputs that are drawn in each step."""
    early = early_nodes(graph, drawn)
    if not early:
        return prune(graph, {}), graph
    later = replace(graph, nodes=tuple(node for node in graph.nodes if node not in early))
    live = later.needed_by(graph.outputs.values())
    results = (value for node in graph.nodes if node in early for value in node.results)
    hoisted = {value: as_input(value) for value in results if value in live}
    inputs = (v for v in graph.inputs if v in live or any(isinstance(size, Dim) for size in v.type.shape))
    weights = tuple(w for w in graph.weights if w.value in live)
    nodes = tuple(rewired(node, hoisted) for node in later.nodes if not live.isdisjoint(node.results))
    outputs = {name: hoisted.get(value, value) for name, value in graph.outputs.items()}
    rest = Graph((*inputs, *hoisted.values()), weights, nodes, outputs)
    return prune(graph, {input.name: value for value, input in hoisted.items()}), rest


def as_input(value: Value) -> GraphInput:
    name = f"{EARLY}{value.name}"
    return GraphInput(name, value.type, value.site, "input", name)


def early_nodes(graph: Graph, drawn: Container[str]) -> set[Node]:
    """The nodes that compute in float64 from rows and fitted weights, and the nodes that they depend on.
    Nodes without a batch axis also stay in the remaining graph."""
    fixed: set[Value] = {v for v in graph.inputs if v.field not in drawn}
    fixed.update(w.value for w in graph.weights if w.is_fixed)
    candidates = []
    for node in graph.nodes:
        varies = node.operator.training_only or node.operator.inference() is not node.operator
        if not varies and fixed.issuperset(node.reads):
            fixed.update(node.results)
            candidates.append(node)
    early: set[Node] = set()
    needed: set[Value] = set()
    for node in reversed(candidates):
        wide = any(v.type.element == "float64" for v in (*node.operands, *node.results))
        if wide or not needed.isdisjoint(node.results):
            needed.update(node.reads)
            if node.results[0].type.batched:
                early.add(node)
    return early
