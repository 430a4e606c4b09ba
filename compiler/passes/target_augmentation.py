"""Augmentation of targets: a target that is compared with augmented values is augmented by the same draws.

A value that depends on targets and on no input is *compared* with a value that depends on inputs if an
operator reads both: a loss, arithmetic of the spec, a discriminator. A target is augmented by the
augmentations of all values that it is compared with. It is an error if these augmentations are not the same
for all of them, or if the target cannot be augmented.

`plan` finds the targets of each augmentation, and `augment_targets` rewrites the graph: each augmentation and
its targets become one node, so that they share their random draws.
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING

from dlc.compiler.definitions.parameter_types import Reject
from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.ir.graph import Node, Value, union
from dlc.compiler.operators.mixing import Blend
from dlc.compiler.passes.graph_rewrite import Extension, in_order, prune, rewired
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from dlc.compiler.diagnostics.problems import Problems
    from dlc.compiler.ir.graph import Graph, GraphInput

AMBIGUOUS = "E0514"
MIXED = "E0515"
ONCE = "augment once, and use the result everywhere; `concat` joins several images before it"


@record
class AugmentationPlan:
    """The targets of each augmentation, in the order of the graph, and the errors."""

    targets: Mapping[Node, tuple[GraphInput, ...]]
    errors: tuple[TargetError, ...] = ()


class TargetError(Exception):
    """A target that an augmentation cannot augment, and why."""

    def __init__(self, node: Node, target: GraphInput, message: str, help: str, code: str = AMBIGUOUS):
        self.node, self.target = node, target
        self.message, self.help, self.code = message, help, code


def check(graph: Graph, problems: Problems) -> None:
    """Report the targets that have to be augmented and cannot be."""
    for error in plan(graph).errors:
        label = Label(error.target.site.span, "its target")
        problems.add(Diagnostic.at(error.node.site, error.code, error.message, error.help, more=[label]))


# --- the plan ---------------------------------------------------------------------------------------------


def plan(graph: Graph) -> AugmentationPlan:
    """The targets of each augmentation that the outputs of a graph depend on."""
    graph = prune(graph)
    targets = [v for v in graph.inputs if v.is_target]
    types = dict.fromkeys(t.type for t in targets)
    augmentations = [n for n in graph.nodes if any(map(n.operator.augments_target, types))]
    if not augmentations:
        return AugmentationPlan({})
    origins = Origins(graph, targets, augmentations)
    found: dict[Node, list[GraphInput]] = {node: [] for node in augmentations}
    errors = []
    for target, compared in origins.compared_values().items():
        try:
            for node in augmentations_of(origins, target, compared):
                found[node].append(target)
        except TargetError as error:
            errors.append(error)
    errors += mixing_errors(graph, found)
    return AugmentationPlan({node: tuple(own) for node, own in found.items() if own}, tuple(errors))


class Origins:
    """The inputs, targets and augmentations that each value depends on, as bit sets in graph order.

    `unaugmented` has the augmentations whose image a value also depends on without the augmentation, and
    `possible` the augmentations that can augment targets of a type."""

    def __init__(self, graph: Graph, targets: Sequence[GraphInput], augmentations: Sequence[Node]) -> None:
        self.graph, self.all_targets, self.all_augmentations = graph, targets, augmentations
        inputs = [v for v in graph.inputs if not v.is_target]
        self.bits = {
            item: 1 << k for items in (inputs, targets, augmentations) for k, item in enumerate(items)
        }
        own = {result: self.bits[node] for node in augmentations for result in node.results}
        self.inputs = graph.depends({v: self.bits[v] for v in inputs})
        self.targets = graph.depends({v: self.bits[v] for v in targets})
        self.augmentations = graph.depends(own)
        by_image: dict[int, int] = {}  # the augmentations of images that depend on the same inputs
        for node in augmentations:
            image = self.inputs.get(node.operands[0], 0)
            by_image[image] = by_image.get(image, 0) | self.bits[node]
        unaugmented: dict[Value, int] = dict.fromkeys(inputs, 0)
        for image, marks in by_image.items():
            for index in set_bits(image):
                unaugmented[inputs[index]] |= marks
        self.unaugmented = graph.depends(unaugmented, own)
        types = dict.fromkeys(t.type for t in targets)
        self.possible = {
            t: union(self.bits[n] for n in augmentations if n.operator.augments_target(t)) for t in types
        }

    def compared_values(self) -> dict[GraphInput, list[Value]]:
        """For each target the values that it, or a value computed from it, is compared with."""
        found: dict[GraphInput, list[Value]] = {target: [] for target in self.all_targets}
        for node in self.graph.nodes:
            alone = union(self.targets.get(v, 0) for v in node.operands if not self.inputs.get(v))
            compared = [v for v in node.operands if self.inputs.get(v)]
            for index in set_bits(alone) if compared else ():
                found[self.all_targets[index]] += compared
        return found


def set_bits(marks: int) -> Iterator[int]:
    """The indices of the bits that are set, the lowest first."""
    while marks:
        lowest = marks & -marks
        yield lowest.bit_length() - 1
        marks ^= lowest


def augmentations_of(origins: Origins, target: GraphInput, compared: Sequence[Value]) -> Sequence[Node]:
    """The augmentations of a target in order; `TargetError` if it cannot be augmented."""
    possible = origins.possible[target.type]

    def augmentations(value: Value) -> int:
        return origins.augmentations.get(value, 0) & possible

    # A single number per sample, such as a weight in a loss, has no pixels that could be moved.
    compared = [v for v in compared if v.type.rank or augmentations(v)]
    of_each = [augmentations(v) for v in compared]
    order = [origins.all_augmentations[index] for index in set_bits(union(of_each))]
    of_all = reduce(and_, of_each, possible)
    unaugmented = union(origins.unaugmented.get(v, 0) for v in compared)
    field = target.field
    for index, node in enumerate(order):
        name = node.operator.name
        if not of_all & origins.bits[node]:
            raise TargetError(node, target, f"`{name}` augments some of the values that the target `{field}` "
                                            "is compared with, but not all", ONCE)  # fmt: skip
        if augmentations(node.operands[0]).bit_count() < index:
            raise TargetError(node, target, f"the target `{field}` cannot follow both `{name}` and "
                                            f"`{order[index - 1].operator.name}`, which are parallel",
                              ONCE)  # fmt: skip
    for node in order:
        name = node.operator.name
        if origins.targets.get(node.operands[0], 0) & origins.bits[target]:
            raise TargetError(node, target,
                              f"`{name}` augments the target `{field}` itself, and would augment it twice",
                              "let it augment only the image: the target follows by itself")  # fmt: skip
        if unaugmented & origins.bits[node]:
            raise TargetError(node, target, f"the values that the target `{field}` is compared with use the "
                                            f"image both with `{name}` and without", ONCE)  # fmt: skip
        try:
            node.operator.check_target(target.type)
        except Reject as reject:
            raise TargetError(node, target, f"the target `{field}` cannot follow `{name}`: {reject.message}",
                              reject.help, reject.code) from None  # fmt: skip
    return order


def mixing_errors(graph: Graph, found: Mapping[Node, Sequence[GraphInput]]) -> Iterator[TargetError]:
    """The errors of losses that cannot be computed twice, with both targets, and mixed."""
    mixing = [(node, mixed) for node, targets in found.items() if (mixed := mixed_by(node, targets))]
    for node, targets in mixing[1:]:
        names = dict.fromkeys(f"`{n.operator.name}`" for n in (mixing[0][0], node))
        help = f"remove one {' or '.join(names)}"
        yield TargetError(node, targets[0], "a loss cannot be mixed twice", help, MIXED)
    for first, targets in mixing[:1]:
        marks: dict[Value, int] = {target: 1 << k for k, target in enumerate(targets)}
        depends = graph.depends(marks, dict.fromkeys(first.results, union(marks.values())))
        stateful = (n for n in graph.nodes if n.operator.random or n.operator.needs_many_rows)
        for node in (n for n in stateful if n is not first):
            index = next(set_bits(union(depends.get(v, 0) for v in node.results)), None)
            if index is not None:
                yield TargetError(first, targets[index],
                                  f"`{node.operator.name}` depends on the target `{targets[index].field}` "
                                  "and would be applied twice",
                                  f"use `{first.operator.name}` where no target is an input of the network",
                                  MIXED)  # fmt: skip


def mixed_by(node: Node, targets: Iterable[GraphInput]) -> list[GraphInput]:
    """Those of its targets that an augmentation mixes."""
    return [target for target in targets if node.operator.blends_target(target.type)]


# --- the rewrite ------------------------------------------------------------------------------------------


def augment_targets(graph: Graph, smooth: Collection[Value | None]) -> Graph:
    """A graph whose outputs are losses, with its targets augmented. `smooth` are the targets whose values may
    be interpolated."""
    augmentations = plan(graph)
    if not augmentations.targets:
        return graph
    extension = Extension(graph)
    # Each target as augmented so far; if it is mixed, also the partner's target.
    versions: dict[GraphInput, tuple[Value, ...]] = {
        t: (t,) for targets in augmentations.targets.values() for t in targets
    }
    joint: dict[Node, Node] = {}
    share = None
    for node, targets in augmentations.targets.items():
        joint[node] = joint_node(extension, node, {t: versions[t] for t in targets}, smooth)
        augmented = list(joint[node].results[len(node.results) :])
        mixed = mixed_by(node, targets)
        if node.operator.mixes_targets:
            drawn = augmented.pop(0)
            share = drawn if mixed else share
        for target in targets:
            kept = versions[target] if target in mixed else ()
            versions[target] = (*kept, *(augmented.pop(0) for _ in versions[target]))
    latest: dict[Value, Value] = {target: found[0] for target, found in versions.items()}
    extension.nodes = [joint.get(n) or rewired(n, latest) for n in graph.nodes]
    outputs = dict(graph.outputs)
    if share is not None:
        partners = {found[0]: found[1] for found in versions.values() if len(found) > 1}
        outputs = mixed_losses(extension, share, partners, frozenset(joint.values()))
    return in_order(replace(graph, nodes=tuple(extension.nodes), outputs=outputs))


def joint_node(
    extension: Extension,
    node: Node,
    versions: Mapping[GraphInput, tuple[Value, ...]],
    smooth: Collection[Value | None],
) -> Node:
    """The augmentation with targets after its operands, and the augmented targets after its results."""
    taken = [(t, v) for t, found in versions.items() for v in found]
    operator = node.operator.with_targets(tuple(t in smooth for t, _ in taken))
    positional, given = node.operator.split(node.operands)
    operands = (*positional, *(v for _, v in taken), *given.values())
    bound = operator.bind(*(v.type for v in operands))
    more = bound.results[len(node.results) :]
    mixed = mixed_by(node, versions)
    names = [f"{node.name}.share"] * (len(more) - len(taken))
    names += [f"{t.field}.{'partner' if t in mixed else node.operator.name}" for t, _ in taken]
    claim = extension.names.claim
    results = [Value(claim(name), type, node.site) for name, type in zip(names, more, strict=True)]
    return replace(node, operator=bound, operands=operands, results=(*node.results, *results))


def mixed_losses(
    extension: Extension, share: Value, partners: Mapping[Value, Value], joint: Collection[Node]
) -> dict[str, Value]:
    """Duplicate all nodes that depend on mixed targets, with the partners' targets, and mix the losses."""
    twins, nodes, claim = dict(partners), [], extension.names.claim
    for node in extension.nodes:
        nodes.append(node)
        if node in joint or twins.keys().isdisjoint(node.operands):
            continue
        twin = replace(
            rewired(node, twins),
            results=tuple(Value(claim(f"{v.name}.partner"), v.type, v.site) for v in node.results),
            name=claim(f"{node.name}.partner"),
        )
        twins.update(zip(node.results, twin.results, strict=True))
        nodes.append(twin)
    extension.nodes = nodes
    return {
        name: extension.add(Blend(), (share, v, twins[v]), f"{v.name}.mixed", v.site) if v in twins else v
        for name, v in extension.graph.outputs.items()
    }
