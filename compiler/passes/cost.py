"""Cost of a graph: trainable parameters, and multiply-adds per sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.dims.dim import DimError, free, product, total

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
    """Multiply-adds per sample."""
    return summed(node.operator.multiply_adds() for node in nodes)


def flops(program: CompiledProgram) -> Size:
    """Floating-point operations per sample at inference, as PyTorch's flop counter counts them: two for each
    multiply-add, none for other operations."""
    from dlc.compiler.passes import specialize

    return multiply_adds(specialize.inference(program).nodes) * 2


def spell(size: Size) -> str:
    """`61_706`, or an expression of free dimensions."""
    return f"{size:_}" if isinstance(size, int) else str(size)
