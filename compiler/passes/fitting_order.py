"""In which order operators learn from the training rows, before training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.ir.graph import union

if TYPE_CHECKING:
    from dlc.compiler.ir.graph import Graph, Node, Value


def in_order(graph: Graph) -> tuple[list[list[Node]], list[Node]]:
    """The nodes that learn, those that share what they learn together, as the uses of a net do, each behind
    all that it depends on; and the nodes that would wait for themselves."""
    together: dict[Value, list[Node]] = {}
    for node in graph.nodes:
        if node.operator.learns():
            together.setdefault(next(iter(node.weights.values())), []).append(node)
    marks = {weight: 1 << place for place, weight in enumerate(together)}
    depends = graph.depends(marks)

    def needs(node: Node) -> int:
        return union(depends.get(v, 0) for v in node.operands)

    first = {weight: union(map(needs, nodes)) for weight, nodes in together.items()}
    found: list[list[Node]] = []
    waiting, left, before = list(together), union(marks.values()), 0
    while left != before:
        before = left
        for weight in waiting:
            if not first[weight] & left:
                found.append(together[weight])
                left &= ~marks[weight]
        waiting = [weight for weight in waiting if marks[weight] & left]
    return found, [node for weight in waiting for node in together[weight] if needs(node) & left]
