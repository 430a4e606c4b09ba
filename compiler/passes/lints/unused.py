"""Lints about unused weights and inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.passes.liveness import live_values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.program import CompiledProgram


def inputs(program: CompiledProgram) -> Iterator[Diagnostic]:
    live = live_values(program)
    for input in program.inputs:
        if input.value not in live:
            message = f"no output and no loss depends on the input `{input.name}`"
            yield Diagnostic.at(input.site, "W0403", message, "remove it, or connect it to an output")


def weights(program: CompiledProgram) -> Iterator[Diagnostic]:
    live = live_values(program)
    sites = {value: node.site for node in program.graph.nodes for value in node.weights.values()}
    for weight in program.graph.weights:
        if weight.value not in live:
            site = sites.get(weight.value, weight.value.site)
            yield Diagnostic.at(site, "W0402", f"no output and no loss depends on `{weight.name}`",
                                "remove this, or connect it to an output")  # fmt: skip
