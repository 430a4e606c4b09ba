"""Values that hold the steps of an input on their first axis, where nothing has read the order of the steps:
if the steps of the input are exchanged, those of the value are exchanged in the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.definitions.definition import Reject
from dlc.compiler.dims.dim import product, same
from dlc.compiler.operators.padding import APART
from dlc.compiler.passes.lints.layers import is_picture

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from dlc.compiler.ir.graph import GraphInput, Node, Value
    from dlc.compiler.program import CompiledProgram


def with_unread_order(program: CompiledProgram) -> dict[Value, GraphInput]:
    """Each of these values, with the input."""
    found: dict[Value, GraphInput] = {value: value for value in sequences(program)}
    of_rows = program.graph.depends(dict.fromkeys(program.graph.inputs, 1))
    for node in program.graph.nodes:
        source = next((found[v] for v in node.operands if v in found), None)
        if source is not None and passes_order(node, found, of_rows):
            found.update(dict.fromkeys(node.results, source))
    return found


def with_unread_patches(program: CompiledProgram) -> dict[Value, GraphInput]:
    """The same for the patches of an image, on any axes."""
    pictures: dict[Value, GraphInput] = {i: i for i in program.graph.inputs if is_picture(i.type)}
    found: dict[Value, GraphInput] = {}
    of_rows = program.graph.depends(dict.fromkeys(program.graph.inputs, 1))
    for node in program.graph.nodes:
        source = next((pictures[v] for v in node.operands if v in pictures), None)
        if source is not None and node.operator.elementwise and len(node.results) == 1:
            pictures[node.results[0]] = source
        elif source is not None and node.operator.cuts_patches:
            found[node.results[0]] = source
        source = next((found[v] for v in node.operands if v in found), None)
        if source is not None and passes_patches(node, found, of_rows):
            found.update(dict.fromkeys(node.results, source))
    return found


def passes_patches(node: Node, found: dict[Value, GraphInput], of_rows: Container[Value]) -> bool:
    """Whether it moves patches or computes each alone, the same for all."""
    operator, made = node.operator, node.results[0].type
    if operator.tells_places or operator.random:
        return False
    if joins_weights(node, found, of_rows):
        return True
    if any(v.type.rank > 1 for v in node.operands if v not in found):
        return False  # it may say something about each patch
    moves = "numbers" in operator.keeps and same(product(made.shape), product(node.operands[0].type.shape))
    normalizes = operator.normalizes and made.shape == node.operands[0].type.shape
    return moves or operator.elementwise or (normalizes and treats_apart(node, 0))


def sequences(program: CompiledProgram) -> Iterator[GraphInput]:
    """The inputs whose first axis has an order that matters: sequences of classes, and the rows of series and
    windows."""
    table = program.data.table if program.data else None
    for declared in program.inputs:
        shape = declared.declared.shape
        if declared.declared.element == "class" and len(shape) == 1:
            yield declared.value
        elif shape and table is not None and declared.name not in ahead(program):
            free = table.series is not None and not isinstance(shape[0], int)
            if free or (table.window is not None and same(shape[0], table.window)):
                yield declared.value


def ahead(program: CompiledProgram) -> list[str]:
    """The fields of the steps behind a window."""
    from dlc.compiler.definitions.series import Ahead

    assert program.data is not None
    return [name for name, field in program.data.fields.items() if isinstance(field, Ahead)]


def passes_order(node: Node, found: dict[Value, GraphInput], of_rows: Container[Value]) -> bool:
    """Whether the first axis of its result still holds these steps, in an order that it does not read."""
    made, steps = node.results[0].type, next(v for v in node.operands if v in found).type
    if node.operator.tells_places or not made.rank:
        return False
    if joins_weights(node, found, of_rows):
        return True
    others = (v for v in node.operands if v not in found)
    if any(v.type.rank >= made.rank and not same(v.type.shape[0], 1) for v in others):
        return False  # they may say something about each step
    if not node.operator.linear and any(
        same(size, steps.shape[0]) for w in node.weights.values() for size in w.type.shape[:1]
    ):
        return False  # a weight for each step
    if splits_steps(node):
        return True
    if made.rank < steps.rank or not same(made.shape[0], steps.shape[0]):
        return False
    return all(treats_apart(node, place) for place, v in enumerate(node.operands) if v in found)


def joins_weights(node: Node, found: dict[Value, GraphInput], of_rows: Container[Value]) -> bool:
    """Whether it puts weights before or behind the steps, such as a class token."""
    made, rest = node.results[0].type, [v for v in node.operands if v not in found]
    return {"numbers", "axes"} <= {*node.operator.keeps} and bool(rest) and not any(
        v in of_rows or v.type.rank != made.rank or same(made.shape[0], v.type.shape[0])
        for v in rest)  # fmt: skip


def splits_steps(node: Node) -> bool:
    """Whether it makes patches of successive steps."""
    (have, *others), made = [v.type for v in node.operands], node.results[0].type
    return not others and have.rank == 1 < made.rank and "numbers" in node.operator.keeps and same(
        product(have.shape), product(made.shape))  # fmt: skip


def treats_apart(node: Node, place: int) -> bool:
    operator = node.operator
    try:
        return operator.identity or operator.elementwise or operator.padding_of(place, 0) == APART
    except Reject:
        return False
