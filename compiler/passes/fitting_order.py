"""The order in which operators are fitted to the training rows before training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.ir.graph import union

if TYPE_CHECKING:
    from dlc.compiler.ir.graph import Graph, Node, Value


def in_order(graph: Graph) -> tuple[list[list[Node]], list[Node]]:
    """The groups of nodes to fit in topological order, and the nodes that depend on their own fitted weights.
    Nodes that share fitted weights, such as the uses of a net, are one group; those of an average net follow
    the group of its net."""
    groups: dict[Value, list[Node]] = {}
    for node in graph.nodes:
        if node.operator.is_fitted():
            groups.setdefault(next(iter(node.weights.values())), []).append(node)
    marks = {weight: 1 << k for k, weight in enumerate(groups)}
    depends = graph.depends(marks)

    def needs(node: Node) -> int:
        return union(depends.get(v, 0) for v in node.operands)

    followed = {w.value: w.follows for w in graph.weights}
    by_name = {w.name: mark for w in graph.weights if (mark := marks.get(w.value))}
    needed = {
        weight: union(map(needs, nodes)) | by_name.get(followed[weight], 0)
        for weight, nodes in groups.items()
    }
    found: list[list[Node]] = []
    waiting, unfitted, before = list(groups), union(marks.values()), 0
    while unfitted != before:
        before = unfitted
        for weight in waiting:
            if not needed[weight] & unfitted:
                found.append(groups[weight])
                unfitted &= ~marks[weight]
        waiting = [weight for weight in waiting if marks[weight] & unfitted]
    return found, [node for weight in waiting for node in groups[weight] if needs(node) & unfitted]
