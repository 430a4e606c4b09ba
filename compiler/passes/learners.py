"""What an objective trains: the weights that it changes, and their nets in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.quoting import listed
from dlc.compiler.passes import specialize

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.compiler.ir.graph import Weight
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.phases import Objective


def learners(program: CompiledProgram, objective: Objective) -> list[Weight]:
    """The weights that an objective changes: those that it trains and that its gradient reaches."""
    reached = specialize.reached(specialize.training(program, objective))
    return [weight for weight in objective.trained(program.graph.weights) if weight.value in reached]


def in_words(program: CompiledProgram, objective: Objective) -> str:
    """What an objective trains: "`critic`", "all weights", or "all but `encoder`"."""
    learns = learners(program, objective)
    rest = [w for w in program.graph.weights if w.trainable and w not in {*learns}]
    if not rest:
        return "all weights"
    trained, others = units(learns), units(rest)
    if len(others) < len(trained) and not {*others} & {*trained}:
        return f"all but {listed(others)}"
    return listed(trained) if trained else "nothing"


def frozen(program: CompiledProgram, objective: Objective) -> list[str]:
    """The nets whose running statistics its steps use in place of those of the batch."""
    return units(w for w in program.graph.weights if w.name in objective.freezes)


def units(weights: Iterable[Weight]) -> list[str]:
    """The nets of weights; the layers, blocks and declared weights at the top of a file for all others."""
    return list(dict.fromkeys(w.net or w.name.split(".")[0] for w in weights))
