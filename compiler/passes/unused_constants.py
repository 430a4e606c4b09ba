"""Removal of constants that nothing reads, because their readers take them converted to another element."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlc.compiler.ir.graph import Graph


def without_unused_constants(graph: Graph) -> Graph:
    """The graph without unused numbers and loaded tensors."""
    read = {v for node in graph.nodes for v in node.reads} | set(graph.outputs.values())
    nodes = tuple(n for n in graph.nodes if n.operator.constant() is None or n.results[0] in read)
    weights = tuple(w for w in graph.weights if w.role != "constant" or w.value in read)
    return replace(graph, nodes=nodes, weights=weights)
