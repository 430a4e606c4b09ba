"""Inputs whose missing numbers (NaN) and classes are filled in before they reach anything that does not know
of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.ir.graph import union
from dlc.compiler.passes.liveness import ends, needed_values

if TYPE_CHECKING:
    from dlc.compiler.ir.graph import Input, Node, Value
    from dlc.compiler.program import CompiledProgram


def note(program: CompiledProgram) -> CompiledProgram:
    """The program whose inputs say which of them may have missing values."""
    needed = needed_values(program)
    nodes = [node for node in program.graph.nodes if not needed.isdisjoint(node.results)]
    marks: dict[Value, int] = {i.value: 1 << place for place, i in enumerate(program.inputs) if can_miss(i)}
    filled = filled_in(nodes, marks, set(ends(program)))
    return replace(
        program, inputs=tuple(noted(i) if marks.get(i.value, 0) & filled else i for i in program.inputs)
    )


def can_miss(input: Input) -> bool:
    return input.declared.is_float or input.declared.element == "class"


def noted(input: Input) -> Input:
    return replace(input, declared=replace(input.declared, missing=True))


def filled_in(nodes: list[Node], marks: dict[Value, int], last: set[Value]) -> int:
    """The marks of the inputs from which every way to an output or loss leads through an operator that fills
    in what is missing, and only such as keep it in its place stand before it. It is kept in floats alone."""
    holding, filled, spoiled = dict(marks), 0, 0
    for node in nodes:
        found = union(holding.get(v, 0) for v in node.reads)
        if node.operator.fills:
            filled |= found
        elif "missing" in node.operator.keeps and all(result.type.is_float for result in node.results):
            holding.update(dict.fromkeys(node.results, found))
        else:
            spoiled |= found
    return filled & ~spoiled & ~union(holding.get(v, 0) for v in last)
