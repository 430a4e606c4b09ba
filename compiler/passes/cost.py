"""Cost of a graph: trainable parameters, and multiply-adds per sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.dims.dim import DimError, free, names, product, substitute, total

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.compiler.dims.dim import Size
    from dlc.compiler.ir.graph import Graph, Node, Weight
    from dlc.compiler.program import CompiledProgram


# Stands for sizes that are known once the data is read, where there are too many of them for one expression.
REST = free("(more, known with the data)")


def summed(sizes: Iterable[Size]) -> Size:
    """The sum of the sizes. If it depends on too many class counts, it is the sum of the known ones, and
    `REST`."""
    given = list(sizes)
    try:
        return total(given)
    except DimError:
        known = total(size for size in given if isinstance(size, int))
        return REST + known


def parameters(graph: Graph) -> Size:
    """The number of trainable parameters."""
    return summed(weight_size(w) for w in graph.weights if w.trainable)


def weight_size(weight: Weight) -> Size:
    return product(weight.value.type.shape)


def multiply_adds(nodes: Iterable[Node]) -> Size:
    """Multiply-adds per sample, of all steps of loops."""
    nodes = [*nodes]
    loops = (of_steps(node, body) for node in nodes for body in node.graphs.values())
    return summed([*(node.operator.multiply_adds() for node in nodes), *loops])


def of_steps(node: Node, body: Graph) -> Size:
    """The multiply-adds of all steps of a loop. A step adds one entry to each state that grows."""
    operator: Any = node.operator
    step = multiply_adds(body.nodes)
    steps = operator.stacked[0].shape[0] if operator.stacked else operator.most
    pairs = zip(node.operands, body.inputs[1:], strict=True)
    sizes = [
        pair for given, inside in pairs for pair in zip(inside.type.shape, given.type.shape, strict=True)
    ]
    grown = {name: first for size, first in sizes if size != first for name in names(size)}
    first, second = (substitute(step, {name: at + more for name, at in grown.items()}) for more in (0, 1))
    return first * steps + (second - first) * ((steps - 1) * steps // 2)


def flops(program: CompiledProgram) -> Size:
    """Floating-point operations per sample at inference, as PyTorch's flop counter counts them: two for each
    multiply-add, none for other operations."""
    from dlc.compiler.passes import specialize

    return multiply_adds(specialize.inference(program).nodes) * 2


def spell(size: Size) -> str:
    """`61_706`, or an expression of free dimensions."""
    return f"{size:_}" if isinstance(size, int) else str(size)
