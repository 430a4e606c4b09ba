"""In which order operators learn from the training rows, before training."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlc.compiler.ir import Graph, Node, Value


def in_order(graph: Graph) -> tuple[list[list[Node]], list[Node]]:
    """The nodes that learn, those that share what they learn together, as the uses of a net do, each behind
    all that it depends on; and the nodes that would wait for themselves."""
    waiting: dict[Value, list[Node]] = {}
    for node in graph.nodes:
        if node.operator.learns():
            waiting.setdefault(next(iter(node.weights.values())), []).append(node)
    found: list[list[Node]] = []
    while ready := next((w for w in waiting if not depends(graph, waiting[w], waiting)), None):
        found.append(waiting.pop(ready))
    return found, [n for nodes in waiting.values() for n in nodes if depends(graph, [n], waiting)]


def depends(graph: Graph, nodes: list[Node], learnt: dict[Value, list[Node]]) -> bool:
    """Whether what flows into some of the nodes depends on what is learnt."""
    return not graph.needed_by(v for node in nodes for v in node.operands).isdisjoint(learnt)
