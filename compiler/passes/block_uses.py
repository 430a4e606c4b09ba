"""Graphs by uses of blocks and nets: whole uses, and what all uses of a net return."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from dlc.compiler.passes.graph_rewrite import prune

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dlc.compiler.diagnostics.source import Use
    from dlc.compiler.ir.graph import Graph, Node, Value


def whole_blocks(
    graph: Graph, values: Iterable[Value], left: Mapping[Value, int] = MappingProxyType({})
) -> set[Node]:
    """The nodes that values depend on, and all nodes of their blocks, except those of `left`."""
    found: set[Node] = set()
    wanted = set(values)
    while True:
        needed = graph.needed_by(wanted)
        before, found = found, {node for node in graph.nodes if not needed.isdisjoint(node.results)}
        if len(found) == len(before):
            return found
        uses = {node.site.entered[-1] for node in found if node.site.entered}
        inside = (n for n in graph.nodes if n.site.entered and n.site.entered[-1] in uses)
        wanted |= {value for node in inside for value in node.results if not left.get(value)}


def net_results(graph: Graph) -> list[Value]:
    """The results of a net that one of its uses has; all other uses have to return them too."""
    nets: dict[str, dict[Use, list[Value]]] = {}
    for node in graph.nodes:
        for use in (use for use in node.site.entered if use.what.startswith("net ")):
            nets.setdefault(use.prefix, {}).setdefault(use, []).extend(node.results)
    live = prune(graph)
    readers, ends = live.readers(), {*live.outputs.values()}
    found: list[Value] = []
    for uses in nets.values():
        used = {use: values for use, values in uses.items() if not readers.keys().isdisjoint(values)}
        for column in zip(*used.values(), strict=False):
            pairs = zip(used, column, strict=True)
            if any(v in ends or any(u not in n.site.uses for n in readers.get(v, ())) for u, v in pairs):
                found += column
    return found
