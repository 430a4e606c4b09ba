"""What is computed within the loops of a graph."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from dlc.compiler.dims.dim import free
from dlc.compiler.ir.graph import Graph, Node, Value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dlc.compiler.operators.loop import Loop


def decoding_loop(value: Value | None, producers: Mapping[Value, Node]) -> tuple[Node, Node] | None:
    """The loop that makes an answer step by step, and the node in its body that chooses the symbols."""
    node = producers.get(value) if value else None
    while node is not None and not node.graphs and len(node.operands) == 1:
        node = producers.get(node.operands[0])
    body = node.graphs.get("body") if node else None
    choices = [inner for inner in body.nodes if inner.operator.chooses] if body else []
    return (node, choices[0]) if node and choices else None


def with_stacked(graph: Graph, node: Node, values: Sequence[Value]) -> tuple[Graph, list[Value]]:
    """The graph in which a loop stacks more values of its body, and the results that hold them."""
    body, operator = node.graphs["body"], cast("Loop", node.operator)
    taken = len(body.outputs)
    outputs = dict(body.outputs) | {f"stacked {taken + i}": value for i, value in enumerate(values)}
    steps = f"{node.name}_steps"
    types = [value.type.with_shape(free(steps), *value.type.shape) for value in values]
    longer = operator.with_settings(stacked=(*operator.stacked, *types)).bind(*operator.operands)
    made = [Value(f"{value.name}_steps", type, value.site) for value, type in zip(values, types, strict=True)]
    changed = replace(
        node, operator=longer, results=(*node.results, *made), graphs={"body": replace(body, outputs=outputs)}
    )
    return replace(graph, nodes=tuple(changed if n is node else n for n in graph.nodes)), made
