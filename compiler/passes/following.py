"""Which targets follow an augmentation: those that are held against what it moved, or mixed.

A value that depends on targets and on no input is *held against* one that depends on inputs where an operator
reads both: a loss, arithmetic of the file, a discriminator. What a target is held against says which
augmentations it has to follow. Where they are not the same everywhere, or it cannot follow, it is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.diagnostics import Diagnostic, Label
from dlc.compiler.kinds import Reject
from dlc.compiler.passes.extension import prune
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from dlc.compiler.diagnostics import Problems
    from dlc.compiler.ir import Graph, Node, Value

AMBIGUOUS = "E0514"
MIXED = "E0515"
ONCE = "augment once, and let all read what that makes; `concat` joins several images before it"


@record
class Origin:
    """What a value depends on: inputs, targets, and augmentations that some target may have to follow."""

    inputs: frozenset[Value] = frozenset()
    targets: frozenset[Value] = frozenset()
    leaders: frozenset[Node] = frozenset()


@record
class Plan:
    """The targets that follow each augmentation, in the order of the graph, and those that cannot."""

    followers: Mapping[Node, tuple[Value, ...]]
    strays: tuple[Stray, ...] = ()


class Stray(Exception):
    """A target that cannot follow an augmentation, and why."""

    def __init__(self, node: Node, target: Value, message: str, help: str, code: str = AMBIGUOUS):
        self.node, self.target = node, target
        self.message, self.help, self.code = message, help, code


def check(graph: Graph, problems: Problems) -> None:
    """Report the targets that would have to follow an augmentation and cannot."""
    for stray in plan(graph).strays:
        its = Label(stray.target.site.span, "its target")
        problems.add(Diagnostic.at(stray.node.site, stray.code, stray.message, stray.help, more=[its]))


def plan(graph: Graph) -> Plan:
    """Who follows what, in all that the outputs of a graph need."""
    graph = prune(graph)
    targets = [v for v in graph.inputs if v.is_target]
    leading = [n for n in graph.nodes if any(n.operator.leads(t.type) for t in targets)]
    if not leading:
        return Plan({})
    origins = origins_of(graph, leading)
    followers: dict[Node, list[Value]] = {node: [] for node in leading}
    strays = []
    for target in targets:
        try:
            for node in led_by(graph, origins, target):
                followers[node].append(target)
        except Stray as stray:
            strays.append(stray)
    strays += unmixed(graph, followers)
    return Plan({node: tuple(found) for node, found in followers.items() if found}, tuple(strays))


def origins_of(graph: Graph, leading: Collection[Node]) -> dict[Value, Origin]:
    origins = {w.value: Origin() for w in graph.weights}
    for value in graph.inputs:
        own = frozenset({value})
        origins[value] = Origin(targets=own) if value.is_target else Origin(inputs=own)
    for node in graph.nodes:
        read = [origins[v] for v in node.reads]
        made = Origin(
            frozenset().union(*(o.inputs for o in read)),
            frozenset().union(*(o.targets for o in read)),
            frozenset({node} if node in leading else ()).union(*(o.leaders for o in read)),
        )
        origins.update(dict.fromkeys(node.results, made))
    return origins


def held_against(graph: Graph, origins: Mapping[Value, Origin], target: Value) -> Iterator[Value]:
    """The values that a target, or what is made of it, is held against."""
    for node in graph.nodes:
        if any(target in origins[v].targets and not origins[v].inputs for v in node.operands):
            yield from (v for v in node.operands if origins[v].inputs)


def led_by(graph: Graph, origins: Mapping[Value, Origin], target: Value) -> Sequence[Node]:
    """The augmentations that a target follows, one after the other; `Stray` if it cannot."""

    def leaders(value: Value) -> frozenset[Node]:
        return frozenset(n for n in origins[value].leaders if n.operator.leads(target.type))

    # one number for a sample, as a weight in a loss, has no places that could be moved
    against = [v for v in held_against(graph, origins, target) if v.type.rank or leaders(v)]
    ways = [leaders(v) for v in against]
    order = [n for n in graph.nodes if any(n in way for way in ways)]
    field = target.field
    for place, node in enumerate(order):
        name = node.operator.name
        if not all(node in way for way in ways):
            raise Stray(node, target, f"`{name}` augments some of what the target `{field}` is held against, "
                                      "and not all of it", ONCE)  # fmt: skip
        if len(leaders(node.operands[0])) < place:
            raise Stray(node, target, f"the target `{field}` cannot follow both `{name}` and "
                                      f"`{order[place - 1].operator.name}` beside it", ONCE)  # fmt: skip
    for node in order:
        name, image = node.operator.name, origins[node.operands[0]]
        if target in image.targets:
            raise Stray(node, target, f"`{name}` augments the target `{field}` itself, and has it follow too",
                        "let it augment the image alone: the target follows by itself")  # fmt: skip
        if not past(graph, node, image.inputs).isdisjoint(against):
            raise Stray(node, target, f"what the target `{field}` is held against sees the image both with "
                                      f"`{name}` and without", ONCE)  # fmt: skip
        try:
            node.operator.check_target(target.type)
        except Reject as reject:
            raise Stray(node, target, f"the target `{field}` cannot follow `{name}`: {reject.message}",
                        reject.help, reject.code) from None  # fmt: skip
    return order


def past(graph: Graph, node: Node, inputs: Collection[Value]) -> set[Value]:
    """What depends on inputs in another way than through a node."""
    found = set(inputs)
    for other in graph.nodes:
        if other is not node and not found.isdisjoint(other.reads):
            found.update(other.results)
    return found


def unmixed(graph: Graph, followers: Mapping[Node, Sequence[Value]]) -> Iterator[Stray]:
    """What keeps losses from being computed twice, and mixed."""
    mixing = [n for n, targets in followers.items() if n.operator.mixes_targets and targets]
    for node in mixing[1:]:
        target = followers[node][0]
        yield Stray(node, target, "a loss cannot be mixed twice", "take out one `mixup`", MIXED)
    for mixup in mixing[:1]:
        for target in followers[mixup]:
            behind = past(graph, mixup, {target})
            acting = (n for n in graph.nodes if n.operator.random or n.operator.needs_many_rows)
            for node in (n for n in acting if n is not mixup and not behind.isdisjoint(n.results)):
                yield Stray(mixup, target, f"`{node.operator.name}` depends on the target "
                                           f"`{target.name.removesuffix('.target')}`, and would act twice",
                            "mix where no target flows into the network", MIXED)  # fmt: skip
