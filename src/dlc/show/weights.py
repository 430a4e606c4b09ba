"""The weights of a program, in the order of the spec."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.passes.cost import parameters, spell, summed, weight_size
from dlc.show.columns import columns

if TYPE_CHECKING:
    from dlc.compiler.program import CompiledProgram

HEAD = ("name", "shape", "numbers", "role", "initial values")


def weights(program: CompiledProgram) -> str:
    rows = [
        (w.name, f"[{', '.join(map(str, w.value.type.shape))}]", spell(weight_size(w)), w.role, w.start)
        for w in program.graph.weights
    ]
    if not rows:
        return "no weights\n"
    fixed = summed(weight_size(w) for w in program.graph.weights if not w.trainable)
    held = f", and {spell(fixed)} numbers that no optimizer changes" if fixed != 0 else ""
    return f"{columns(HEAD, rows, (2,))}\n\n{spell(parameters(program.graph))} parameters{held}\n"
