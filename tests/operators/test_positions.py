"""Position encodings compared with the formula of the paper and with PyTorch, and too long sequences."""

from __future__ import annotations

import math

import numpy as np
import onnx
import pytest
import torch
from engines import compile_flow, draw_weights, inference, run_onnxruntime, run_reference
from forms import bind, run_torch

import dlc
from dlc.compiler import Source, compile
from dlc.compiler.lower import onnx as to_onnx
from dlc.compiler.lower.torch import Model
from dlc.compiler.operators.positions import PositionEmbedding, SinusoidalPosition
from dlc.runtime.artifact.samples import free_sizes


def vaswani(steps: int, features: int) -> np.ndarray:
    """The formula of section 3.5 of the paper, for each value."""
    table = np.zeros((steps, features))
    for position in range(steps):
        for i in range(0, features, 2):
            angle = position / math.pow(10_000, i / features)
            table[position, i] = math.sin(angle)
            if i + 1 < features:
                table[position, i + 1] = math.cos(angle)
    return table


@pytest.mark.parametrize(("steps", "features"), [(1, 1), (7, 4), (50, 5), (3, 16), (200, 7)])
def test_sinusoidal_positions_equal_the_formula_of_the_paper(steps, features):
    operator = bind(SinusoidalPosition(), (steps, features))
    x = np.random.default_rng(0).standard_normal((2, steps, features)).astype(np.float32)
    want = x + vaswani(steps, features)
    np.testing.assert_allclose(run_torch(operator, x), want, rtol=1e-5, atol=2e-5)


def test_sinusoidal_positions_of_a_free_length():
    made, graph = compile_flow("a -> sinusoidal_position", ("float[T, 5]",))
    graph = inference(graph, made)
    run = run_onnxruntime(to_proto(graph, {}))
    for steps in (1, 4, 30):
        x = np.zeros((3, steps, 5), np.float32)
        want = np.broadcast_to(vaswani(steps, 5), x.shape)
        np.testing.assert_allclose(run({"a": x})["y0"], want, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(Model(graph, (), {})({"a": torch.as_tensor(x)})["y0"], want, atol=1e-5)


def test_position_embedding_equals_pytorch():
    operator, module = bind(PositionEmbedding(max=6), (4, 3)), torch.nn.Embedding(6, 3)
    x = torch.randn(2, 4, 3)
    want = x + module(torch.arange(4))
    weight = module.weight.detach().clone().requires_grad_()
    made = run_torch(operator, x, weight=weight)
    torch.testing.assert_close(made, want)
    want.square().sum().backward()
    made.square().sum().backward()
    torch.testing.assert_close(weight.grad, module.weight.grad)


@pytest.mark.parametrize("most", [2, 5])
def test_a_too_long_sequence_is_an_error_at_run_time(most):
    made, graph = compile_flow(f"a -> position_embedding({most})", ("float[T, 2]",))
    graph = inference(graph, made)
    weights = draw_weights(np.random.default_rng(0), graph)
    model, proto = Model(graph, graph.weights, weights), to_proto(graph, weights)
    fits, longer = (np.zeros((2, steps, 2), np.float32) for steps in (most, most + 1))
    table = weights["position_embedding.weight"]
    for run in (run_onnxruntime(proto), run_reference(proto)):
        np.testing.assert_array_equal(run({"a": fits})["y0"], np.stack([table, table]))
        with pytest.raises(Exception, match="Add"):
            run({"a": longer})
    np.testing.assert_array_equal(
        model({"a": torch.as_tensor(fits)})["y0"].detach(), np.stack([table, table])
    )
    with pytest.raises(RuntimeError, match="exceeds"):
        model({"a": torch.as_tensor(longer)})


@pytest.mark.parametrize("most", [2, 3, 7, 30])
def test_the_proof_uses_lengths_up_to_the_maximum(most):
    text = f"input x: float[T, 2]\noutput y: float[T, 2]\nx -> position_embedding({most}) -> y\n"
    for free in free_sizes(compile(Source("short.dl", text)).graph):
        assert 1 <= free["T"] <= most


def test_too_long_rows_are_reported_before_training():
    text = "input x: float[T, 2]\noutput y: float\nx[1:] -> position_embedding(4) -> last -> dense(1) -> y\n"
    rows = {"x": np.zeros((6, 7, 2), np.float32), "y": np.zeros(6, np.float32)}
    with pytest.raises(dlc.CompileError) as caught:
        dlc.compile(text=text).fit(rows)
    (found,) = caught.value.diagnostics
    assert (found.code, found.line) == ("E0704", 3)
    assert found.message == "the train rows are 6 long here, and `position_embedding` takes 4"
    dlc.compile(text=text).fit({**rows, "x": rows["x"][:, :5]})


def to_proto(graph, weights):
    written = to_onnx.model(graph, weights, opset=18, ml_opset=3, ir_version=8, name="example")
    return onnx.load_model_from_string(to_onnx.serialize(written))
