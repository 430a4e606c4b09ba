"""Origins of values: the nodes that compute their numbers, looking through nodes that only pass them on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.dims.dim import product, same

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping

    from dlc.compiler.ir.graph import Graph, Node, Value


def back(value: Value, producers: Mapping[Value, Node],
         through: Callable[[Node], bool]) -> Iterator[Node]:  # fmt: skip
    """The nodes that a value is computed by, the last one first, up to the first that is not `through`."""
    node = producers.get(value)
    while node is not None:
        yield node
        node = producers.get(batched_operand(node)) if through(node) else None


def batched_operand(node: Node) -> Value:
    """The first batched operand, such as `x` of `2 * x`."""
    return next((v for v in node.operands if v.type.batched), node.operands[0])


def source_nodes(graph: Graph, through: Callable[[Node], bool]) -> dict[Value, Node]:
    """For each value the node that computes its numbers, looking through nodes that pass them on. Numbers of
    inputs and weights have no such node."""
    found: dict[Value, Node] = {}
    for node in graph.nodes:
        source = found.get(batched_operand(node)) if through(node) else node
        if source is not None:
            found.update(dict.fromkeys(node.results, source))
    return found


def keeps_numbers(node: Node) -> bool:
    """Whether at inference its result has the numbers of one operand, possibly clipped."""
    single = sum(v.type.batched and v.type.is_float for v in node.operands) == 1
    return single and "numbers" in node.operator.inference().keeps


def keeps_range(node: Node, shifts: Container[Value] = ()) -> bool:
    """Whether its result has the numbers of one operand, or numbers between them, or all of them shifted by
    one of the values `shifts`."""
    batched = [v for v in node.operands if v.type.batched]
    shifted = node.operator.linear_in == ((0, 1),) and all(v in shifts or v in batched for v in node.operands)
    return keeps_numbers(node) or (len(batched) == 1 and (shifted or "range" in node.operator.keeps))


def keeps_all(node: Node) -> bool:
    """Whether its result has all numbers of its operand."""
    return keeps_numbers(node) and same(*(product(v.type.shape) for v in (node.operands[0], node.results[0])))


def is_elementwise(node: Node) -> bool:
    """Whether each number of its result depends on one number of its operand, at any position."""
    single = sum(v.type.batched for v in node.operands) == 1
    return keeps_numbers(node) or (single and "axes" in node.operator.keeps and not node.operator.normalizes)
