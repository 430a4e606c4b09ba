"""What an objective trains: the weights that it changes, and their nets in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.quoting import listed
from dlc.compiler.passes import specialize

FEW = 4  # nets and layers that are listed, even if fewer are left out

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.compiler.ir.graph import Weight
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.phases import Objective


def learners(program: CompiledProgram, objective: Objective) -> list[Weight]:
    """The weights that an objective changes: those that it trains and that its gradient reaches."""
    reached = specialize.reached(specialize.training(program, objective))
    return [weight for weight in objective.trained(program.graph.weights) if weight.value in reached]


def in_words(program: CompiledProgram, objective: Objective, form: str = "`{}`") -> str:
    """What an objective trains: "`critic`", "all weights", or "all but `encoder`", with names in a `form`."""
    learns = learners(program, objective)
    rest = [w for w in program.graph.weights if w.trainable and w not in {*learns}]
    if not rest:
        return "all weights"
    trained, others = units(learns), units(rest)
    if len(trained) > FEW and len(others) < len(trained) and not {*others} & {*trained}:
        return f"all but {listed(others, form)}"
    return listed(trained, form) if trained else "nothing"


def remark(program: CompiledProgram, objective: Objective) -> str:
    """Sentences that say what an objective trains, and which nets with running statistics are frozen."""
    frozen = units(frozen_statistics(program, objective))
    keeps = f" {listed(frozen)} is frozen, and uses its running statistics." if frozen else ""
    return f"It trains {in_words(program, objective)}.{keeps}"


def frozen_statistics(program: CompiledProgram, objective: Objective) -> list[Weight]:
    """The running statistics that a loss uses in place of those of the batch."""
    used = specialize.training(program, objective).weights
    return [weight for weight in used if weight.name in objective.freezes]


def units(weights: Iterable[Weight]) -> list[str]:
    """The nets of weights; the layers, blocks and declared weights at the top of a file for all others."""
    return list(dict.fromkeys(w.net or w.name.split(".")[0] for w in weights))
