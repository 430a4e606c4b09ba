"""Operators that say they keep what is missing: NaN stays in its own place, in every engine."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from engines import Bounds, compile_flow, draw_input, draw_weights, inference, models, sizes
from test_examples import OPERATORS, flow, label

from dlc.compiler.dims import evaluate
from dlc.compiler.lower.torch import Model

KEPT = sorted(name for name, operator in OPERATORS.items() if operator.missing == "kept")
ROWS = [
    pytest.param(name, row, id=label(row))
    for name in KEPT
    for row in OPERATORS[name].examples
    if not row.rejects and any(taken.startswith("float") for taken in row.operands)
]


def test_what_fills_in_and_what_keeps():
    assert [name for name, operator in OPERATORS.items() if operator.missing == "filled"] == ["impute"]
    assert {"add", "concat", "slice", "standardize", "minmax", "reshape", "log"} <= set(KEPT)
    assert not {"relu", "sum", "bucketize", "greater", "power", "clip", "dense"} & set(KEPT)


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_row(name, row):
    made, graph = compile_flow(flow(name, row), row.operands)
    graph = inference(graph, made)
    rng = np.random.default_rng(0)
    weights = draw_weights(rng, graph)
    module, free = Model(graph, graph.weights, weights), next(sizes(graph))
    feed = {}
    for value in graph.inputs:
        shape = (3, *(evaluate(size, free) for size in value.type.shape))
        feed[value.name] = draw_input(rng, value.type, shape, Bounds(row.low, row.high))
    engines = models(graph, weights)
    for value in graph.inputs:
        if value.type.is_float:
            hold(module, engines, feed, value.name)


def hold(module, engines, feed, name):
    """Where the answers change with one entry of the input they are NaN if it is, and nowhere else."""
    before, after, missing = (changed(feed, name, by) for by in (0, 0.25, np.nan))
    a, b, found = (answers(module, given) for given in (before, after, missing))
    for output, have in found.items():
        assert np.array_equal(np.isnan(have), a[output] != b[output])
        assert np.array_equal(have[~np.isnan(have)], a[output][~np.isnan(have)])
    for engine, run in engines.items():
        for output, have in run(missing).items():
            np.testing.assert_allclose(have, found[output], rtol=1e-4, atol=1e-5, err_msg=engine)


def changed(feed, name, by):
    array = feed[name].copy()
    array.ravel()[array.size // 2] += array.dtype.type(by)
    return feed | {name: array}


def answers(module, given):
    with torch.no_grad():
        return {n: t.numpy() for n, t in module({n: torch.from_numpy(x) for n, x in given.items()}).items()}
