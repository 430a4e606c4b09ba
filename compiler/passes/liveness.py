"""What the outputs, losses and exports of a program depend on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.ir.graph import Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.program import CompiledProgram


def needed_values(program: CompiledProgram) -> set[Value]:
    """What outputs, losses and exports depend on."""
    return program.graph.needed_by(ends(program))


def ends(program: CompiledProgram) -> Iterator[Value]:
    """The values that are wanted for their own sake."""
    for output in program.outputs:
        yield from (output.flowed, output.scores)
    yield from (value for _, value in program.exports if isinstance(value, Value))
    yield from (r.value for r in program.train.regularize if isinstance(r.value, Value))
    yield from program.losses
