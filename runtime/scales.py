"""Features on very different scales, which only the rows can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.diagnostics import Diagnostic, Label
from dlc.compiler.operators.joining import Concat
from dlc.compiler.operators.layers import Layer
from dlc.compiler.passes import forms
from dlc.compiler.passes.extension import prune
from dlc.runtime.fit import flowing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.ir import Graph, Node, Value
    from dlc.compiler.program import Program
    from dlc.compiler.types import Tensor
    from dlc.runtime.data import Dataset

APART = 100  # times that one feature deviates more than another
LOOKED_AT = 10_000  # rows, at most


def differing(program: Program, data: Dataset, weights: Mapping[str, np.ndarray]) -> list[Diagnostic]:
    """A warning for each layer that takes features of the data on very different scales."""
    graph = forms.at_inference(program.graph)
    rows = {name: data.train[name][:LOOKED_AT] for name in data.train} if data.train else {}
    found = []
    for node in first_layers(graph, rows):
        spread = deviations(graph, node, rows, weights)
        varies = np.flatnonzero(spread)
        if not len(varies) or spread.max() <= APART * spread[varies].min():
            continue
        names = list(features(node.operands[0], graph.producers(), data.columns))
        widest, narrowest = (f"{names[at]} deviates by {spread[at]:.3g}" for at in
                             (int(spread.argmax()), int(varies[spread[varies].argmin()])))  # fmt: skip
        found.append(Diagnostic("W0701", f"`{node.operator.name}` takes features on very different scales: "
                                f"{widest}, {narrowest}", (Label(node.site.span),), node.site.way(),
                                "put `standardize` before it, which learns the scales from the training "
                                "rows"))  # fmt: skip
    return [d for d in found if not any(a.silences(d) for a in program.allowed)]


def first_layers(graph: Graph, rows: Mapping[str, np.ndarray]) -> Iterator[Node]:
    """The layers of vectors that no weight to be trained stands before, and that the rows reach."""
    learnt = {w.value for w in graph.weights if w.trainable}
    for node in graph.nodes:
        if not isinstance(node.operator, Layer) or not is_vector(node.operands[0].type):
            continue
        before = prune(graph, {"x": node.operands[0]})
        known = all(v.name in rows for v in before.inputs)
        if before.inputs and known and not learnt.intersection(w.value for w in before.weights):
            yield node


def is_vector(type: Tensor) -> bool:
    return type.rank == 1 and type.is_float


def deviations(graph: Graph, node: Node, rows: Mapping[str, np.ndarray],
               weights: Mapping[str, np.ndarray]) -> np.ndarray:  # fmt: skip
    """The standard deviation of each feature that a layer takes."""
    taken = np.concatenate(list(flowing(graph, node, rows, weights))).astype(np.float64)
    return np.nan_to_num(taken.std(axis=0))


def features(value: Value, producers: Mapping[Value, Node],
             columns: Mapping[str, tuple[str, ...]]) -> Iterator[str]:  # fmt: skip
    """What the entries of a vector are called: after their columns, where they can be followed."""
    node, size = producers.get(value), value.type.shape[0] if value.type.rank else 1
    if node is not None and isinstance(node.operator, Concat):
        for operand in node.operands:
            yield from features(operand, producers, columns)
    elif node is None and len(columns.get(value.name, ())) == size:
        yield from (f"`{column}`" for column in columns[value.name])
    elif size == 1:
        yield f"`{value.name}`"
    else:
        assert isinstance(size, int)
        yield from (f"`{value.name}[{place}]`" for place in range(size))
