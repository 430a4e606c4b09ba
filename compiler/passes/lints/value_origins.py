"""Where numbers come from: back along a flow, through what hands them on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.dims.dim import product, same

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dlc.compiler.ir.graph import Graph, Node, Value


def back(value: Value, producers: Mapping[Value, Node],
         through: Callable[[Node], bool]) -> Iterator[Node]:  # fmt: skip
    """The nodes behind a value, the last one first, up to the first that it does not look through."""
    node = producers.get(value)
    while node is not None:
        yield node
        node = producers.get(fed(node)) if through(node) else None


def fed(node: Node) -> Value:
    """The first operand that flows, as 2 does not in `2 * x`."""
    return next((v for v in node.operands if v.type.batched), node.operands[0])


def makers(graph: Graph, through: Callable[[Node], bool]) -> dict[Value, Node]:
    """For each value the node that made its numbers, looking through those that hand them on. What is not
    there is an input's or a weight's."""
    found: dict[Value, Node] = {}
    for node in graph.nodes:
        maker = found.get(fed(node)) if through(node) else node
        if maker is not None:
            found.update(dict.fromkeys(node.results, maker))
    return found


def passes_on(node: Node) -> bool:
    """Whether it hands on the numbers of one value, bounded perhaps, at inference at least."""
    alone = sum(v.type.batched and v.type.is_float for v in node.operands) == 1
    return alone and "numbers" in node.operator.inference().keeps


def keeps_all(node: Node) -> bool:
    """Whether it hands on every number that it is given."""
    return passes_on(node) and same(*(product(v.type.shape) for v in (node.operands[0], node.results[0])))


def is_elementwise(node: Node) -> bool:
    """Whether each number that it makes follows from one of the value that flows in, in its own place or
    another."""
    alone = sum(v.type.batched for v in node.operands) == 1
    return passes_on(node) or (alone and "axes" in node.operator.keeps and not node.operator.normalizes)
