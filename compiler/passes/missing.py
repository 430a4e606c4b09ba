"""Inputs whose missing numbers (NaN) are filled in before they reach anything that does not know of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.passes.needed import ends, needed_values

if TYPE_CHECKING:
    from dlc.compiler.ir import Input, Node, Value
    from dlc.compiler.program import Program


def note(program: Program) -> Program:
    """The program whose inputs say which of them may have missing numbers."""
    last, needed = set(ends(program)), needed_values(program)
    nodes = [node for node in program.graph.nodes if not needed.isdisjoint(node.results)]
    return replace(program, inputs=tuple(noted(i, nodes, last) for i in program.inputs))


def noted(input: Input, nodes: list[Node], last: set[Value]) -> Input:
    missing = input.declared.is_float and is_filled(input.value, nodes, last)
    return replace(input, declared=replace(input.declared, missing=missing))


def is_filled(value: Value, nodes: list[Node], last: set[Value]) -> bool:
    """Whether every way from a value to an output or loss leads through an operator that fills it in, and
    only such as keep what is missing in its place stand before that. It is kept in floats alone."""
    holding, filled = {value}, False
    for node in nodes:
        if holding.isdisjoint(node.reads):
            continue
        if node.operator.fills:
            filled = True
        elif "missing" in node.operator.keeps and all(result.type.is_float for result in node.results):
            holding.update(node.results)
        else:
            return False
    return filled and holding.isdisjoint(last)
