"""Lint of features on very different scales."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.passes import graph_rewrite
from dlc.compiler.passes.graph_rewrite import prune
from dlc.runtime.training.fit import flowing_into

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from dlc.compiler.ir.graph import Graph, Node, Value
    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data import Dataset, Rows

RATIO = 100  # of the largest standard deviation to the smallest range of a feature
MAX_ROWS, MIN_ROWS, MAX_VALUES = 10_000, 100, 10**7  # rows to inspect, and values in them


def different_scales(
    program: CompiledProgram, data: Dataset, weights: Mapping[str, np.ndarray]
) -> Iterator[Diagnostic]:
    """A warning for each layer that reads features of the data on very different scales."""
    graph = graph_rewrite.at_inference(program.row_graph)
    if data.train is None:
        return
    for node in first_layers(graph, data.train.types):
        taken = features_of(program, graph, node, data.train, weights)
        spread, reach = np.nan_to_num(taken.std(axis=0)), np.nan_to_num(np.ptp(taken, axis=0))
        varies = np.flatnonzero(spread)
        if not len(varies) or spread.max() <= RATIO * reach[varies].min():
            continue  # compared by range: a rare class deviates little, but its scale is not small
        called = list(names(node.operands[0], graph.producers(), data.columns))
        widest, narrowest = (f"{called[at]} deviates by {spread[at]:.3g}" for at in
                             (int(spread.argmax()), int(varies[reach[varies].argmin()])))  # fmt: skip
        message = f"`{node.operator.name}` takes features on very different scales: {widest}, {narrowest}"
        help = "put `standardize` before it, which is fitted to the training rows"
        yield Diagnostic.at(node.site, "W0701", message, help)


def first_layers(graph: Graph, fields: Container[str]) -> Iterator[Node]:
    """The layers that read only fields of the rows, through nodes without trainable weights; the first layer
    of those with the same operand."""
    trained, seen = {w.value for w in graph.weights if not w.is_fixed}, set()
    for node in graph.nodes:
        multiplies = node.operator.linear and node.operator.multiply_adds()
        if not multiplies or node.operands[0] in seen or not has_features(node):
            continue
        seen.add(node.operands[0])
        before = prune(graph, {"x": node.operands[0]})
        known = all(v.field in fields for v in before.inputs)
        if before.inputs and known and not trained.intersection(w.value for w in before.weights):
            yield node


def has_features(node: Node) -> bool:
    """Whether its features are on the axis that `standardize` uses: the last axis, or axis 0 of images."""
    x = node.operands[0].type
    known = x.is_float and all(isinstance(size, int) for size in x.shape)
    return known and (x.rank == 1 or node.operator.features_first() == (x.rank > 2))


def features_of(program: CompiledProgram, graph: Graph, node: Node, rows: Rows,
                weights: Mapping[str, np.ndarray]) -> np.ndarray:  # fmt: skip
    """The operand of a layer as an array [rows, features], for as many rows as the limits allow."""
    shape = sizes(node.operands[0])
    looked_at = max(MIN_ROWS, min(MAX_ROWS, MAX_VALUES // max(prod(shape), 1)))
    some = rows.head(looked_at, [v.field for v in prune(graph, {"x": node.operands[0]}).inputs])
    taken = np.concatenate(list(flowing_into(program, graph, [node], some, weights))).astype(np.float64)
    axis = 1 if len(shape) > 2 else -1
    return np.moveaxis(taken, axis, -1).reshape(-1, taken.shape[axis])


def names(value: Value, producers: Mapping[Value, Node],
          columns: Mapping[str, tuple[str, ...]]) -> Iterator[str]:  # fmt: skip
    """The names of the features of a value: the names of their columns, if they can be traced to columns."""
    node, shape = producers.get(value), sizes(value)
    flowing, count = [v for v in node.operands if v.type.batched] if node else [], prod(shape)
    if node is not None and joins(node) and len(shape) < 2:
        for operand in flowing:
            yield from names(operand, producers, columns)
    elif node is not None and len(flowing) == 1 and keeps_places(node, flowing[0], value):
        yield from names(flowing[0], producers, columns)
    elif count == 1:
        yield f"`{value.name}`"
    elif node is None and len(shape) == 1 and len(columns.get(value.name, ())) == count:
        yield from (f"`{column}`" for column in columns[value.name])
    else:
        rest, size = ("..., ", shape[-1]) if len(shape) == 2 else ("", shape[0])
        yield from (f"`{value.name}[{rest}{place}]`" for place in range(size))


def joins(node: Node) -> bool:
    """Whether it concatenates the values of several operands, each value once."""
    counts = [prod(sizes(v)) for v in node.operands if v.type.batched]
    whole = len(counts) > 1 and sum(counts) == prod(sizes(node.results[0]))
    return whole and "numbers" in node.operator.keeps


def keeps_places(node: Node, given: Value, made: Value) -> bool:
    return "axes" in node.operator.keeps and given.type.shape == made.type.shape


def sizes(value: Value) -> tuple[int, ...]:
    return tuple(size for size in value.type.shape if isinstance(size, int))
