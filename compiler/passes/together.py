"""Augmentations and the targets that follow them, joined into nodes that share their draws."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.ir import Node, Value
from dlc.compiler.passes import following
from dlc.compiler.passes.extension import Extension, in_order, rewired

if TYPE_CHECKING:
    from collections.abc import Collection

    from dlc.compiler.ir import Graph


def follow(graph: Graph, smooth: Collection[Value | None]) -> Graph:
    """The graph with all targets following what they are held against; `smooth` are those whose values may be
    interpolated."""
    plan = following.plan(graph)
    if not plan.followers:
        return graph
    names = Extension(graph)
    latest = {t: t for targets in plan.followers.values() for t in targets}
    joined: dict[Node, Node] = {}
    for node, targets in plan.followers.items():
        operator = node.operator.leading(tuple(t in smooth for t in targets))
        operands = (*node.operands, *(latest[t] for t in targets))
        bound = operator.bind(*(v.type for v in operands))
        made = [
            Value(names.name(f"{t.name.removesuffix('.target')}.{node.operator.name}"), type, node.site)
            for t, type in zip(targets, bound.results[1:], strict=True)
        ]
        joined[node] = replace(node, operator=bound, operands=operands, results=(*node.results, *made))
        latest.update(zip(targets, made, strict=True))
    nodes = tuple(joined.get(n) or rewired(n, latest) for n in graph.nodes)
    return in_order(replace(graph, nodes=nodes))
