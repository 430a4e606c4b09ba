"""Lints about recurrent layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.passes.liveness import live_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dlc.compiler.dims.dim import Size
    from dlc.compiler.program import CompiledProgram

LONG = 50  # steps after which the gradient through a saturating activation at each step is small
SHORT = 10  # steps through which gradients do not explode


def long_recurrence(program: CompiledProgram) -> Iterator[Diagnostic]:
    """Recurrent layers without gates that run over many steps."""
    return vanishing(program, "W0415", lambda size: size if isinstance(size, int) else 0)


def vanishing(
    program: CompiledProgram, code: str, steps: Callable[[Size], int], kind: str = ""
) -> Iterator[Diagnostic]:
    """The warnings for layers of more than `LONG` steps. `steps` gives the number for a size, 0 if unknown;
    `kind` says which number it is. Layers that read the result of a reported one are not reported."""
    live, downstream = live_values(program), set()
    for node in program.graph.nodes:
        if not downstream.isdisjoint(node.operands):
            downstream.update(node.results)
        elif node.operator.recurs and node.operator.saturates and not live.isdisjoint(node.results):
            count = steps(node.operands[0].type.shape[0])
            if count > LONG:
                downstream.update(node.results)
                name = node.operator.name
                message = (f"`{name}` has no gates, and runs over {count} steps{kind}: gradients vanish on "
                           "the way back through so many")  # fmt: skip
                yield Diagnostic.at(node.site, code, message, "`lstm` and `gru` carry them further")


def unclipped_gradients(program: CompiledProgram) -> Iterator[Diagnostic]:
    """Recurrent layers that a `train` section trains without a bound on their gradients. The first one alone
    is reported."""
    if program.train.span is None:
        return
    for objective in program.objectives:
        if objective.clip is not None or objective.recomputes:
            continue
        needed = program.graph.needed_by([objective.loss])
        learnt = {weight.value for weight in objective.trained(program.graph.weights)}
        for node in program.graph.nodes:
            trained = not (needed.isdisjoint(node.results) or learnt.isdisjoint(node.weights.values()))
            if trained and node.operator.recurs and node.operands[0].type.shape[0] not in range(SHORT):
                message = (
                    f"the gradients of `{node.operator.name}` are not bounded, and can grow at every step"
                )
                help = f"write `clip = norm(1)` into `{objective.settings.name}`"
                yield Diagnostic.at(node.site, "W0416", message, help)
                return
