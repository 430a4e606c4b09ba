"""The layers and the units of a form whose statistics are taken in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.passes.lints.value_origins import back
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from dlc.compiler.ir.graph import Graph, Node, Value, Weight


@record(eq=False)
class WatchedLayer:
    """A trained weight of a layer. On the shortest way from it to the loss, `after` layers follow, and the
    last of them has the weight `last`: its own name, if none follows."""

    weight: Weight
    operator: str
    after: int
    last: str


@record(eq=False)
class Units:
    """The units of an activation within a network: the node, the axis of its units in a batch, and the values
    below and above which it is flat."""

    node: Node
    axis: int
    count: int
    low: float
    high: float | None

    @property
    def value(self) -> Value:
        return self.node.results[0]


def layers(graph: Graph, learns: Container[str]) -> Iterator[WatchedLayer]:
    """The weights of layers that an objective trains, in the order in which the graph reads them."""
    weights = {
        w.value: w for w in graph.weights if w.role == "weight" and w.name in learns and w.value.type.rank > 1
    }
    after: dict[Value, tuple[int, str]] = {}  # the layers that follow a value, and the last one
    found: dict[Value, WatchedLayer] = {}
    for node in reversed(graph.nodes):
        following = [after[value] for value in node.results if value in after]
        for value in node.reads:
            if value in weights:
                count, last = min(following, default=(0, value.name))
                if value not in found or count < found[value].after:
                    found[value] = WatchedLayer(weights[value], node.operator.name, count, last)
        own = [(found[v].after + 1, found[v].last) for v in node.reads if v in weights]
        if own or following:
            for value in node.reads:
                after[value] = min([*own, *([after[value]] if value in after else [])] or following)
    order = dict.fromkeys(v for node in graph.nodes for v in node.reads if v in found)
    yield from (found[value] for value in order)


def hidden_units(graph: Graph, trained: Container[str], answers: Container[Value]) -> Iterator[Units]:
    """The activations that are flat somewhere, between trained weights of one net. Those whose results are
    the `answers` of the network, or of one net for another, are none: they may be flat."""
    weights = {w.value: 1 for w in graph.weights if w.name in trained}
    learnt = graph.depends(weights)
    read = graph.needed_by(
        v for n in graph.nodes if not weights.keys().isdisjoint(n.reads) for v in n.operands if v.type.batched
    )
    readers, producers = graph.readers(), graph.producers()
    for node in graph.nodes:
        value = node.results[0]
        inside = any(reader.net == node.net for reader in readers.get(value, ()))
        ends = node.operator.flat_at if value.type.batched and inside and value not in answers else None
        if ends is None or value not in read or value not in learnt:
            continue
        low, high = ends
        axis = unit_axis(node, producers)
        count = value.type.shape[axis - 1 if axis > 0 else axis] if value.type.rank else 1
        if isinstance(count, int) and value.type.rank:
            yield Units(node, axis, count, low, high)


def unit_axis(node: Node, producers: Mapping[Value, Node]) -> int:
    """The axis of the units in a batch: 1 after a convolution, -1 after other layers."""
    for maker in (node, *back(node.operands[0], producers, lambda n: "axes" in n.operator.keeps)):
        if maker.operator.linear and maker.operator.multiply_adds():
            return 1 if maker.operator.features_first() else -1
        if maker.operator.recurs:
            return -1
    return 1 if node.results[0].type.rank > 2 else -1
