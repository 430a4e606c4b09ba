"""Fold a normalization into the layer before it, where the normalization is that layer's only reader; then
the next, which has come to stand behind the layer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.definitions.initializers import Zeros
from dlc.compiler.ir.graph import Graph, Node, Value, Weight
from dlc.compiler.operators.arithmetic import nested_list

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from dlc.compiler.operators.base import Operator

FOLDED = ".folded"


def fold(graph: Graph, weights: Mapping[str, np.ndarray]) -> tuple[Graph, dict[str, np.ndarray]]:
    """The graph with fewer nodes, and its weights; folded ones are new,
    named after the layer's with `.folded`, and shared where the layer's and the normalization's were."""
    weights = dict(weights)
    while pairs := foldable(graph, values := known(graph, weights)):
        graph, weights = fold_each(graph, pairs, values)
    return graph, weights


def fold_each(
    graph: Graph, pairs: Mapping[Node, Node], values: dict[Value, np.ndarray]
) -> tuple[Graph, dict[str, np.ndarray]]:
    """The graph with each norm folded into its layer, and its weights."""
    stored = {w.value for w in graph.weights}
    made: dict[tuple, dict[str, Weight]] = {}
    nodes: dict[Node, Node | None] = {}
    for layer, norm in pairs.items():
        key = (*layer.weights.values(), *norm.weights.values(), norm.operator)
        if key not in made:
            arrays = folded(layer, norm, values)
            made[key] = {leaf: own_weight(layer, leaf, array, stored) for leaf, array in arrays.items()}
            values |= {made[key][leaf].value: array for leaf, array in arrays.items()}
        own = {leaf: weight.value for leaf, weight in made[key].items()}
        nodes[layer] = None
        nodes[norm] = replace(layer, operator=with_bias(layer), weights=own, results=norm.results)
    kept = tuple(n for node in graph.nodes if (n := nodes.get(node, node)) is not None)
    read = {v for n in kept for v in n.reads} | set(graph.outputs.values())
    new = (w for weights in made.values() for w in weights.values())
    remaining = tuple(w for w in (*graph.weights, *new) if w.value in read)
    return replace(graph, nodes=kept, weights=remaining), {w.name: values[w.value] for w in remaining}


def known(graph: Graph, weights: Mapping[str, np.ndarray]) -> dict[Value, np.ndarray]:
    """The numbers of weights and constants."""
    constants = {
        node.results[0]: np.asarray(nested_list(value), np.float32)
        for node in graph.nodes
        if (value := node.operator.constant()) is not None
    }
    return {w.value: weights[w.name] for w in graph.weights} | constants


def foldable(graph: Graph, values: Mapping[Value, np.ndarray]) -> dict[Node, Node]:
    """Each layer whose features a norm normalizes, and that norm: nobody else reads the layer,
    all weights are known, and the layer's serve nothing that is not folded the same way."""
    readers, producers, shown = graph.readers(), graph.producers(), set(graph.outputs.values())
    pairs: dict[Node, Node] = {}
    for norm in graph.nodes:
        layer = producers.get(norm.operands[0]) if norm.operator.rescales() else None
        if layer is None or not layer.operator.features_first():
            continue
        alone = readers[norm.operands[0]] == [norm] and norm.operands[0] not in shown
        if alone and all(v in values for v in (*layer.weights.values(), *norm.weights.values())):
            pairs[layer] = norm

    def alike(norm: Node, other: Node | None) -> bool:
        return other is not None and other.operator == norm.operator and other.weights == norm.weights

    return {
        layer: norm
        for layer, norm in pairs.items()
        if not shown.intersection(layer.weights.values())
        and all(alike(norm, pairs.get(r)) for v in layer.weights.values() for r in readers[v])
    }


def folded(layer: Node, norm: Node, values: Mapping[Value, np.ndarray]) -> dict[str, np.ndarray]:
    """The layer's weights, by leaf name, with which it makes what the norm made of its results."""
    of_layer, of_norm = (
        {leaf: np.asarray(values[v]) for leaf, v in node.weights.items()} for node in (layer, norm)
    )
    scale, offset = norm.operator.scale_and_offset(np, **of_norm)
    return layer.operator.scaled(np, of_layer, scale, offset)


def with_bias(layer: Node) -> Operator:
    """The layer's operator, which adds an offset if it added none."""
    operator = layer.operator
    if "bias" in layer.weights:
        return operator
    return operator.with_settings(bias=True).bind(*operator.operands)


def own_weight(layer: Node, leaf: str, array: np.ndarray, stored: Container[Value]) -> Weight:
    own = layer.weights.get(leaf)
    name = own.name.removesuffix(FOLDED) if own is not None and own in stored else f"{layer.name}.{leaf}"
    type = layer.results[0].type.with_shape(*array.shape)
    return Weight(Value(f"{name}{FOLDED}", replace(type, batched=False), layer.site), Zeros(), "weight")
