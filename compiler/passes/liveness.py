"""Liveness: the values that outputs, losses and exports of a program depend on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.ir.graph import Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.program import CompiledProgram


def live_values(program: CompiledProgram) -> set[Value]:
    """The values that outputs, losses, exports and regularizers depend on."""
    return program.graph.needed_by(live_out(program))


def live_out(program: CompiledProgram) -> Iterator[Value]:
    """The outputs, exports, regularized tensors and losses."""
    for output in program.outputs:
        yield from (output.flowed, output.scores)
    yield from (value for _, value in program.exports if isinstance(value, Value))
    regularizers = (r for objective in program.objectives for r in objective.regularize)
    yield from (r.value for r in regularizers if isinstance(r.value, Value))
    yield from (value for phase in program.phases for value in phase.settings.samples.values())
    yield from program.losses
