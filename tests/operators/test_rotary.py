"""`rotary` compared with the rotation of complex numbers, and its tables in artifacts."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest
import torch
from engines import OPSETS, compile_flow, draw_weights, inference, run_onnxruntime, versions
from forms import bind, run_torch
from second_engine import run_openvino

from dlc.compiler.lower import onnx as to_onnx
from dlc.compiler.lower.torch import Model
from dlc.compiler.operators.rotary import Rotary


def turned(x: np.ndarray, base: float = 10_000) -> np.ndarray:
    """Each pair as a complex number, times `exp(i angle)`, as in section 3.2 of the paper."""
    steps, features = x.shape[-2:]
    pairs = x[..., : features // 2] + 1j * x[..., features // 2 :]
    rates = base ** -(np.arange(0, features, 2) / features)
    pairs = pairs * np.exp(1j * np.arange(steps)[:, None] * rates)
    return np.concatenate([pairs.real, pairs.imag], -1)


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def artifact(flow: str, takes: str, opset: int, *, in_openvino: bool = False) -> onnx.ModelProto:
    made, graph = compile_flow(flow, (takes,))
    weights: dict[str, np.ndarray] = {}
    written = to_onnx.model(
        inference(graph, made), weights, **versions(opset), name="example", in_openvino=in_openvino
    )
    return onnx.load_model_from_string(to_onnx.serialize(written))


@pytest.mark.parametrize(
    ("shape", "base"), [((1, 2), 10_000), ((7, 4), 10_000), ((3, 9, 6), 100), ((2, 3, 50, 16), 500_000)]
)
def test_pairs_are_rotated_as_complex_numbers(shape, base):
    x = drawn(2, *shape)
    found = run_torch(bind(Rotary(base=base), shape), x)
    np.testing.assert_allclose(found, turned(x, base), atol=2e-5)


def test_products_depend_on_the_distance_of_steps_alone():
    q, k = (np.broadcast_to(x, (1, 40, 8)) for x in drawn(2, 1, 8))
    operator = bind(Rotary(), (40, 8))
    products = run_torch(operator, q.copy())[0] @ run_torch(operator, k.copy())[0].T
    for distance in (-7, 0, 3):
        along = products.diagonal(distance)
        torch.testing.assert_close(along, along[:1].expand_as(along), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("opset", OPSETS)
def test_engines_agree_at_far_positions(opset):
    """Angles are float32: at position p they are exact to about p / 2**23."""
    steps, x = 30_000, drawn(1, 30_000, 4)
    made, graph = compile_flow("a -> rotary", ("float[T, 4]",))
    found = run_onnxruntime(artifact("a -> rotary", "float[T, 4]", opset))({"a": x})["y0"]
    wanted = Model(inference(graph, made), (), {})({"a": torch.from_numpy(x)})["y0"]
    np.testing.assert_allclose(found, wanted, atol=2e-6)
    np.testing.assert_allclose(found, turned(x), atol=4 * steps / 2**23)


@pytest.mark.parametrize("opset", OPSETS)
def test_operators_with_the_same_steps_share_a_table(opset):
    proto = artifact(
        "(a -> rotary) + (a -> identity -> rotary) + (a -> rotary(100)) + (a[1:] -> rotary -> pad(1, 0, 0))",
        "float[T, 4]", opset,
    )  # fmt: skip
    assert Counter(node.op_type for node in proto.graph.node)["Cos"] == 3
    assert len({node.name for node in proto.graph.node}) == len(proto.graph.node)
    tables = [node.name for node in proto.graph.node if node.op_type == "Cos"]
    assert tables == ["rotary_table/Cos", "rotary_table/Cos_2", "rotary_table/Cos_3"]
    shared = artifact("(a -> sinusoidal_position) * (a * 2 -> sinusoidal_position)", "float[T, 4]", opset)
    assert [node.name for node in shared.graph.node if node.op_type == "Cos"] == ["sinusoidal_position/Cos"]


def test_the_operator_of_the_newest_opset_takes_any_leading_axes():
    for takes, shape in (("float[T, 4]", ()), ("float[H, T, 4]", (3,)), ("float[2, 3, T, 4]", (2, 3))):
        proto = artifact("a -> rotary", takes, OPSETS[-1])
        assert "RotaryEmbedding" in {node.op_type for node in proto.graph.node}
        x = drawn(5, *shape, 6, 4)
        np.testing.assert_allclose(run_onnxruntime(proto)({"a": x})["y0"], turned(x), atol=1e-5)


@pytest.mark.parametrize(
    "flow", ["rotary", "rmsnorm", "gelu", "gelu(approximate=tanh)", "sinusoidal_position"]
)
def test_openvino_computes_the_same(flow):
    made, graph = compile_flow(f"a -> {flow}", ("float[T, 6]",))
    graph = inference(graph, made)
    weights = draw_weights(np.random.default_rng(0), graph)
    written = to_onnx.model(graph, weights, **versions(20), name="example", in_openvino=True)
    x = drawn(3, 7, 6) * 3
    with torch.no_grad():
        wanted = Model(graph, graph.weights, weights)({"a": torch.from_numpy(x)})["y0"]
    np.testing.assert_allclose(run_openvino(to_onnx.serialize(written), {"a": x})["y0"], wanted, atol=1e-5)
