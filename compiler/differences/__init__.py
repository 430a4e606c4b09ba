"""What differs between two programs, in terms of the language and not of lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.differences.declarations import inputs, nets, outputs, params
from dlc.compiler.differences.difference import Change, Difference, both
from dlc.compiler.differences.layers import LayerDifferences
from dlc.compiler.differences.settings import SettingDifferences, loss_text, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.ir.graph import Node
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.phases import Objective

__all__ = ["Change", "Difference", "differences"]


def differences(a: CompiledProgram, b: CompiledProgram) -> list[Difference]:
    """What differs between two programs: params, inputs, outputs, average nets, layers in the order of `b`,
    declared weights, losses, settings, expectations and imports, in this order.

    Names of values, layout and comments do not count, and no difference means that both programs train and
    answer in the same way on the same data. If only texts differ, that is the only difference, of the kind
    `text`. Facts about files count where they change types: both programs should know them, or neither.
    """
    layers = LayerDifferences(a, b)
    matched = layers.matching.values
    losses = list(loss_differences(a, b, layers))
    told = nodes_told(a, b, {d.name for d in losses})
    found = [
        *params(a, b),
        *inputs(a, b),
        *outputs(a, b, layers.matching),
        *nets(a, b),
        *(d for node, d in layers.nodes.items() if d.kind != "loss" or node not in told),
        *layers.weights(),
        *losses,
        *SettingDifferences(a, b, matched).all(),
        *imports(a, b),
    ]
    return found or list(texts(a, b))


def loss_differences(
    a: CompiledProgram, b: CompiledProgram, layers: LayerDifferences
) -> Iterator[Difference]:
    """The losses that are written differently and computed differently."""
    mine, others = by_name(a), by_name(b)
    for name in {**mine, **others}:
        first, second = mine.get(name), others.get(name)
        before, after = both(lambda o: loss_text(o.settings), first, second)
        if before != after and (first is None or second is None or differs(first, second, layers)):
            places = both(lambda o: place_of(o.settings, "loss"), first, second)
            yield Difference("setting", name, before, after, *places)


def differs(first: Objective, second: Objective, layers: LayerDifferences) -> bool:
    """Whether the loss of `b` is computed differently from that of `a`."""
    if layers.matching.values.get(first.loss) is not second.loss:
        return True
    needed = layers.a.graph.needed_by([first.loss]) | layers.b.graph.needed_by([second.loss])
    return any(not needed.isdisjoint(n.results) for n, d in layers.nodes.items() if not d.implied)


def by_name(program: CompiledProgram) -> dict[str, Objective]:
    """The objectives by the names of their losses as settings: `train.loss`, `train.PHASE.STEP.loss`."""
    return {
        ".".join(filter(None, ("train", phase.name, objective.step, "loss"))): objective
        for phase in program.phases
        for objective in phase.objectives
    }


def nodes_told(a: CompiledProgram, b: CompiledProgram, told: set[str]) -> set[Node]:
    """The nodes that only the losses need whose texts are `told`."""
    found: set[Node] = set()
    for program in (a, b):
        losses = by_name(program)
        of_others = program.graph.needed_by(o.loss for name, o in losses.items() if name not in told)
        of_told = program.graph.needed_by(o.loss for name, o in losses.items() if name in told)
        found |= {n for n in program.graph.nodes if of_told.intersection(n.results) - of_others}
    return found


def imports(a: CompiledProgram, b: CompiledProgram) -> Iterator[Difference]:
    """The files that one of the programs imports."""
    mine, others = ({s.name: s for s in program.sources[1:]} for program in (a, b))
    yield from (Difference("import", n, n, "", f"{n}:1:1") for n in mine if n not in others)
    yield from (Difference("import", n, "", n, "", f"{n}:1:1") for n in others if n not in mine)


def texts(a: CompiledProgram, b: CompiledProgram) -> Iterator[Difference]:
    """The files whose texts differ."""
    mine, others = ([s for s in program.sources] for program in (a, b))
    for first, second in zip(mine, others, strict=False):
        if first.text != second.text:
            lines = both(lambda source: f"{len(source.text.splitlines())} lines", first, second)
            yield Difference("text", second.name, *lines, f"{first.name}:1:1", f"{second.name}:1:1")
