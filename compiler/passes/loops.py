"""What is computed within the loops of a graph."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.ir.graph import Node, Value

if TYPE_CHECKING:
    from collections.abc import Sequence


def stacked_node(node: Node, result: Value) -> Node | None:
    """The node in the body of a loop that computes the entries of a stacked result."""
    if "body" not in node.graphs:
        return None
    body = node.graphs["body"]
    value = [*body.outputs.values()][1 + [*node.results].index(result)]
    return body.producers().get(value)


def stacking(node: Node, values: Sequence[Value]) -> tuple[Node, list[Value]]:
    """The loop with more values of its body stacked, and the results that hold them."""
    body, operator = node.graphs["body"], node.operator
    taken = len(body.outputs)
    outputs = dict(body.outputs) | {f"stacked {taken + i}": value for i, value in enumerate(values)}
    steps = operator.stacked[0].shape[0]
    types = [value.type.with_shape(steps, *value.type.shape) for value in values]
    longer = operator.with_settings(stacked=(*operator.stacked, *types)).bind(*operator.operands)
    made = [Value(f"{value.name}_steps", type, value.site) for value, type in zip(values, types, strict=True)]
    changed = replace(
        node, operator=longer, results=(*node.results, *made), graphs={"body": replace(body, outputs=outputs)}
    )
    return changed, made
