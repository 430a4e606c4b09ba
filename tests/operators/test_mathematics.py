"""Functions, `where` and reductions compared with NumPy, in PyTorch and ONNX Runtime, and gradients."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from forms import Functions, run_onnx, run_torch
from scipy import special

from dlc.compiler.definitions.definition import family
from dlc.compiler.definitions.parameter_types import Reject
from dlc.compiler.operators import functions, reductions
from dlc.compiler.types import Tensor

FUNCTIONS = {"exp": np.exp, "log": np.log, "sqrt": np.sqrt, "abs": np.abs, "square": np.square, "sin": np.sin,
             "cos": np.cos, "tan": np.tan, "erf": special.erf, "sign": np.sign, "floor": np.floor,
             "ceil": np.ceil, "round": np.round, "lgamma": special.gammaln}  # fmt: skip
REDUCTIONS = {"sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min, "prod": np.prod,
              "var": partial(np.var, ddof=1), "std": partial(np.std, ddof=1), "logsumexp": special.logsumexp,
              "norm": lambda x, axis, **keep: np.sqrt(np.sum(x**2, axis, **keep))}  # fmt: skip
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
    declared = {n for n, c in family("operator").items() if issubclass(c, functions.Function)}
    assert declared == set(FUNCTIONS)
    assert {n for n, c in family("operator").items() if issubclass(c, reductions.Reduction)} == set(
        REDUCTIONS
    )


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_equal_numpy(name):
    x = draw(4, 5, low=0.01, high=30)
    wanted = FUNCTIONS[name](x.astype(np.float64))
    np.testing.assert_allclose(both(bind(name, (4, 5)), x), wanted, rtol=1e-5, atol=1e-5)


def test_sign_of_nan_is_zero_as_in_pytorch():
    assert both(bind("sign", (3,)), np.array([[np.nan, -0.0, -1e-45]], np.float32)).tolist() == [[0, 0, -1]]


def test_round_takes_halves_to_even():
    halves = np.array([[-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]], np.float32)
    assert both(bind("round", (6,)), halves).tolist() == [[-2, -2, 0, 0, 2, 2]]


def test_the_exported_lgamma_is_accurate_over_all_of_float32():
    """Within a few units in the last place, also next to its roots and poles, and at infinity."""
    bits = np.random.default_rng(0).integers(0, 2**32, 200_000, dtype=np.uint32)
    near = np.arange(-60, 60)[:, None] + np.array([-1e-3, -1e-6, 0, 1e-6, 1e-3, 0.3, 0.5, 0.7])
    x = np.concatenate(
        [bits.view(np.float32), near.ravel().astype(np.float32), np.float32([np.inf, -np.inf])]
    )
    with np.errstate(all="ignore"):
        wanted = special.gammaln(x.astype(np.float64))
        wanted = np.where(np.isneginf(x), np.inf, wanted).astype(np.float32)
    found = run_onnx(bind("lgamma", x.shape), x[None])[0]
    np.testing.assert_allclose(found, wanted, rtol=3e-7, atol=1e-12)


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


@pytest.mark.parametrize("axis", [None, 1, (0, -1)], ids=str)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reduced_axes_are_kept_on_demand(name, axis):
    x = draw(2, 4, 5)
    axes = {None: (1, 2, 3), 1: (2,), (0, -1): (1, 3)}[axis]
    made = both(bind(name, (2, 4, 5), axis=axis, keepdims=True), x)
    wanted = REDUCTIONS[name](x.astype(np.float64), axis=axes, keepdims=True)
    np.testing.assert_allclose(made, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_indices_keep_the_searched_axes_on_demand(name):
    x = draw(4, 5)
    made = both(bind(name, (4, 5), axis=0, keepdims=True), x)
    assert np.array_equal(made, getattr(np, name)(x, axis=1, keepdims=True))
    made = both(bind(name, (4, 5), keepdims=True), x)
    assert np.array_equal(made, getattr(np, name)(x.reshape(3, 20), axis=1)[:, None, None])


@pytest.mark.parametrize(
    "values", [[-np.inf, -np.inf], [np.inf, 0], [-np.inf, 3], [1e38, 1e38], [-200, -201]]
)
def test_logsumexp_of_infinite_and_large_numbers(values):
    x = np.array([values], np.float32)
    assert both(bind("logsumexp", (2,)), x) == pytest.approx(float(torch.tensor(values).logsumexp(0)))


@pytest.mark.parametrize("name", ["var", "std"])
def test_deviations_equal_pytorch_and_one_value_has_none(name):
    x = torch.randn(3, 2, 4, 5, requires_grad=True)
    made = bind(name, (2, 4, 5), axis=(0, 2)).torch(Functions(), x)
    wanted = getattr(x, name)((1, 3))
    torch.testing.assert_close(made, wanted)
    torch.testing.assert_close(*(torch.autograd.grad(y.sum(), x)[0] for y in (made, wanted)))
    with pytest.raises(Reject, match="at least two values"):
        bind(name, (4, 1), axis=1)


def test_the_deviation_of_equal_values_has_a_zero_gradient():
    x = torch.ones(2, 3, requires_grad=True)
    bind("std", (3,)).torch(Functions(), x).sum().backward()
    assert x.grad.tolist() == [[0] * 3] * 2


@pytest.mark.parametrize("name", sorted(set(REDUCTIONS) - {"var", "std"}))
def test_the_reduction_of_one_value_is_that_value(name):
    x = draw()
    assert np.array_equal(both(bind(name, ()), x), np.abs(x) if name == "norm" else x)


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_the_index_is_the_first_of_equal_values(name, axis):
    x = np.random.default_rng(0).integers(0, 3, (5, 4, 6)).astype(np.float32)
    find = getattr(np, name)
    wanted = find(x.reshape(5, -1), 1) if axis is None else find(x, axis % 2 + 1)
    operator = bind(name, (4, 6), axis=axis)
    made, found = run_torch(operator, x).numpy(), run_onnx(operator, x)
    assert np.array_equal(made, wanted) and np.array_equal(found, wanted)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_sort_equals_pytorch_and_keeps_the_order_of_equal_values(axis):
    x = np.random.default_rng(0).integers(0, 3, (5, 4, 6)).astype(np.float32)
    operator = bind("sort", (4, 6), axis=axis)
    wanted = torch.sort(torch.tensor(x), dim=axis % 2 + 1, stable=True)
    for made, want in zip(run_torch(operator, x), wanted, strict=True):
        assert torch.equal(made, want)


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
