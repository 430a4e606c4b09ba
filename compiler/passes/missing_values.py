"""Inputs that may have missing numbers (NaN) or classes, because the spec fills them in before other use."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.ir.graph import union
from dlc.compiler.passes.liveness import live_out, live_values

if TYPE_CHECKING:
    from dlc.compiler.ir.graph import Input, Node, Value
    from dlc.compiler.program import CompiledProgram


def mark_inputs(program: CompiledProgram) -> CompiledProgram:
    """The program with `missing` set in the types of inputs that may have missing values."""
    live = live_values(program)
    nodes = [node for node in program.graph.nodes if not live.isdisjoint(node.results)]
    marks: dict[Value, int] = {i.value: 1 << k for k, i in enumerate(program.inputs) if can_miss(i)}
    filled = filled_inputs(nodes, marks, set(live_out(program)))
    return replace(
        program,
        inputs=tuple(with_missing(i) if marks.get(i.value, 0) & filled else i for i in program.inputs),
    )


def can_miss(input: Input) -> bool:
    return input.declared.is_float or input.declared.element == "class"


def with_missing(input: Input) -> Input:
    return replace(input, declared=replace(input.declared, missing=True))


def filled_inputs(nodes: list[Node], marks: dict[Value, int], outputs: set[Value]) -> int:
    """The marks of the inputs whose missing values are filled in on each path to an output or loss. Operators
    before that must keep missing values at their positions, which only floats do."""
    missing, filled, spoiled = dict(marks), 0, 0
    for node in nodes:
        found = union(missing.get(v, 0) for v in node.reads)
        if node.operator.fills:
            filled |= found
        elif "missing" in node.operator.keeps and all(result.type.is_float for result in node.results):
            missing.update(dict.fromkeys(node.results, found))
        else:
            spoiled |= found
    return filled & ~spoiled & ~union(missing.get(v, 0) for v in outputs)
