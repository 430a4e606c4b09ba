"""Batch statistics, running statistics, and the axis of `layernorm`, compared with PyTorch's modules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from engines import Bounds, agree, compile_flow, inference
from engines import draw_weights as draw_graph_weights
from forms import at_inference, bind, draw_weights, run_onnx, run_torch

from dlc.compiler.lower.torch import Model
from dlc.compiler.operators.normalization import Batchnorm, Layernorm, Rmsnorm
from dlc.compiler.operators.space_normalization import Groupnorm, Instancenorm, LocalResponseNorm

MODULES = {1: torch.nn.BatchNorm1d, 2: torch.nn.BatchNorm1d, 3: torch.nn.BatchNorm2d, 4: torch.nn.BatchNorm3d}


@pytest.mark.parametrize("shape", [(3,), (3, 5), (3, 4, 5), (3, 2, 4, 5)], ids=str)
@pytest.mark.parametrize("settings", [{}, {"momentum": 0.3, "eps": 0.01}], ids=str)
def test_batchnorm_in_training_equals_pytorch(shape, settings):
    norm = bind(Batchnorm(**settings), shape)
    module = MODULES[len(shape)](3, **settings).train()
    weights = {k: torch.tensor(w) for k, w in draw_weights(norm).items()}
    module.load_state_dict(weights, strict=False)
    mine = {k: w.clone().requires_grad_(k in ("weight", "bias")) for k, w in weights.items()}
    for seed in range(3):
        x = torch.randn(6, *shape, generator=torch.Generator().manual_seed(seed)) * 3 + 1
        want, made = module(x), run_torch(norm, x, **mine)
        torch.testing.assert_close(made, want)
        assert not torch.allclose(made, run_torch(at_inference(norm), x, **mine))
        want.square().sum().backward()
        made.square().sum().backward()
    torch.testing.assert_close(mine["weight"].grad, module.weight.grad)
    torch.testing.assert_close(mine["running_mean"], module.running_mean)
    torch.testing.assert_close(mine["running_var"], module.running_var)
    x = torch.randn(1, *shape)
    want = module.eval()(x).detach()
    torch.testing.assert_close(run_torch(at_inference(norm), x, **mine).detach(), want)
    arrays = {k: w.detach().numpy() for k, w in mine.items()}
    np.testing.assert_allclose(run_onnx(at_inference(norm), x.numpy(), **arrays), want, rtol=1e-5, atol=1e-5)


def test_scale_and_offset_equal_the_inference_form():
    norm = at_inference(bind(Batchnorm(eps=0.01), (3, 4)))
    weights = draw_weights(norm)
    x = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
    scale, offset = norm.scale_and_offset(np, **weights)
    assert scale.dtype == offset.dtype == np.float64
    want = run_torch(norm, x, **weights).numpy()
    np.testing.assert_allclose(x * scale[:, None] + offset[:, None], want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_layernorm_over_any_axis(axis):
    norm = bind(Layernorm(axis=axis, eps=0.01), (3, 4, 5))
    weights = draw_weights(norm)
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
    place = axis % 3 + 1
    mean, variance = x.mean(place, keepdims=True), x.var(place, keepdims=True)
    broadcast = [1] * 4
    broadcast[place] = -1
    want = (x - mean) / np.sqrt(variance + 0.01) * weights["weight"].reshape(broadcast) + weights[
        "bias"
    ].reshape(broadcast)
    np.testing.assert_allclose(run_torch(norm, x, **weights), want, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(run_onnx(norm, x, **weights), want, rtol=1e-4, atol=1e-5)


def test_running_statistics_are_updated_in_the_module():
    """The in-place update is part of the traced module, and the inference form of the module reads it."""
    made, graph = compile_flow("a -> batchnorm(momentum=0.3)", ("float[3, 4, 5]",))
    model = Model(
        replace(graph, outputs={"y0": made[0]}),
        graph.weights,
        draw_graph_weights(np.random.default_rng(0), graph),
    )
    module = torch.nn.BatchNorm2d(3, momentum=0.3).train()
    module.load_state_dict(
        {k.removeprefix("batchnorm."): w for k, w in model.state_dict().items()}, strict=False
    )
    for _ in range(3):
        x = torch.randn(2, 3, 4, 5) * 3 + 1
        torch.testing.assert_close(model({"a": x})["y0"], module(x))
    model.attach(inference(graph, made))
    x = torch.randn(1, 3, 4, 5)
    torch.testing.assert_close(model({"a": x})["y0"], module.eval()(x))
    assert int(module.num_batches_tracked) == 3


OTHERS = {
    "two groups": (Groupnorm(groups=2), lambda: torch.nn.GroupNorm(2, 4), (4, 3, 5)),
    "one group, no space": (Groupnorm(groups=1, eps=0.1), lambda: torch.nn.GroupNorm(1, 4, eps=0.1), (4,)),
    "a group a channel": (Groupnorm(groups=4), lambda: torch.nn.GroupNorm(4, 4), (4, 2, 3, 2)),
    "instances of signals": (Instancenorm(), lambda: torch.nn.InstanceNorm1d(3), (3, 5)),
    "instances": (Instancenorm(eps=0.1), lambda: torch.nn.InstanceNorm2d(3, eps=0.1), (3, 4, 5)),
    "instances of volumes": (Instancenorm(), lambda: torch.nn.InstanceNorm3d(3), (3, 2, 4, 3)),
    "root mean square": (Rmsnorm(eps=1e-3), lambda: torch.nn.RMSNorm(5, eps=1e-3), (3, 5)),
    "five neighbours": (
        LocalResponseNorm(size=5, alpha=1.0), lambda: torch.nn.LocalResponseNorm(5, 1.0), (8, 4, 5)),
    "four neighbours": (
        LocalResponseNorm(size=4, alpha=1.0, beta=0.5, k=2.0),
        lambda: torch.nn.LocalResponseNorm(4, 1.0, 0.5, 2.0), (8, 6)),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_other_normalizations_equal_pytorch_modules(name):
    definition, make, shape = OTHERS[name]
    norm, module = bind(definition, shape), make()
    weights = draw_weights(norm)
    module.load_state_dict({leaf: torch.as_tensor(w) for leaf, w in weights.items()})
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0), requires_grad=True)
    program_text = f"a -> {definition!r}"
    made, graph = compile_flow(program_text, (f"float[{', '.join(map(str, shape))}]",))
    model = Model(inference(graph, made), graph.weights,
                  {w.name: weights[w.name.split(".")[-1]] for w in graph.weights})  # fmt: skip
    want, found = module(x), model({"a": x})["y0"]
    torch.testing.assert_close(found, want)
    gradients = (torch.autograd.grad(y.square().sum(), x)[0] for y in (found, want))
    torch.testing.assert_close(*gradients)


def test_instancenorm_of_equal_values_is_zero_without_eps():
    made, graph = compile_flow("a -> instancenorm(eps=0)", ("float[3, 5]",))
    agree(inference(graph, made), Bounds(1.5, 1.5))
