"""What is no mistake and can still hardly be meant: weights that nothing needs, inputs that nothing reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.ir import Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.diagnostics import Problems
    from dlc.compiler.program import Program


def warn_of_unused(program: Program, problems: Problems) -> None:
    """Warn of inputs and weights that no output, loss or export depends on."""
    needed = set(ends(program))
    for node in reversed(program.graph.nodes):
        if not needed.isdisjoint(node.results):
            needed.update(node.reads)
    for input in program.inputs:
        if input.value not in needed:
            problems.report("W0403", input.site.span, f"nothing depends on the input `{input.name}`",
                            help="take it out, or let it flow on to an output")  # fmt: skip
    places = {value: node.site for node in program.graph.nodes for value in node.weights.values()}
    for weight in program.graph.weights:
        if weight.value not in needed:
            site = places.get(weight.value, weight.value.site)
            problems.report("W0402", site.span, f"no output and no loss depends on `{weight.name}`",
                            notes=site.way(),
                            help="take out what is made here, or let it flow on to an output")  # fmt: skip


def ends(program: Program) -> Iterator[Value]:
    """The values that are wanted for their own sake."""
    for output in program.outputs:
        yield from (output.flowed, output.scores)
    yield from (value for _, value in program.exports if isinstance(value, Value))
    yield from (r.value for r in program.train.regularize if isinstance(r.value, Value))
    if program.loss is not None:
        yield program.loss
