"""Augmentations and the targets that follow them, joined into nodes that share their draws."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.ir.graph import Node, Value
from dlc.compiler.operators.mixup import Blend
from dlc.compiler.passes import target_augmentation
from dlc.compiler.passes.graph_rewrite import Extension, in_order, rewired

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from dlc.compiler.ir.graph import Graph, GraphInput


def follow(graph: Graph, smooth: Collection[Value | None]) -> Graph:
    """The graph with all targets following what they are held against, its outputs being losses; `smooth` are
    the targets whose values may be interpolated."""
    plan = target_augmentation.plan(graph)
    if not plan.followers:
        return graph
    extension = Extension(graph)
    # each target as it has become, and, where it is mixed, its partner's
    versions: dict[GraphInput, tuple[Value, ...]] = {
        t: (t,) for targets in plan.followers.values() for t in targets
    }
    joined: dict[Node, Node] = {}
    share = None
    for node, targets in plan.followers.items():
        joined[node] = join(extension, node, {t: versions[t] for t in targets}, smooth)
        made = list(joined[node].results[len(node.results) :])
        if node.operator.mixes_targets:
            share = made.pop(0)
        for target in targets:
            kept = versions[target] if node.operator.mixes_targets else ()
            versions[target] = (*kept, *(made.pop(0) for _ in versions[target]))
    latest: dict[Value, Value] = {target: found[0] for target, found in versions.items()}
    extension.nodes = [joined.get(n) or rewired(n, latest) for n in graph.nodes]
    outputs = dict(graph.outputs)
    if share is not None:
        partners = {found[0]: found[1] for found in versions.values() if len(found) > 1}
        outputs = twice(extension, share, partners, frozenset(joined.values()))
    return in_order(replace(graph, nodes=tuple(extension.nodes), outputs=outputs))


def join(
    extension: Extension,
    node: Node,
    versions: Mapping[GraphInput, tuple[Value, ...]],
    smooth: Collection[Value | None],
) -> Node:
    """The node with targets behind its operands, and what becomes of them behind its results."""
    taken = [(t, v) for t, found in versions.items() for v in found]
    operator = node.operator.with_targets(tuple(t in smooth for t, _ in taken))
    flowing, given = node.operator.split(node.operands)
    operands = (*flowing, *(v for _, v in taken), *given.values())
    bound = operator.bind(*(v.type for v in operands))
    more = bound.results[len(node.results) :]
    what = "partner" if node.operator.mixes_targets else node.operator.name
    names = [f"{node.name}.share"] * (len(more) - len(taken))
    names += [f"{t.field}.{what}" for t, _ in taken]
    claim = extension.names.claim
    made = [Value(claim(name), type, node.site) for name, type in zip(names, more, strict=True)]
    return replace(node, operator=bound, operands=operands, results=(*node.results, *made))


def twice(
    extension: Extension, share: Value, partners: Mapping[Value, Value], joined: Collection[Node]
) -> dict[str, Value]:
    """Compute all that depends on mixed targets once more, with the partners', and weigh the losses."""
    twins, nodes, claim = dict(partners), [], extension.names.claim
    for node in extension.nodes:
        nodes.append(node)
        if node in joined or twins.keys().isdisjoint(node.operands):
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
        name: extension.add(Blend(), (share, v, twins[v]), f"{v.name}.mixup", v.site) if v in twins else v
        for name, v in extension.graph.outputs.items()
    }
