"""Lints of values that lose their differences in float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.passes import graph_rewrite
from dlc.compiler.passes.graph_rewrite import prune
from dlc.compiler.passes.offsets import EXACT
from dlc.runtime.data import required_fields
from dlc.runtime.data.columns.float32_precision import precision_loss
from dlc.runtime.training.fit import flowing_into

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.ir.graph import Graph, Node
    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data import Dataset, Rows

ROWS = 10_000  # maximum number of rows to inspect


def imprecise_fields(
    program: CompiledProgram, data: Dataset, weights: Mapping[str, np.ndarray]
) -> Iterator[Diagnostic]:
    """`float` fields with a standard deviation of few float32 steps (ulp) at their size."""
    found = data.train.precision_losses if data.train is not None else {}
    for field in required_fields(program):
        for some in found.get(field.name, ()):
            help = (
                "subtract an offset in the data: targets are float32"
                if field.is_target
                else f"declare `{field.name}` as `int64` or `float64`: offsets after it, such as that of "
                "`standardize`, are then subtracted before the cast to float32"
            )
            labels = (Label(field.span),) if field.span is not None else ()
            yield Diagnostic("W0706", f"{some}: `{field.name}` loses digits", labels, (), help)


def imprecise_casts(
    program: CompiledProgram, data: Dataset, weights: Mapping[str, np.ndarray]
) -> Iterator[Diagnostic]:
    """Casts of a wider input to float32 before its offset is subtracted."""
    graph = graph_rewrite.at_inference(program.row_graph)
    if data.train is None:
        return
    for node in graph.nodes:
        if node.operator.converts and node.results[0].type.element == "float":
            given = prune(graph, {"x": node.operands[0]})
            if node.operands[0].type.element in EXACT and rows_reach(given, data.train):
                yield from imprecise_cast(program, graph, node, given, data.train, weights)


def rows_reach(given: Graph, rows: Rows) -> bool:
    """Whether a graph depends only on the rows and on weights that are fitted to them."""
    known = all(v.field in rows.types for v in given.inputs)
    return known and bool(given.inputs) and all(w.is_fixed for w in given.weights)


def imprecise_cast(program: CompiledProgram, graph: Graph, node: Node, given: Graph, rows: Rows,
                weights: Mapping[str, np.ndarray]) -> Iterator[Diagnostic]:  # fmt: skip
    some = rows.head(ROWS, [v.field for v in given.inputs])
    taken = np.concatenate(list(flowing_into(program, graph, [node], some, weights)))
    features = taken.shape[-1] if taken.ndim > 1 else 1
    if found := precision_loss(taken.reshape(-1, features), f"`{given.inputs[0].name}`"):
        help = "subtract an offset before it is used; `standardize` is fitted to it"
        yield Diagnostic.at(node.site, "W0706", f"{found}: it loses digits here", help)
