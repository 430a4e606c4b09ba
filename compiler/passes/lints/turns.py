"""Lints about steps that take turns: which networks their losses reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.diagnostics.quoting import listed
from dlc.compiler.ir.graph import union
from dlc.compiler.passes.graph_checks import reached
from dlc.compiler.passes.liveness import live_values
from dlc.compiler.training.turns import place_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dlc.compiler.ir.graph import Node, Value, Weight
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.minimization import Minimization
    from dlc.compiler.training.phases import Objective


def trained_values(program: CompiledProgram, objective: Objective) -> set[Value]:
    """The trained weights that the gradient of an objective reaches."""
    learnt = {w.value for w in objective.trained(program.graph.weights)}
    return learnt & reached(program.graph, [objective.loss])


def of_net(weights: Iterable[Weight], net: object) -> set[Value]:
    """The weights of a net, or a declared weight."""
    name = getattr(net, "net", None)
    return {w.value for w in weights if (w.net == name if name else w.value is net)}


# --- a step that names too much ---------------------------------------------------------------------------


def unreached_names(program: CompiledProgram) -> Iterator[Diagnostic]:
    """A net that a step names, and that its loss does not reach."""
    for settings, objective, name, net in named(program):
        values = of_net(objective.trained(program.graph.weights), net)
        if values and not values & trained_values(program, objective):
            yield Diagnostic("W0421", f"the loss of this step does not reach `{name}`",
                             (Label(settings.spans[place_of(name)]),
                              Label(settings.spans["loss"], "this loss")),
                             help=f"leave `{name}` out of the step, or use it in the loss")  # fmt: skip


def named(program: CompiledProgram) -> Iterator[tuple[Minimization, Objective, str, Any]]:
    """The nets and weights that the steps name, each once."""
    seen = set()
    for objective in program.objectives:
        settings = objective.settings
        for name, net in settings.named.items():
            if (key := settings.spans[place_of(name)]) not in seen:
                seen.add(key)
                yield settings, objective, name, net


def adversaries(program: CompiledProgram) -> Iterator[Diagnostic]:
    """A step that trains a critic and, on the loss of the critic, its generator, which another step trains
    through that critic."""
    for phase in program.phases if any(p.settings.turns for p in program.phases) else ():
        for joint in phase.objectives:
            nets = [*joint.settings.named.items()]
            for name, net in nets if len(nets) > 1 else ():
                rival = next((o for o in phase.objectives if o is not joint and alone(o, net)), None)
                others = [(n, other) for n, other in nets if other is not net]
                critic = rival and next((n for n, other in others
                                         if passes(program, rival, net, other)
                                         and passes(program, joint, net, other)), "")  # fmt: skip
                if critic and rival:
                    yield Diagnostic("W0423", f"this step trains `{name}` too on the loss of `{critic}`, and "
                                     f"another step trains `{name}` through `{critic}`: the two may work "
                                     "against each other",
                                     (Label(joint.settings.spans[place_of(name)]),
                                      Label(rival.settings.spans[place_of(name)], "the other step")),
                                     help=f"name `{critic}` alone: `step {critic} {{ ... }}`")  # fmt: skip


def alone(objective: Objective, net: Any) -> bool:
    """Whether a step trains this net and no other."""
    nets = [*objective.settings.named.values()]
    return len(nets) == 1 and same(nets[0], net)


def same(a: Any, b: Any) -> bool:
    name = getattr(a, "net", None)
    return a is b or (name is not None and name == getattr(b, "net", None))


def passes(program: CompiledProgram, objective: Objective, first: Any, then: Any) -> bool:
    """Whether the gradient of an objective passes through a net on its way to another, the `first`, and
    through no net before it, so that the loss judges the results of that net."""
    weights, graph = program.graph.weights, program.graph
    inner, outer = of_net(weights, first), of_net(weights, then)
    others = {w.value for w in weights if w.net and w.value not in inner | outer}
    behind: set[Value] = {*inner}  # what depends on the first net
    through: set[Value] = set()  # what depends on it through the other
    for node in graph.nodes:
        if node.operator.detaches or not others.isdisjoint(node.weights.values()):
            continue
        if not through.isdisjoint(node.reads) or (
            not behind.isdisjoint(node.operands) and not outer.isdisjoint(node.weights.values())
        ):
            through.update(node.results)
        if not behind.isdisjoint(node.reads):
            behind.update(node.results)
    return objective.loss in through


# --- what nothing trains ----------------------------------------------------------------------------------


def untrained(program: CompiledProgram) -> Iterator[Diagnostic]:
    """Nets and layers that outputs or losses depend on, and that no step trains."""
    if not any(phase.settings.turns for phase in program.phases):
        return
    weights, live = program.graph.weights, live_values(program)
    changed = {v for o in program.objectives for v in trained_values(program, o)}
    changed |= {v for _, o, _, net in named(program) for v in of_net(weights, net)}  # has its own warning
    left: dict[str, list[Weight]] = {}
    for weight in weights:
        if weight.trainable and weight.value in live - changed and not is_given(program, weight):
            left.setdefault(weight.net or weight.name.rpartition(".")[0] or weight.name, []).append(weight)
    for name, found in left.items():
        what = f"the net `{name}`" if found[0].net else f"`{name}`"
        help = (f"give it a step, `step {name} {{ ... }}`, or name it in `freeze`" if found[0].net
                else "put it into a net that a step names")  # fmt: skip
        trained = listed(dict.fromkeys(n for _, _, n, _ in named(program)))
        yield Diagnostic.at(found[0].value.site, "W0422",
                            f"no step trains {what}, which keeps its initial values: steps train {trained}",
                            help)  # fmt: skip


def is_given(program: CompiledProgram, weight: Weight) -> bool:
    """Whether a weight is frozen or loaded in some phase, or has its values from the spec."""
    sections = (program.train, *(phase.settings for phase in program.phases))
    frozen = any(section.freezes(weight) for section in sections)
    loads = (load for section in sections for load in section.weights)
    return frozen or any(load.into is None or weight.net == load.into.net for load in loads)


# --- gradients of a critic --------------------------------------------------------------------------------


def mixed_gradients(program: CompiledProgram) -> Iterator[Diagnostic]:
    """A derivative through an operator that mixes the rows of a batch, such as `batchnorm`: the first such
    operator of each derivative. A derivative is a bit of a mark, so that one pass follows all of them."""
    graph = program.graph
    derivatives = [node for node in graph.nodes if node.operator.wrt is not None]
    mixing = [node for node in graph.nodes if node.operator.needs_many_rows] if derivatives else []
    if not mixing:
        return
    behind = graph.depends(marks(n.operands[n.operator.wrt or 0] for n in derivatives))
    before = graph.affects(marks(n.operands[0] for n in derivatives))
    losses = [(objective, graph.needed_by([objective.loss])) for objective in program.objectives]
    weights = {w.value: w.name for w in graph.weights}
    told = 0  # the derivatives whose first such operator is reported
    for node in mixing:
        through = union(behind.get(v, 0) for v in node.reads) & union(before.get(v, 0) for v in node.results)
        names = {weights[v] for v in node.weights.values()}
        found = [i for i, n in enumerate(derivatives)
                 if (through & ~told) >> i & 1 and not is_frozen(names, n, losses)]  # fmt: skip
        told |= union(1 << i for i in found)
        if found:
            derivative = derivatives[found[0]]
            yield Diagnostic.at(node.site, "W0424",
                                f"`{node.operator.name}` mixes the rows of a batch, and "
                                f"`{derivative.operator.name}` passes through it: the gradient of a row "
                                "depends on the other rows",
                                "use `layernorm` or `instancenorm` here",
                                more=[Label(derivative.site.span, "this gradient")])  # fmt: skip


def marks(values: Iterable[Value]) -> dict[Value, int]:
    """A bit for each value; the bits of equal values together."""
    found: dict[Value, int] = {}
    for i, value in enumerate(values):
        found[value] = found.get(value, 0) | 1 << i
    return found


def is_frozen(names: set[str], derivative: Node, losses: list[tuple[Objective, set[Value]]]) -> bool:
    """Whether every objective that needs a derivative freezes some of these statistics."""
    freezes = [o.freezes for o, needed in losses if not needed.isdisjoint(derivative.results)]
    return bool(freezes) and not names.isdisjoint(frozenset.intersection(*freezes))
