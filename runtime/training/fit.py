"""Fit operators to the training rows before training: scales, classes, quantiles."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.lower.initial_weights import dtype
from dlc.compiler.passes import fitting_order, graph_rewrite
from dlc.compiler.passes.graph_rewrite import prune
from dlc.compiler.passes.lengths import with_missing_padding
from dlc.runtime import data as rows_of
from dlc.runtime.data.rows.dataset import CHUNK

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping

    from dlc.compiler.ir.graph import Graph, Node
    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data.rows.dataset import Batch, Rows


def fit(
    program: CompiledProgram,
    rows: Rows | None,
    weights: Mapping[str, np.ndarray],
    known: Container[str] = (),
) -> dict[str, np.ndarray]:
    """The weights after fitting operators to the rows, in topological order and in inference form. An
    operator that several uses of a net share is fitted to the inputs of all of them; average nets copy the
    values of their nets. Weights in `known` are kept."""
    graph = graph_rewrite.at_inference(program.row_graph)
    fitted, dtypes = dict(weights), {w.value: dtype(w) for w in graph.weights}
    follows = {w.value: w.follows for w in graph.weights if w.follows}
    for uses in fitting_order.in_order(graph)[0]:
        first = uses[0]
        if follows.keys() >= {*first.weights.values()}:
            fitted.update({v.name: fitted[follows[v]].astype(dtypes[v]) for v in first.weights.values()})
            continue
        if all(v.name in known for v in first.weights.values()):
            continue
        if rows is None:
            raise ValueError("there are no training rows")
        batches = partial(flowing_into, program, graph, uses, rows, fitted)
        found = first.operator.fit(np, batches)
        fitted.update(
            {first.weights[k].name: np.asarray(v, dtypes[first.weights[k]]) for k, v in found.items()}
        )
    return fitted


def flowing_into(
    program: CompiledProgram, graph: Graph, nodes: list[Node], rows: Rows, weights: Mapping[str, np.ndarray]
) -> Iterator[np.ndarray]:
    """The first operands of the nodes for all rows, in chunks with the batch axis first. What rows that are
    shorter than others lack is missing (NaN)."""
    before = prune(graph, {str(k): node.operands[0] for k, node in enumerate(nodes)})
    before = with_missing_padding(program, before)
    for made in flowing(before, rows, weights):
        yield from made.values()


def flowing(graph: Graph, rows: Rows, weights: Mapping[str, np.ndarray]) -> Iterator[Batch]:
    """The outputs of a graph for all rows, in chunks with the batch axis first."""
    fields = [v.field for v in graph.inputs]
    return map(computing(graph, weights), rows.batches(min(CHUNK, rows.inspected(fields)), fields))


def computing(graph: Graph, weights: Mapping[str, np.ndarray]) -> Callable[[Batch], Batch]:
    """A graph as a function from arrays of inputs to arrays of outputs, on the CPU."""
    import torch

    from dlc.compiler.lower.torch import Model
    from dlc.runtime.training.batches import as_tensor

    model = Model(graph, graph.weights, weights)

    def compute(batch: Batch) -> Batch:
        with torch.no_grad():
            made = model({name: as_tensor(array) for name, array in batch.items()})
        return {name: tensor.numpy() for name, tensor in made.items()}

    return compute


def fields_to_fit(program: CompiledProgram, given: Iterable[str]) -> set[str]:
    """The fields to read for fitting: those it needs, and all that are given. Other arrays may be missing."""
    graph = program.graph
    flowing = {str(i): v for i, n in enumerate(graph.nodes) if n.operator.is_fitted() for v in n.operands}
    read = {v.name for v in prune(graph, flowing).inputs}
    read |= {field.name for field in rows_of.required_fields(program) if field.learns or field.readers}
    return {*given, *read, *([program.data.stratify] if program.data and program.data.stratify else [])}
