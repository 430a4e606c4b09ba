"""What an objective trains: the weights that it changes, and their nets in words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.quoting import listed
from dlc.compiler.passes import specialize
from dlc.compiler.passes.specialize import changed

FEW = 4  # nets and layers that are listed, even if fewer are left out

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.compiler.diagnostics.problems import Problems
    from dlc.compiler.ir.graph import Weight
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.phases import Objective


def check_steps(program: CompiledProgram, problems: Problems) -> None:
    """Report steps that change none of the weights that they train."""
    for objective in program.objectives:
        if objective.step and objective.learns and not changed(program, objective):
            [found] = program.nothing_to("learn", objective).diagnostics
            if changed(program, objective, through_all=True):
                help = "leave out the `detach` between the two: a step computes no gradient for other nets"
                found = replace(found, help=help)
            problems.add(found)


def in_words(program: CompiledProgram, objective: Objective, form: str = "`{}`") -> str:
    """What an objective trains: "`critic`", "all weights", or "all but `encoder`", with names in a `form`."""
    learns = changed(program, objective)
    rest = [w for w in program.graph.weights if w.trainable and w not in {*learns}]
    if not rest:
        return "all weights"
    trained, others = units(learns), units(rest)
    if len(trained) > FEW and len(others) < len(trained) and not {*others} & {*trained}:
        return f"all but {listed(others, form)}"
    return listed(trained, form) if trained else "nothing"


def remark(program: CompiledProgram, objective: Objective) -> str:
    """Sentences that say what an objective trains, which nets with running statistics are frozen, and whose
    running statistics dlc does not update in its steps."""
    statistics = [w for w in specialize.training(program, objective).weights if w.role == "statistic"]
    frozen = units(w for w in statistics if w.name in objective.freezes)
    kept = units(w for w in statistics if w.name not in objective.updates | objective.freezes)
    words = [f"It trains {in_words(program, objective)}."]
    if frozen:
        words.append(f"{listed(frozen)} is frozen, and uses its running statistics.")
    if kept:
        words.append(f"dlc leaves the running statistics of {listed(kept)} as they are here.")
    return " ".join(words)


def units(weights: Iterable[Weight]) -> list[str]:
    """The nets of weights; the layers, blocks and declared weights at the top of a file for all others."""
    return list(dict.fromkeys(w.net or w.name.split(".")[0] for w in weights))
