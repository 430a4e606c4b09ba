"""Initializers for weights whose spec does not give one."""

from __future__ import annotations

from dataclasses import replace
from operator import itemgetter
from typing import TYPE_CHECKING

from dlc.compiler.definitions.initializers import Auto, HeNormal, Initializer, LecunNormal, XavierNormal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dlc.compiler.ir.graph import Graph, Node, Value

BY_ACTIVATION: dict[str, Initializer] = {"he": HeNormal(), "lecun": LecunNormal(), "": XavierNormal()}


def choose(graph: Graph) -> Graph:
    """Replace each `auto`: He before the ReLU family, LeCun before `selu`, Xavier otherwise."""
    readers = graph.readers()
    needed = needed_initializers(graph, readers)

    def pick(value: Value) -> Initializer:
        node = next((n for n in readers.get(value, ()) if value in n.weights.values()), None)
        if node is None:
            return XavierNormal()
        return node.operator.auto or BY_ACTIVATION[needed[node]]

    weights = tuple(
        replace(w, initial=pick(w.value)) if isinstance(w.initial, Auto) else w for w in graph.weights
    )
    return replace(graph, weights=weights)


def needed_initializers(graph: Graph, readers: Mapping[Value, Sequence[Node]]) -> dict[Node, str]:
    """For each node the initialization that the next activation needs, looking through normalization, pooling
    and reshapes. A key of `BY_ACTIVATION`."""
    nearest: dict[Node, tuple[int, str]] = {}  # the number of nodes before that activation, and its need
    for node in reversed(graph.nodes):
        paths = (path(reader, nearest) for value in node.results for reader in readers.get(value, ()))
        found = min((p for p in paths if p), key=itemgetter(0), default=None)
        if found:
            nearest[node] = found
    return {node: nearest[node][1] if node in nearest else "" for node in graph.nodes}


def path(reader: Node, nearest: Mapping[Node, tuple[int, str]]) -> tuple[int, str] | None:
    """The distance of the next activation from a reader, and the initialization that it needs."""
    if reader.operator.family == "loss":
        return None
    if reader.operator.initial is not None:
        return 0, reader.operator.initial
    if reader.operator.linear or reader not in nearest:
        return None
    steps, need = nearest[reader]
    return steps + 1, need
