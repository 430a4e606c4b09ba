"""`topk` and `gather` compared with PyTorch and NumPy."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from engines import compile_flow, inference, models

import dlc
from dlc.compiler.lower.torch import Model


def run_all(flow: str, takes: tuple[str, ...], **feed: np.ndarray) -> list[list[np.ndarray]]:
    """The result of all engines for these arrays."""
    made, graph = compile_flow(flow, takes)
    graph = inference(graph, made)
    model = Model(graph, graph.weights, {})
    answers = model({name: torch.from_numpy(array) for name, array in feed.items()})
    found = [{name: made.numpy() for name, made in answers.items()}]
    found += [run(feed) for run in models(graph, {}).values()]
    return [[run[f"y{i}"] for i in range(len(made))] for run in found]


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("k", [1, 3, 7])
def test_topk_equals_pytorch(k):
    x = drawn(4, 2, 7)
    want = torch.topk(torch.as_tensor(x), k)
    for values, places in run_all(f"a -> topk({k})", ("float[2, 7]",), a=x):
        np.testing.assert_array_equal(values, want.values)
        np.testing.assert_array_equal(places, want.indices)


def test_topk_keeps_the_order_of_equal_values():
    x = np.array([[1, 2, 2, 1, 2], [0, 0, 0, 0, 0]], np.float32)
    for _, places in run_all("a -> topk(4)", ("float[5]",), a=x):
        np.testing.assert_array_equal(places, [[1, 2, 4, 0], [0, 1, 2, 3]])


def test_topk_of_integers_is_exact():
    x = np.array([[2**40, 2**40 + 1, -(2**40), 3]])
    for values, _ in run_all("a -> topk(2)", ("int64[4]",), a=x):
        np.testing.assert_array_equal(values, [[2**40 + 1, 2**40]])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_an_index_with_as_many_axes_equals_torch_gather(axis):
    shape = [2, 3, 4]
    x, index_shape = drawn(5, *shape), [*shape]
    index_shape[axis] = 6
    index = np.random.default_rng(1).integers(0, shape[axis], (5, *index_shape))
    want = torch.gather(torch.as_tensor(x), axis + 1, torch.as_tensor(index))
    flow = f"(a, b) -> gather(axis={axis})"
    for (found,) in run_all(flow, ("float[2, 3, 4]", f"int64{index_shape}"), a=x, b=index):
        np.testing.assert_array_equal(found, want)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_an_index_of_one_axis_takes_whole_entries_of_each_sample(axis):
    x = drawn(5, 3, 4, 2)
    index = np.random.default_rng(1).integers(0, 2, (5, 3))
    want = np.stack([np.take(sample, places, axis) for sample, places in zip(x, index, strict=True)])
    for (found,) in run_all(f"(a, b) -> gather(axis={axis})", ("float[3, 4, 2]", "int64[3]"), a=x, b=index):
        np.testing.assert_array_equal(found, want)


def test_a_scalar_index_takes_one_entry_of_each_sample():
    x, action = drawn(6, 3), np.array([0, 2, 1, 1, 0, 2])
    for (found,) in run_all("(a, b) -> gather", ("float[3]", "class(3)"), a=x, b=action):
        np.testing.assert_array_equal(found, x[np.arange(6), action])


def test_indices_out_of_range_give_zero():
    x = drawn(1, 3)
    index = np.array([[2, 3, -1, 0]])
    for (found,) in run_all("(a, b) -> gather", ("float[3]", "int64[4]"), a=x, b=index):
        np.testing.assert_array_equal(found, [[x[0, 2], 0, 0, x[0, 0]]])
    tokens = np.array([[1, 0, 1]])
    for (found,) in run_all("(a, b) -> gather", ("class(2)[3]", "int64[4]"), a=tokens, b=index):
        np.testing.assert_array_equal(found, [[1, -1, -1, 1]])


def test_the_gradient_of_gather_equals_pytorch():
    made, graph = compile_flow("(a, b) -> gather(axis=0)", ("float[3, 2]", "int64[4, 2]"))
    model = Model(inference(graph, made), (), {})
    x = torch.tensor(drawn(5, 3, 2), requires_grad=True)
    index = torch.randint(0, 3, (5, 4, 2), generator=torch.Generator().manual_seed(0))
    losses = [y.square().sum() for y in (torch.gather(x, 1, index), model({"a": x, "b": index})["y0"])]
    torch.testing.assert_close(*(torch.autograd.grad(loss, x)[0] for loss in losses))


def test_topk_and_gather_of_the_same_indices():
    scores, others = drawn(3, 6), drawn(3, 6, 2, seed=1)
    order = np.argsort(-scores, axis=1)[:, :2]
    want = np.take_along_axis(others, order[..., None], 1)
    flow = "(b, (a -> topk(2))[1]) -> gather(axis=0)"
    for (found,) in run_all(flow, ("float[6]", "float[6, 2]"), a=scores, b=others):
        np.testing.assert_array_equal(found, want)


TAKEN_FROM_A_WEIGHT = """
input  x: float[2]
output y: float[4, 2]

weight table: float[3, 2] = normal(1)
taken = table -> gather([2, 0, 1, 2], axis=0)
x + taken -> y
"""


def test_the_rows_of_a_weight_at_constant_indices_are_the_same_for_every_sample():
    program = dlc.compile(text=TAKEN_FROM_A_WEIGHT)
    assert not program.compiled.bindings["taken"].type.batched
    module = program.torch()
    x, table = torch.tensor(drawn(5, 2)), module.state_dict()["table"]
    want = x[:, None] + table[[2, 0, 1, 2]]
    torch.testing.assert_close(module({"x": x})["y"], want)
    model = program.onnx({"table": table.numpy()}).SerializeToString()
    answer = onnxruntime.InferenceSession(model).run(None, {"x": x.numpy()})[0]
    np.testing.assert_allclose(answer, want.detach(), rtol=1e-6)
