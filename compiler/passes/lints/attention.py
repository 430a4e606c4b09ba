"""Lints about attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.dims.dim import divisors, number
from dlc.compiler.passes.lints.unread_order import with_unread_order, with_unread_patches
from dlc.compiler.passes.liveness import live_values
from dlc.compiler.training.optimizers import main_optimizer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dlc.compiler.ir.graph import Graph, GraphInput, Node, Value
    from dlc.compiler.operators.step_order import Sight
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.phases import Objective

NARROW = 8  # features of a head, below which it can hardly tell steps apart
DEEP = 4  # blocks with attention that are normalized after their sum
SOME_STEPS = 1000  # of training, in which a warm-up shows


def without_positions(program: CompiledProgram) -> Iterator[Diagnostic]:
    """Self-attention over the steps of an input whose order nothing has read. Of several in sequence the
    first alone is reported."""
    known = with_unread_order(program) | with_unread_patches(program)
    for node, sight in attentions(program):
        source = known.get(node.operands[0])
        told = sight.chosen or sight.placed
        if source is not None and is_self(node) and not told and node.operands[0].type.rank == 2:
            yield no_positions(node, sight, source)


def attentions(program: CompiledProgram) -> Iterator[tuple[Node, Sight]]:
    """The nodes with attention that something reads, and what their steps see."""
    live = live_values(program)
    for node in program.graph.nodes:
        if node.operator.sight is not None and not live.isdisjoint(node.results):
            yield node, node.operator.sight


def is_self(node: Node) -> bool:
    """Whether queries, keys and values are made of the same tensor."""
    return len(set(node.operator.split(node.operands)[0])) == 1


def no_positions(node: Node, sight: Sight, source: GraphInput) -> Diagnostic:
    steps = node.operands[0].type.shape[0]
    effect = ("of the steps before, it does not see the order" if not sight.ahead
              else "in any other order they would give the same")  # fmt: skip
    most = steps if isinstance(steps, int) else "MAX"
    rotary = "; or add the setting `rotary=10000`" if sight.width % 2 == 0 else ""
    return Diagnostic.at(node.site, "W0417",
                         f"nothing tells `{node.operator.name}` the places of the steps of "
                         f"`{source.name}`: {effect}",
                         f"put `position_embedding({most})` or `sinusoidal_position` before it{rotary}"
                         )  # fmt: skip


def not_causal(program: CompiledProgram) -> Iterator[Diagnostic]:
    """Self-attention that sees the next step, which is what it has to predict."""
    readers, spans = readers_of_answers(program), set()
    for node, sight in attentions(program) if readers else ():
        target = readers.get(node.operands[0])
        sees = sight.ahead and not sight.chosen
        if target and sees and is_self(node) and node.site.span not in spans:
            spans.add(node.site.span)
            yield Diagnostic.at(node.site, "W0418",
                                f"each step of `{node.operator.name}` sees the steps after it, and "
                                f"the next one is the answer that `{target}` has to predict",
                                "add the setting `causal=true`")  # fmt: skip


def readers_of_answers(program: CompiledProgram) -> dict[Value, str]:
    """Values whose next step is computed from the target of a step, each with the name of the output."""
    return of_text(program) | of_shifted_targets(program)


def of_text(program: CompiledProgram) -> dict[Value, str]:
    """Windows of a text, and what is computed of them on the way to an output: targets are one step later."""
    data = program.data
    if data is None or data.text is None:
        return {}
    told = [o for o in program.outputs if o.target_value is not None and o.target not in data.fields]
    texts = [i.value for i in program.inputs if i.name not in data.fields and i.declared.rank == 1]
    starts: dict[Value, str] = {value: output.name for value in texts for output in told[:1]}
    return computed_from(starts, program.graph, program.graph.needed_by(o.scores for o in told))


def of_shifted_targets(program: CompiledProgram) -> dict[Value, str]:
    targets: dict[Value, str] = {
        o.target_value: o.name for o in program.outputs if o.target_value is not None
    }
    starts: dict[Value, str] = {
        result: targets[node.operands[0]]
        for node in program.graph.nodes if node.operator.delays and node.operands[0] in targets
        for result in node.results
    }  # fmt: skip
    return computed_from(starts, program.graph, live_values(program))


def computed_from(starts: dict[Value, str], graph: Graph, within: set[Value]) -> dict[Value, str]:
    """These values and those that depend on them."""
    found = dict(starts)
    for node in graph.nodes if starts else ():
        name = next((found[v] for v in node.operands if v in found), "")
        if name and not within.isdisjoint(node.results):
            found.update(dict.fromkeys(node.results, name))
    return found


def narrow_heads(program: CompiledProgram) -> Iterator[Diagnostic]:
    """Heads of so few features that they can hardly tell steps apart."""
    for node, sight in attentions(program):
        heads = sight.heads
        if heads == 1 or sight.width >= NARROW:
            continue
        features = number(node.operands[0].type.shape[-1])
        fitting = [n for n in divisors(features) if features // n >= NARROW]
        help = f"with `heads={fitting[-1]}` each has {features // fitting[-1]}" if fitting else \
            "give the query more features, by `dense` or a larger `embedding`"  # fmt: skip
        yield Diagnostic.at(node.site, "W0419",
                            f"{features} features for {heads} heads are {sight.width} for each: too few to "
                            "tell many steps apart", help)  # fmt: skip


def unwarmed_post_norm(program: CompiledProgram) -> Iterator[Diagnostic]:
    """Deep stacks with attention that are normalized after their sums, trained without a warm-up."""
    loads = program.train.weights or any(phase.settings.weights for phase in program.phases)
    if program.train.span is None or loads:
        return
    for objective in program.objectives:
        if warms_up(objective):
            continue
        norms = post_norms(program.graph, objective)
        if len(norms) >= DEEP:
            section = objective.settings.name
            yield Diagnostic.at(norms[0].site, "W0420",
                                f"{len(norms)} blocks with attention are normalized after their sum, and the "
                                "learning rate starts at its full value: such a stack may not learn",
                                f"write `schedule = cosine(warmup=500)` into `{section}`; or put the "
                                "normalization first within each residual block")  # fmt: skip
            return


def warms_up(objective: Objective) -> bool:
    """Whether the first steps are smaller than later ones."""
    optimizer = main_optimizer(objective.optimizers)
    first, *later = (objective.schedule.rate(optimizer.lr, step, SOME_STEPS) for step in range(SOME_STEPS))
    return optimizer.warms_up or first < max(later)


def post_norms(graph: Graph, objective: Objective) -> list[Node]:
    """The normalizations after the sum of trained attention and what it was computed from, where nothing
    else reads the sum."""
    readers, needed = graph.readers(), graph.needed_by([objective.loss])
    learnt = {weight.value for weight in objective.trained(graph.weights)}
    found = []
    for node in graph.nodes:
        if node.operator.sight is not None and not learnt.isdisjoint(node.weights.values()):
            reads = [n for n in readers_of_sum(node, readers) if not needed.isdisjoint(n.results)]
            if reads and all(n.operator.normalizes for n in reads):
                found.append(reads[0])
    return found


def readers_of_sum(node: Node, readers: dict[Value, list[Node]]) -> Iterable[Node]:
    """What reads the first sum after a node, if nothing but elementwise operators stands between them."""
    while len(reads := readers.get(node.results[0], ())) == 1:
        node = reads[0]
        batched = sum(v.type.batched for v in node.operands)
        if node.operator.sums and batched > 1:
            return readers.get(node.results[0], ())
        if batched > 1 or not node.operator.elementwise:
            return ()
    return ()
