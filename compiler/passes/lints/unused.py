"""Weights that nothing needs, and inputs that nothing reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.passes.liveness import needed_values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.program import CompiledProgram


def inputs(program: CompiledProgram) -> Iterator[Diagnostic]:
    needed = needed_values(program)
    for input in program.inputs:
        if input.value not in needed:
            yield Diagnostic.at(input.site, "W0403", f"nothing depends on the input `{input.name}`",
                                "take it out, or let it flow on to an output")  # fmt: skip


def weights(program: CompiledProgram) -> Iterator[Diagnostic]:
    needed = needed_values(program)
    places = {value: node.site for node in program.graph.nodes for value in node.weights.values()}
    for weight in program.graph.weights:
        if weight.value not in needed:
            site = places.get(weight.value, weight.value.site)
            yield Diagnostic.at(site, "W0402", f"no output and no loss depends on `{weight.name}`",
                                "take out what is made here, or let it flow on to an output")  # fmt: skip
