"""Functions, `where` and reductions compared with NumPy, in PyTorch and ONNX Runtime, and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from forms import Functions, run_onnx, run_torch

from dlc.compiler.definitions.definition import family
from dlc.compiler.operators import elementwise, reductions
from dlc.compiler.types import Tensor

FUNCTIONS = {"exp": np.exp, "log": np.log, "sqrt": np.sqrt, "abs": np.abs, "square": np.square, "sin": np.sin,
             "cos": np.cos}  # fmt: skip
REDUCTIONS = {"sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min,
              "norm": lambda x, axis: np.sqrt(np.sum(x**2, axis))}  # fmt: skip
AXES = [None, 0, 1, -1, (0, 1), (0, -1), (1, 2), (0, 1, 2)]


def bind(name, *types, **settings):
    """A bound operator; a type is a shape of floats, or an element and a shape."""
    return family("operator")[name](**settings).bind(*(t if isinstance(t, Tensor) else Tensor("float", t)
                                                       for t in types))  # fmt: skip


def both(operator, *operands):
    """The result of torch, after a comparison with ONNX Runtime."""
    made = run_torch(operator, *operands).numpy()
    found = run_onnx(operator, *operands)
    assert (found.shape, found.dtype) == (made.shape, made.dtype)
    np.testing.assert_allclose(found, made, rtol=1e-5, atol=1e-6)
    return made


def draw(*shape, low=-2.0, high=2.0, seed=0):
    return np.random.default_rng(seed).uniform(low, high, (3, *shape)).astype(np.float32)


def test_every_operator_has_a_numpy_reference():
    declared = {n for n, c in family("operator").items() if issubclass(c, elementwise.Function)}
    assert declared == set(FUNCTIONS)
    assert {n for n, c in family("operator").items() if issubclass(c, reductions.Reduction)} == set(
        REDUCTIONS
    )


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_equal_numpy(name):
    x = draw(4, 5, low=0.01, high=30)
    wanted = FUNCTIONS[name](x.astype(np.float64))
    np.testing.assert_allclose(both(bind(name, (4, 5)), x), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_equal_numpy_at_special_values(name):
    x = np.array([[0, -0.0, -1, 1e-38, 3e38, 100]], np.float32)
    with np.errstate(all="ignore"):
        wanted = FUNCTIONS[name](x.astype(np.float64)).astype(np.float32)
    made, found = run_torch(bind(name, (6,)), x).numpy(), run_onnx(bind(name, (6,)), x)
    for answer in (made, found):
        np.testing.assert_allclose(answer, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_equal_numpy(name, axis):
    x = draw(2, 4, 5)
    places = (0, 1, 2) if axis is None else (axis,) if isinstance(axis, int) else axis
    tensor_axes = tuple(place % 3 + 1 for place in places)  # the batch axis is first
    made = both(bind(name, (2, 4, 5), axis=axis), x)
    np.testing.assert_allclose(
        made, REDUCTIONS[name](x.astype(np.float64), axis=tensor_axes), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("name", REDUCTIONS)
def test_the_reduction_of_one_value_is_that_value(name):
    x = draw()
    assert np.array_equal(both(bind(name, ()), x), np.abs(x) if name == "norm" else x)


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_argmax_is_the_first_of_equal_values(axis):
    x = np.random.default_rng(0).integers(0, 3, (5, 4, 6)).astype(np.float32)
    wanted = x.reshape(5, -1).argmax(1) if axis is None else x.argmax(axis % 2 + 1)
    operator = bind("argmax", (4, 6), axis=axis)
    made, found = run_torch(operator, x).numpy(), run_onnx(operator, x)
    assert np.array_equal(made, wanted) and np.array_equal(found, wanted)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_cumsum_equals_numpy(axis):
    x = draw(4, 6)
    made = both(bind("cumsum", (4, 6), axis=axis), x)
    np.testing.assert_allclose(made, x.cumsum(axis % 2 + 1, dtype=np.float64), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bounds", [(-1, 0.5), (None, 0.5), (-1, None), (0.5, 0.5)])
def test_clip_equals_numpy(bounds):
    x = draw(4, 6)
    assert np.array_equal(both(bind("clip", (4, 6), low=bounds[0], high=bounds[1]), x), np.clip(x, *bounds))


@pytest.mark.parametrize(("name", "oracle"), [("minimum", np.minimum), ("maximum", np.maximum)])
def test_minimum_and_maximum_of_several_equal_numpy(name, oracle):
    a, b, c = (draw(4, 6, seed=seed) for seed in range(3))
    assert np.array_equal(both(bind(name, (4, 6), (4, 6), (4, 6)), a, b, c), oracle(oracle(a, b), c))


def test_where_takes_no_nan_from_the_other_branch():
    """A NaN of the other branch appears neither in the result nor in the gradient."""
    operator = bind("where", Tensor("bool", (2,)), (2,), (2,))
    yes = torch.tensor([[True, False]])
    a = torch.tensor([[1.0, float("nan")]], requires_grad=True)
    b = torch.tensor([[float("inf"), 2.0]], requires_grad=True)
    made = operator.torch(Functions(), yes, a, b)
    assert made.tolist() == [[1, 2]]
    made.sum().backward()
    assert (a.grad.tolist(), b.grad.tolist()) == ([[1, 0]], [[0, 1]])


def test_the_norm_of_zeros_has_a_zero_gradient():
    x = torch.zeros(2, 3, requires_grad=True)
    bind("norm", (3,)).torch(Functions(), x).sum().backward()
    assert x.grad.tolist() == [[0] * 3] * 2


def test_detach_has_no_gradient():
    x = torch.ones(2, 3, requires_grad=True)
    made = bind("detach", (3,)).torch(Functions(), x)
    assert torch.equal(made, x) and not made.requires_grad
