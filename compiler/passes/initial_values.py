"""Choose initial values where the file leaves them to us."""

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
    """Every `auto` replaced: He before the ReLU family, LeCun before `selu`, Xavier otherwise."""
    readers = graph.readers()
    wanted = wanted_starts(graph, readers)

    def pick(value: Value) -> Initializer:
        node = next((n for n in readers.get(value, ()) if value in n.weights.values()), None)
        if node is None:
            return XavierNormal()
        return node.operator.auto or BY_ACTIVATION[wanted[node]]

    weights = tuple(
        replace(w, initial=pick(w.value)) if isinstance(w.initial, Auto) else w for w in graph.weights
    )
    return replace(graph, weights=weights)


def wanted_starts(graph: Graph, readers: Mapping[Value, Sequence[Node]]) -> dict[Node, str]:
    """For each node the start that the first activation behind it asks for, looking through norms,
    pooling and shapes."""
    nearest: dict[Node, tuple[int, str]] = {}  # how many nodes stand before that activation, and its start
    for node in reversed(graph.nodes):
        ways = (way(reader, nearest) for value in node.results for reader in readers.get(value, ()))
        found = min((w for w in ways if w), key=itemgetter(0), default=None)
        if found:
            nearest[node] = found
    return {node: nearest[node][1] if node in nearest else "" for node in graph.nodes}


def way(reader: Node, nearest: Mapping[Node, tuple[int, str]]) -> tuple[int, str] | None:
    """How far the first activation is from one that may be it, and the start that it asks for."""
    if reader.operator.family == "loss":
        return None
    if reader.operator.initial is not None:
        return 0, reader.operator.initial
    if reader.operator.linear or reader not in nearest:
        return None
    steps, start = nearest[reader]
    return steps + 1, start
