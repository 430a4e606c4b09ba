"""The declared properties of operators hold: `keeps` of missing numbers (NaN at its own position in all
engines), `keeps` of numbers (no new ones), and `differs_on_nan` (ONNX Runtime and PyTorch differ)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from engines import Bounds, compile_flow, draw_input, draw_weights, inference, models, sizes
from test_examples import OPERATORS, flow, label

from dlc.compiler.dims.dim import evaluate
from dlc.compiler.lower.onnx import model, serialize
from dlc.compiler.lower.torch import Model
from dlc.runtime.artifact.session import open_session
from dlc.runtime.artifact.session import run as run_session


def keeping(what):
    return sorted(name for name, operator in OPERATORS.items() if what in operator.keeps)


def rows(what):
    return [
        pytest.param(name, row, id=label(row))
        for name in keeping(what)
        for row in OPERATORS[name].examples
        if not row.rejects and any(taken.startswith("float") for taken in row.operands)
    ]


def test_operators_that_fill_or_keep_missing_values():
    assert [name for name, operator in OPERATORS.items() if operator.fills] == ["impute"]
    missing = set(keeping("missing"))
    assert {"add", "concat", "slice", "standardize", "minmax", "reshape", "log"} <= missing
    assert not {"relu", "sum", "bucketize", "greater", "power", "clip", "dense"} & missing


@pytest.mark.parametrize(("name", "row"), rows("missing"))
def test_missing_numbers_keep_their_positions(name, row):
    graph, weights, draw = compiled(name, row)
    module, engines, feed = Model(graph, graph.weights, weights), models(graph, weights), draw()
    for value in graph.inputs:
        if value.type.is_float:
            hold(module, engines, feed, value.name)


@pytest.mark.parametrize(("name", "row"), rows("numbers"))
def test_kept_numbers_are_those_of_operands(name, row):
    """A number in the results of one draw of inputs and not of the next is not a constant."""
    graph, weights, draw = compiled(name, row)
    module, feed, other = Model(graph, graph.weights, weights), draw(), draw()
    flowed = np.concatenate([x.ravel() for x in feed.values()])
    made, before = answers(module, feed), answers(module, other)
    for output, value in graph.outputs.items():
        if value.type.is_float:
            assert np.isin(np.setdiff1d(made[output], before[output]), flowed).all()


ALIKE = [
    pytest.param(name, row, id=label(row))
    for name, operator in sorted(OPERATORS.items())
    for row in operator.examples
    if not (row.rejects or operator.differs_on_nan) and any(t.startswith("float") for t in row.operands)
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "row"), ALIKE)
def test_onnx_runtime_and_pytorch_agree_on_nan_unless_declared(name, row):
    """With and without optimization by ONNX Runtime, for more values than a SIMD register holds."""
    graph, weights, draw = compiled(name, row)
    module = Model(graph, graph.weights, weights)
    proto = serialize(model(graph, weights, opset=20, ml_opset=3, ir_version=9, name="nan"))
    sessions = [open_session(proto, plain=plain) for plain in (False, True)]
    rng, feed = np.random.default_rng(1), draw(33)
    for share in (0.1, 0.5, 1.0):
        given = {n: with_nan(rng, x, share) if x.dtype.kind == "f" else x for n, x in feed.items()}
        wanted = answers(module, given)
        for found in (run_session(session, given) for session in sessions):
            for output, want in wanted.items():
                np.testing.assert_allclose(found[output], want, rtol=1e-4, atol=1e-5)


def test_operators_that_keep_missing_numbers_do_not_differ_on_nan():
    known = [operator for operator in OPERATORS.values() if operator.fills or "missing" in operator.keeps]
    assert not [operator.name for operator in known if operator.differs_on_nan]


def with_nan(rng, array, share):
    return np.where(rng.random(array.shape) < share, np.array(np.nan, array.dtype), array)


def compiled(name, row):
    """The inference form of an example, its weights, and a function that draws inputs."""
    made, graph = compile_flow(flow(name, row), row.operands)
    graph = inference(graph, made)
    rng, free, bounds = np.random.default_rng(0), next(sizes(graph)), Bounds(row.low, row.high)
    shapes = {v: [evaluate(size, free) for size in v.type.shape] for v in graph.inputs}

    def draw(batch=3):
        return {v.name: draw_input(rng, v.type, (batch, *shape), bounds) for v, shape in shapes.items()}

    return graph, draw_weights(rng, graph), draw


def hold(module, engines, feed, name):
    """Answers that depend on one entry of the input are NaN if that entry is NaN, and no others are."""
    before, after, missing = (changed(feed, name, to) for to in (-3.3, 5.1, np.nan))
    a, b, found = (answers(module, given) for given in (before, after, missing))
    for output, have in found.items():
        assert np.array_equal(np.isnan(have), a[output] != b[output])
        assert np.array_equal(have[~np.isnan(have)], a[output][~np.isnan(have)])
    for engine, run in engines.items():
        for output, have in run(missing).items():
            np.testing.assert_allclose(have, found[output], rtol=1e-4, atol=1e-5, err_msg=engine)


def changed(feed, name, to):
    array = feed[name].copy()
    array.ravel()[array.size // 2] = to
    return feed | {name: array}


def answers(module, given):
    with torch.no_grad():
        return {n: t.numpy() for n, t in module({n: torch.from_numpy(x) for n, x in given.items()}).items()}
