"""Which targets follow an augmentation: those that are held against what it moved, or mixed.

A value that depends on targets and on no input is *held against* one that depends on inputs where an operator
reads both: a loss, arithmetic of the file, a discriminator. What a target is held against says which
augmentations it has to follow. Where they are not the same everywhere, or it cannot follow, it is an error.
"""

from __future__ import annotations

from functools import reduce
from operator import and_
from typing import TYPE_CHECKING

from dlc.compiler.definitions.parameter_types import Reject
from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.ir.graph import union
from dlc.compiler.passes.graph_rewrite import prune
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dlc.compiler.diagnostics.problems import Problems
    from dlc.compiler.ir.graph import Graph, GraphInput, Node, Value

AMBIGUOUS = "E0514"
MIXED = "E0515"
ONCE = "augment once, and let all read what that makes; `concat` joins several images before it"


@record
class AugmentationPlan:
    """The targets that follow each augmentation, in the order of the graph, and those that cannot."""

    followers: Mapping[Node, tuple[GraphInput, ...]]
    strays: tuple[Stray, ...] = ()


class Stray(Exception):
    """A target that cannot follow an augmentation, and why."""

    def __init__(self, node: Node, target: GraphInput, message: str, help: str, code: str = AMBIGUOUS):
        self.node, self.target = node, target
        self.message, self.help, self.code = message, help, code


def check(graph: Graph, problems: Problems) -> None:
    """Report the targets that would have to follow an augmentation and cannot."""
    for stray in plan(graph).strays:
        its = Label(stray.target.site.span, "its target")
        problems.add(Diagnostic.at(stray.node.site, stray.code, stray.message, stray.help, more=[its]))


def plan(graph: Graph) -> AugmentationPlan:
    """Who follows what, in all that the outputs of a graph need."""
    graph = prune(graph)
    targets = [v for v in graph.inputs if v.is_target]
    types = dict.fromkeys(t.type for t in targets)
    leading = [n for n in graph.nodes if any(map(n.operator.leads, types))]
    if not leading:
        return AugmentationPlan({})
    origins = Origins(graph, targets, leading)
    followers: dict[Node, list[GraphInput]] = {node: [] for node in leading}
    strays = []
    for target, against in origins.held_against().items():
        try:
            for node in led_by(origins, target, against):
                followers[node].append(target)
        except Stray as stray:
            strays.append(stray)
    strays += unmixed(graph, followers)
    return AugmentationPlan({node: tuple(found) for node, found in followers.items() if found}, tuple(strays))


class Origins:
    """What each value depends on: inputs, targets, and augmentations (`leaders`), each as bits of a number in
    the order in which they stand. `past` are the augmentations without which a value sees their image, and
    `leading` those that targets of a type follow."""

    def __init__(self, graph: Graph, targets: Sequence[GraphInput], leading: Sequence[Node]) -> None:
        self.graph, self.all_targets, self.all_leading = graph, targets, leading
        inputs = [v for v in graph.inputs if not v.is_target]
        self.bits = {thing: 1 << k for things in (inputs, targets, leading) for k, thing in enumerate(things)}
        own = {result: self.bits[node] for node in leading for result in node.results}
        self.inputs = graph.depends({v: self.bits[v] for v in inputs})
        self.targets = graph.depends({v: self.bits[v] for v in targets})
        self.leaders = graph.depends(own)
        seeing: dict[int, int] = {}  # the augmentations of images that depend on the same inputs
        for node in leading:
            image = self.inputs.get(node.operands[0], 0)
            seeing[image] = seeing.get(image, 0) | self.bits[node]
        past: dict[Value, int] = dict.fromkeys(inputs, 0)
        for image, marks in seeing.items():
            for place in places(image):
                past[inputs[place]] |= marks
        self.past = graph.depends(past, own)
        types = dict.fromkeys(t.type for t in targets)
        self.leading = {t: union(self.bits[n] for n in leading if n.operator.leads(t)) for t in types}

    def held_against(self) -> dict[GraphInput, list[Value]]:
        """The values that each target, or what is made of it, is held against."""
        found: dict[GraphInput, list[Value]] = {target: [] for target in self.all_targets}
        for node in self.graph.nodes:
            alone = union(self.targets.get(v, 0) for v in node.operands if not self.inputs.get(v))
            against = [v for v in node.operands if self.inputs.get(v)]
            for place in places(alone) if against else ():
                found[self.all_targets[place]] += against
        return found


def places(marks: int) -> Iterator[int]:
    """The places of the bits of a number, the lowest first."""
    while marks:
        lowest = marks & -marks
        yield lowest.bit_length() - 1
        marks ^= lowest


def led_by(origins: Origins, target: GraphInput, against: Sequence[Value]) -> Sequence[Node]:
    """The augmentations that a target follows, one after the other; `Stray` if it cannot."""
    leading = origins.leading[target.type]

    def leaders(value: Value) -> int:
        return origins.leaders.get(value, 0) & leading

    # one number for a sample, as a weight in a loss, has no places that could be moved
    against = [v for v in against if v.type.rank or leaders(v)]
    ways = [leaders(v) for v in against]
    order = [origins.all_leading[place] for place in places(union(ways))]
    always = reduce(and_, ways, leading)
    past = union(origins.past.get(v, 0) for v in against)
    field = target.field
    for place, node in enumerate(order):
        name = node.operator.name
        if not always & origins.bits[node]:
            raise Stray(node, target, f"`{name}` augments some of what the target `{field}` is held against, "
                                      "and not all of it", ONCE)  # fmt: skip
        if leaders(node.operands[0]).bit_count() < place:
            raise Stray(node, target, f"the target `{field}` cannot follow both `{name}` and "
                                      f"`{order[place - 1].operator.name}` beside it", ONCE)  # fmt: skip
    for node in order:
        name = node.operator.name
        if origins.targets.get(node.operands[0], 0) & origins.bits[target]:
            raise Stray(node, target, f"`{name}` augments the target `{field}` itself, and has it follow too",
                        "let it augment the image alone: the target follows by itself")  # fmt: skip
        if past & origins.bits[node]:
            raise Stray(node, target, f"what the target `{field}` is held against sees the image both with "
                                      f"`{name}` and without", ONCE)  # fmt: skip
        try:
            node.operator.check_target(target.type)
        except Reject as reject:
            raise Stray(node, target, f"the target `{field}` cannot follow `{name}`: {reject.message}",
                        reject.help, reject.code) from None  # fmt: skip
    return order


def unmixed(graph: Graph, followers: Mapping[Node, Sequence[GraphInput]]) -> Iterator[Stray]:
    """What keeps losses from being computed twice, and mixed."""
    mixing = [n for n, targets in followers.items() if n.operator.mixes_targets and targets]
    for node in mixing[1:]:
        target = followers[node][0]
        yield Stray(node, target, "a loss cannot be mixed twice", "take out one `mixup`", MIXED)
    for mixup in mixing[:1]:
        targets = followers[mixup]
        marks: dict[Value, int] = {target: 1 << place for place, target in enumerate(targets)}
        behind = graph.depends(marks, dict.fromkeys(mixup.results, union(marks.values())))
        acting = (n for n in graph.nodes if n.operator.random or n.operator.needs_many_rows)
        for node in (n for n in acting if n is not mixup):
            place = next(places(union(behind.get(v, 0) for v in node.results)), None)
            if place is not None:
                yield Stray(mixup, targets[place], f"`{node.operator.name}` depends on the target "
                                                   f"`{targets[place].field}`, and would act twice",
                            "mix where no target flows into the network", MIXED)  # fmt: skip
