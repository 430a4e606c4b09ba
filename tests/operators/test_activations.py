"""Activations compared with PyTorch's modules, at the limits of float32, and their gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from forms import bind, draw_weights, run_onnx, run_torch
from torch import nn

from dlc.compiler.definitions.definition import family
from dlc.compiler.operators import activations

MODULES = {
    "identity": nn.Identity(), "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(), "relu": nn.ReLU(), "relu6": nn.ReLU6(),
    "leaky_relu": nn.LeakyReLU(), "prelu": nn.PReLU(), "elu": nn.ELU(), "selu": nn.SELU(), "celu": nn.CELU(),
    "gelu": nn.GELU(), "silu": nn.SiLU(), "swish": nn.SiLU(), "mish": nn.Mish(), "softplus": nn.Softplus(),
    "softsign": nn.Softsign(), "hard_sigmoid": nn.Hardsigmoid(), "hard_swish": nn.Hardswish(),
    "softmax": nn.Softmax(-1), "log_softmax": nn.LogSoftmax(-1), "glu": nn.GLU(-1),
}  # fmt: skip
EXTREMES = np.array([[-1e30, -300, -88, -20, -1e-30, -0.0, 0, 1e-30, 1, 20, 88, 90, 300, 1e30]], np.float32)


def weights_of(operator):
    return {"weight": np.array([0.25], np.float32)} if draw_weights(operator) else {}


def test_every_activation_is_compared_with_a_torch_module():
    declared = {n for n, c in family("operator").items() if issubclass(c, activations.Activation)}
    missing = declared - {*MODULES, "threshold"}
    assert not missing, f"write the modules of torch for {missing} into MODULES"


@pytest.mark.parametrize("name", MODULES)
def test_defaults_are_those_of_pytorch(name):
    operator = bind(family("operator")[name](), (2, 6))
    x = torch.randn(5, 2, 6, generator=torch.Generator().manual_seed(0)) * 4
    torch.testing.assert_close(run_torch(operator, x, **weights_of(operator)), MODULES[name](x).detach())


@pytest.mark.parametrize("name", [*MODULES, "threshold"])
def test_nothing_overflows(name):
    operator = bind(family("operator")[name](), EXTREMES.shape[1:])
    weights = weights_of(operator)
    made, exported = run_torch(operator, EXTREMES, **weights).numpy(), run_onnx(operator, EXTREMES, **weights)
    assert np.isfinite(made).all()
    np.testing.assert_allclose(exported, made, rtol=1e-5, atol=1e-6)


def test_threshold_is_one_for_numbers_from_zero_with_zero_gradient():
    operator = bind(activations.Threshold(), (5,))
    x = torch.tensor([[-1e30, -1e-30, -0.0, 0.0, 1e-30]], requires_grad=True)
    y = run_torch(operator, x)
    assert y.tolist() == [[0, 0, 1, 1, 1]]
    y.sum().backward()
    assert x.grad.tolist() == [[0] * 5]
