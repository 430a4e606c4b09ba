"""The nodes of an ONNX graph within a node that a loop need not compute again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx_ir as ir

if TYPE_CHECKING:
    from collections.abc import Iterable


def take_fixed(nodes: list[ir.Node], inputs: Iterable[ir.Value]) -> list[ir.Node]:
    """Remove the nodes that read none of the inputs of the graph, directly or not, and return them: they can
    stand in front of the node with the graph. No ONNX form draws random numbers."""
    changing, fixed, kept = {*inputs}, [], []
    for node in nodes:
        if changing.isdisjoint(node.inputs) and not has_graphs(node):
            fixed.append(node)
        else:
            kept.append(node)
            changing.update(node.outputs)
    nodes[:] = kept
    return fixed


def has_graphs(node: ir.Node) -> bool:
    return any(attribute.type == ir.AttributeType.GRAPH for attribute in node.attributes.values())
