"""Operators that act only in training: their mean and share, and that they are removed at inference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from forms import at_inference, bind, run_onnx, run_torch
from torchvision.ops import stochastic_depth

from dlc.compiler import Source, compile
from dlc.compiler.operators.regularization import (
    Bernoulli,
    ChannelDropout,
    Dropout,
    DropPath,
    GaussianNoise,
    SampleNormal,
)
from dlc.compiler.passes import specialize
from dlc.compiler.types import Tensor

ONES = torch.full((100, 1000), 3.0)


@pytest.mark.parametrize("rate", [0, 0.25, 0.8])
def test_dropout_keeps_the_mean(rate):
    torch.manual_seed(0)
    made = run_torch(bind(Dropout(rate=rate), (1000,)), ONES)
    assert made[made != 0].unique().tolist() == [pytest.approx(3 / (1 - rate))]
    assert float((made == 0).float().mean()) == pytest.approx(rate, abs=0.01)
    assert float(made.mean()) == pytest.approx(3, rel=0.02)


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_channel_dropout_equals_that_of_pytorch(rank):
    shape, pytorch = (3, 2, 2, 2)[:rank], (F.dropout, F.dropout1d, F.dropout2d, F.dropout3d)[rank - 1]
    x = torch.randn(50, *shape)
    torch.manual_seed(0)
    made = run_torch(bind(ChannelDropout(rate=0.3), shape), x)
    torch.manual_seed(0)
    assert torch.equal(made, pytorch(x, 0.3, True))
    zeros = (made == 0).flatten(2).float().mean(-1) if rank > 1 else (made == 0).float()
    assert zeros.unique().tolist() == [0, 1]


@pytest.mark.parametrize("rate", [0, 0.25, 0.8])
@pytest.mark.parametrize("shape", [(), (3,), (2, 4, 4)])
def test_drop_path_drops_whole_samples_as_torchvision_does(shape, rate):
    x = torch.rand(2000, *shape) + 1
    torch.manual_seed(0)
    made = run_torch(bind(DropPath(rate=rate), shape), x)
    torch.manual_seed(0)
    other = stochastic_depth(x, rate, "row")
    for scales in ((y / x).reshape(2000, -1) for y in (made, other)):
        torch.testing.assert_close(scales, scales[:, :1].expand_as(scales))
        dropped = scales[:, 0] == 0
        torch.testing.assert_close(scales[~dropped, 0], torch.full_like(scales[~dropped, 0], 1 / (1 - rate)))
        assert float(dropped.float().mean()) == pytest.approx(rate, abs=0.04)


def test_noise_has_the_given_standard_deviation():
    torch.manual_seed(0)
    made = run_torch(bind(GaussianNoise(stddev=0.5), (1000,)), ONES) - 3
    assert float(made.mean()) == pytest.approx(0, abs=0.01)
    assert float(made.std()) == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize(
    "operator",
    [Dropout(rate=0.5), ChannelDropout(rate=0.5), DropPath(rate=0.5), GaussianNoise(stddev=0.5), Bernoulli()],
    ids=repr,
)
def test_stochastic_operators_are_removed_at_inference(operator):
    inference = at_inference(bind(operator, (3,)))
    x = np.array([[1, -2, 3]], np.float32)
    assert not inference.random
    assert np.array_equal(run_torch(inference, x), x)
    assert np.array_equal(run_onnx(inference, x), x)


# --- draws that are their mean at inference -----------------------------------------------------------------


def test_bernoulli_draws_ones_with_the_given_probability():
    torch.manual_seed(0)
    made = run_torch(bind(Bernoulli(), (1000,)), torch.full((100, 1000), 0.3))
    assert made.unique().tolist() == [0, 1]
    assert float(made.mean()) == pytest.approx(0.3, abs=0.01)
    assert run_torch(bind(Bernoulli(), (2,)), torch.tensor([[0.0, 1.0]])).tolist() == [[0, 1]]


def test_sample_normal_has_the_given_mean_and_deviation():
    torch.manual_seed(0)
    operator = bind(SampleNormal(), (1000,), (1000,))
    made = run_torch(operator, torch.full((100, 1000), 2.0), torch.full((100, 1000), 0.5))
    assert float(made.mean()) == pytest.approx(2, abs=0.01)
    assert float(made.std()) == pytest.approx(0.5, rel=0.02)


def test_gradients_flow_into_mean_and_deviation():
    mean, stddev = torch.randn(4, 3, requires_grad=True), torch.rand(4, 3, requires_grad=True)
    torch.manual_seed(1)
    run_torch(bind(SampleNormal(), (3,), (3,)), mean, stddev).square().sum().backward()
    torch.manual_seed(1)
    other = [mean.detach().requires_grad_(), stddev.detach().requires_grad_()]
    torch.distributions.Normal(*other).rsample().square().sum().backward()
    torch.testing.assert_close(mean.grad, other[0].grad)
    torch.testing.assert_close(stddev.grad, other[1].grad)


def test_sample_normal_is_the_mean_at_inference():
    mean, stddev = np.array([[1], [2]], np.float32), np.ones((2, 3), np.float32)
    expand = bind(SampleNormal(), (1,), (3,)).inference().bind(Tensor("float", (1,)), Tensor("float", (3,)))
    assert run_torch(expand, mean, stddev).tolist() == [[1] * 3, [2] * 3]
    assert run_onnx(expand, mean, stddev).tolist() == [[1] * 3, [2] * 3]


def test_the_artifact_does_not_contain_the_deviation():
    text = """
input x: float[4]
output y: float[2]
center = x -> dense(2)
sample_normal(center, exp(dense(x, 2))) -> y
"""
    inference = specialize.inference(compile(Source("vae.dl", text)))
    assert [node.operator.name for node in inference.nodes] == ["dense"]
    assert [w.name for w in inference.weights] == ["dense.weight", "dense.bias"]
