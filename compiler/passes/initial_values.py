"""Choose initial values where the file leaves them to us."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.initial import Auto, HeNormal, Initial, LecunNormal, XavierNormal
from dlc.compiler.operators.layers import Layer

if TYPE_CHECKING:
    from dlc.compiler.ir import Graph, Node, Value

BY_ACTIVATION: dict[str, Initial] = {"he": HeNormal(), "lecun": LecunNormal(), "": XavierNormal()}


def choose(graph: Graph) -> Graph:
    """Every `auto` replaced: He before the ReLU family, LeCun before `selu`, Xavier otherwise."""
    readers = graph.readers()

    def pick(value: Value) -> Initial:
        node = next((n for n in readers.get(value, ()) if value in n.weights.values()), None)
        if node is None:
            return XavierNormal()
        return node.operator.auto or BY_ACTIVATION[following(node, readers)]

    weights = tuple(
        replace(w, initial=pick(w.value)) if isinstance(w.initial, Auto) else w for w in graph.weights
    )
    return replace(graph, weights=weights)


def following(node: Node, readers: dict[Value, list[Node]]) -> str:
    """The start that the first activation behind a layer asks for, looking through norms,
    pooling and shapes."""
    waiting, seen = list(node.results), set()
    while waiting:
        value = waiting.pop(0)
        for reader in readers.get(value, ()):
            if reader in seen or reader.operator.family == "loss":
                continue
            seen.add(reader)
            if reader.operator.initial is not None:
                return reader.operator.initial
            if not isinstance(reader.operator, Layer):
                waiting += reader.results
    return ""
