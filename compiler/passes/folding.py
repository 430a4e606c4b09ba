"""Fold a normalization into the layer before it, where the normalization is that layer's only reader."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.initial import Zeros
from dlc.compiler.ir import Graph, Node, Value, Weight
from dlc.compiler.operators.layers import Layer

if TYPE_CHECKING:
    from collections.abc import Mapping


def fold(graph: Graph, weights: Mapping[str, np.ndarray]) -> tuple[Graph, dict[str, np.ndarray]]:
    """The graph with fewer nodes, and its weights; folded ones are new,
    named after the layer's with `.folded`."""
    readers, producers = graph.readers(), graph.producers()
    values = dict(weights)
    made: list[Weight] = []
    nodes: dict[Node, Node | None] = {}
    for norm in graph.nodes:
        layer = producers.get(norm.operands[0]) if hasattr(norm.operator, "scale_and_offset") else None
        if layer is None or not foldable(layer, norm, graph, readers, values):
            continue
        folded = {leaf: np.asarray(values[v.name]) for leaf, v in layer.weights.items()}
        scale, offset = norm.operator.scale_and_offset(  # type: ignore[attr-defined]
            np, **{leaf: np.asarray(values[v.name]) for leaf, v in norm.weights.items()}
        )
        new = {
            leaf: own_weight(layer, leaf, array)
            for leaf, array in layer.operator.scaled(np, folded, scale, offset).items()  # type: ignore[attr-defined]
        }
        made += [w for w, _ in new.values()]
        values |= {w.name: array for w, array in new.values()}
        nodes[layer] = None
        nodes[norm] = replace(
            layer, weights={leaf: w.value for leaf, (w, _) in new.items()}, results=norm.results
        )
    kept = tuple(n for node in graph.nodes if (n := nodes.get(node, node)) is not None)
    read = {v for n in kept for v in n.reads} | set(graph.outputs.values())
    remaining = tuple(w for w in (*graph.weights, *made) if w.value in read)
    return replace(graph, nodes=kept, weights=remaining), {w.name: values[w.name] for w in remaining}


def foldable(
    layer: Node,
    norm: Node,
    graph: Graph,
    readers: Mapping[Value, list[Node]],
    values: Mapping[str, np.ndarray],
) -> bool:
    """The layer's features are what the norm normalizes, nobody else reads them,
    and all weights are stored ones."""
    made = norm.operands[0]
    return (
        isinstance(layer.operator, Layer)
        and layer.operator.features_first()
        and readers[made] == [norm]
        and made not in graph.outputs.values()
        and all(v.name in values for v in (*layer.weights.values(), *norm.weights.values()))
    )


def own_weight(layer: Node, leaf: str, array: np.ndarray) -> tuple[Weight, np.ndarray]:
    own = layer.weights.get(leaf)
    name = f"{own.name if own is not None else f'{layer.name}.{leaf}'}.folded"
    type = layer.results[0].type.with_shape(*array.shape)
    value = Value(name, replace(type, batched=False), layer.site)
    return Weight(value, Zeros(), "weight"), array
