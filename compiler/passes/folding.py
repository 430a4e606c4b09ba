"""Fold a normalization into the layer before it, if the normalization is the only reader of the layer. This
is repeated until no normalization directly follows a layer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.definitions.constants import nested_list
from dlc.compiler.definitions.initializers import Zeros
from dlc.compiler.ir.graph import Graph, Node, Value, Weight

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from dlc.compiler.operators.base import Operator

FOLDED = ".folded"


def fold(graph: Graph, weights: Mapping[str, np.ndarray]) -> tuple[Graph, dict[str, np.ndarray]]:
    """The graph without the folded normalizations, and its weights. Folded weights are new; their names are
    those of the layer with `.folded`. They are shared if the layer and the normalization shared theirs."""
    weights = dict(weights)
    while pairs := foldable(graph, values := known_arrays(graph, weights)):
        graph, weights = fold_each(graph, pairs, values)
    return graph, weights


def fold_each(
    graph: Graph, pairs: Mapping[Node, Node], values: dict[Value, np.ndarray]
) -> tuple[Graph, dict[str, np.ndarray]]:
    """The graph with each normalization folded into its layer, and its weights."""
    stored = {w.value for w in graph.weights}
    folded: dict[tuple, dict[str, Weight]] = {}
    nodes: dict[Node, Node | None] = {}
    for layer, norm in pairs.items():
        key = (*layer.weights.values(), *norm.weights.values(), norm.operator)
        if key not in folded:
            arrays = folded_arrays(layer, norm, values)
            folded[key] = {leaf: folded_weight(layer, leaf, a, stored) for leaf, a in arrays.items()}
            values |= {folded[key][leaf].value: array for leaf, array in arrays.items()}
        own = {leaf: weight.value for leaf, weight in folded[key].items()}
        nodes[layer] = None
        nodes[norm] = replace(layer, operator=with_bias(layer), weights=own, results=norm.results)
    kept = tuple(n for node in graph.nodes if (n := nodes.get(node, node)) is not None)
    read = {v for n in kept for v in n.reads} | set(graph.outputs.values())
    new = (w for weights in folded.values() for w in weights.values())
    remaining = tuple(w for w in (*graph.weights, *new) if w.value in read)
    return replace(graph, nodes=kept, weights=remaining), {w.name: values[w.value] for w in remaining}


def known_arrays(graph: Graph, weights: Mapping[str, np.ndarray]) -> dict[Value, np.ndarray]:
    """The arrays of weights and constants."""
    constants = {
        node.results[0]: np.asarray(nested_list(value), np.float32)
        for node in graph.nodes
        if (value := node.operator.constant()) is not None
    }
    return {w.value: weights[w.name] for w in graph.weights} | constants


def foldable(graph: Graph, values: Mapping[Value, np.ndarray]) -> dict[Node, Node]:
    """The layers that are followed by a normalization, and the normalization. Nothing else reads the layer,
    the arrays of all weights are known, and all uses of the layer's weights are folded in the same way."""
    readers, producers, outputs = graph.readers(), graph.producers(), set(graph.outputs.values())
    pairs: dict[Node, Node] = {}
    for norm in graph.nodes:
        layer = producers.get(norm.operands[0]) if norm.operator.rescales() else None
        if layer is None or not layer.operator.features_first():
            continue
        only_reader = readers[norm.operands[0]] == [norm] and norm.operands[0] not in outputs
        if only_reader and all(v in values for v in (*layer.weights.values(), *norm.weights.values())):
            pairs[layer] = norm

    def same(norm: Node, other: Node | None) -> bool:
        return other is not None and other.operator == norm.operator and other.weights == norm.weights

    return {
        layer: norm
        for layer, norm in pairs.items()
        if not outputs.intersection(layer.weights.values())
        and all(same(norm, pairs.get(r)) for v in layer.weights.values() for r in readers[v])
    }


def folded_arrays(layer: Node, norm: Node, values: Mapping[Value, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights, by leaf name, with which the layer computes the result of the normalization."""
    of_layer, of_norm = (
        {leaf: np.asarray(values[v]) for leaf, v in node.weights.items()} for node in (layer, norm)
    )
    scale, offset = norm.operator.scale_and_offset(np, **of_norm)
    return layer.operator.scaled(np, of_layer, scale, offset)


def with_bias(layer: Node) -> Operator:
    """The operator of the layer with a bias."""
    operator = layer.operator
    if "bias" in layer.weights:
        return operator
    return operator.with_settings(bias=True).knowing(lengths=operator.lengths).bind(*operator.operands)


def folded_weight(layer: Node, leaf: str, array: np.ndarray, stored: Container[Value]) -> Weight:
    old = layer.weights.get(leaf)
    name = old.name.removesuffix(FOLDED) if old is not None and old in stored else f"{layer.name}.{leaf}"
    type = layer.results[0].type.with_shape(*array.shape)
    return Weight(Value(f"{name}{FOLDED}", replace(type, batched=False), layer.site), Zeros(), "weight")
