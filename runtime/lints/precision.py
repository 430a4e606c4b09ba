"""Numbers whose differences float32 cannot hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.passes import specialize
from dlc.compiler.passes.graph_rewrite import prune
from dlc.compiler.passes.offsets import EXACT
from dlc.runtime.data import wanted_by
from dlc.runtime.data.float32_precision import coarse
from dlc.runtime.training.fit import flowing_into

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.ir.graph import Graph, Node
    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data import Dataset, Rows

ROWS = 10_000  # that are looked at


def coarse_fields(
    program: CompiledProgram, data: Dataset, weights: Mapping[str, np.ndarray]
) -> Iterator[Diagnostic]:
    """A `float` field that deviates by little more than the step between two float32 numbers of its size."""
    found = data.train.coarse if data.train is not None else {}
    for field in wanted_by(program):
        for some in found.get(field.name, ()):
            help = (
                "subtract an offset in the data: targets are float32"
                if field.is_target
                else f"declare `{field.name}` as `int64` or `float64`: offsets behind it, as that of "
                "`standardize`, are then subtracted before it is made float32"
            )
            labels = (Label(field.place),) if field.place is not None else ()
            yield Diagnostic("W0706", f"{some}: `{field.name}` loses digits", labels, (), help)


def coarse_casts(
    program: CompiledProgram, data: Dataset, weights: Mapping[str, np.ndarray]
) -> Iterator[Diagnostic]:
    """Numbers of a wider input that are made float32 with their offset."""
    graph = specialize.at_inference(program.graph)
    if data.train is None:
        return
    for node in graph.nodes:
        if node.operator.converts and node.results[0].type.element == "float":
            given = prune(graph, {"x": node.operands[0]})
            if node.operands[0].type.element in EXACT and rows_reach(given, data.train):
                yield from coarse_cast(graph, node, given, data.train, weights)


def rows_reach(given: Graph, rows: Rows) -> bool:
    """Whether the rows, and what is learnt from them, are all that a graph depends on."""
    known = all(v.field in rows.types for v in given.inputs)
    return known and bool(given.inputs) and not any(w.trainable for w in given.weights)


def coarse_cast(graph: Graph, node: Node, given: Graph, rows: Rows,
                weights: Mapping[str, np.ndarray]) -> Iterator[Diagnostic]:  # fmt: skip
    some = rows.head(ROWS, [v.field for v in given.inputs])
    taken = np.concatenate(list(flowing_into(graph, [node], some, weights)))
    features = taken.shape[-1] if taken.ndim > 1 else 1
    for found in coarse(taken, [f"`{given.inputs[0].name}`"] * features)[:1]:
        help = "subtract an offset before it is used; `standardize` learns one"
        yield Diagnostic.at(node.site, "W0706", f"{found}: it loses digits here", help)
