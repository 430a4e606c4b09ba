"""`embedding` and `one_hot` compared with PyTorch, and the class of unknown values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from forms import Functions, run_onnx, run_torch
from torch import nn

from dlc.compiler.operators.embedding import Embedding, OneHot
from dlc.compiler.types import Classes, Tensor

SHAPES = [(), (4,), (2, 3)]


def bind(operator, *shape):
    return operator.bind(Tensor("class", shape, Classes(5)))


def classes(*shape, low=0):
    return np.random.default_rng(0).integers(low, 5, (64, *shape))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_embedding_and_its_gradient_equal_pytorch(shape):
    module = nn.Embedding(5, 3)
    weight = module.weight.detach().clone().requires_grad_()
    x = torch.from_numpy(classes(*shape))
    made, wanted = bind(Embedding(dim=3), *shape).torch(Functions(), x, weight), module(x)
    assert torch.equal(made, wanted)
    made.square().sum().backward()
    wanted.square().sum().backward()
    torch.testing.assert_close(weight.grad, module.weight.grad)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_one_hot_equals_pytorch(shape):
    x = classes(*shape)
    made = run_torch(bind(OneHot(), *shape), x)
    assert torch.equal(made, nn.functional.one_hot(torch.from_numpy(x), 5).float())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_an_unknown_class_gives_zeros(shape):
    x = classes(*shape, low=-1)
    assert (x == -1).any()
    weight = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
    operators = (bind(Embedding(dim=3), *shape), {"weight": weight}), (bind(OneHot(), *shape), {})
    for operator, weights in operators:
        made = run_torch(operator, x, **weights).numpy()
        assert not made[x == -1].any()
        assert made[x != -1].any(-1).all()
        assert np.array_equal(run_onnx(operator, x, **weights), made)


def test_an_unknown_class_has_no_gradient():
    weight = torch.full((5, 3), float("inf"), requires_grad=True)
    made = bind(Embedding(dim=3), 2).torch(Functions(), torch.tensor([[-1, -1]]), weight)
    made.sum().backward()
    assert made.tolist() == [[[0] * 3] * 2]
    assert weight.grad.tolist() == [[0] * 3] * 5
