"""Initial values have the distributions of `torch.nn.init`."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from torch.nn import init

from dlc.compiler.definitions.definition import family
from dlc.compiler.definitions.initializers import (
    Auto,
    EyeInitial,
    Full,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    LoadInitial,
    NormalInitial,
    Ones,
    Orthogonal,
    UniformInitial,
    XavierNormal,
    XavierUniform,
    Zeros,
)

# The equivalent initializer in torch, where He is called Kaiming and LeCun is Kaiming without a gain.
DRAWS = (
    (HeNormal(), lambda w: init.kaiming_normal_(w, nonlinearity="relu")),
    (HeUniform(), lambda w: init.kaiming_uniform_(w, nonlinearity="relu")),
    (LecunNormal(), lambda w: init.kaiming_normal_(w, nonlinearity="linear")),
    (LecunUniform(), lambda w: init.kaiming_uniform_(w, nonlinearity="linear")),
    (XavierNormal(), init.xavier_normal_),
    (XavierUniform(), init.xavier_uniform_),
    (NormalInitial(stddev=0.3), lambda w: init.normal_(w, 0, 0.3)),
    (UniformInitial(bound=0.2), lambda w: init.uniform_(w, -0.2, 0.2)),
    (Orthogonal(), init.orthogonal_),
    (Zeros(), init.zeros_),
    (Ones(), init.ones_),
    (Full(value=0.25), lambda w: init.constant_(w, 0.25)),
)
SHAPES = ((200, 50), (50, 200), (40, 20, 3, 3))
# The layer chooses the values, a file has them, or they have a test of their own.
OTHERS = {Auto.name, LoadInitial.name, EyeInitial.name}


def pair(ours, theirs, shape):
    torch.manual_seed(0)
    fans = int(np.prod(shape[1:])), int(shape[0] * np.prod(shape[2:]))
    found = ours.draw(np, np.random.default_rng(0), shape, fans)
    return found, theirs(torch.empty(shape)).numpy()


@pytest.mark.parametrize("name", sorted(set(family("initial")) - OTHERS))
def test_every_initializer_is_compared_with_torch(name):
    assert any(ours.name == name for ours, _ in DRAWS), f"write a row into DRAWS for `{name}`"


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("ours", "theirs"), DRAWS)
def test_values_have_the_distribution_of_torch(ours, theirs, shape):
    found, wanted = pair(ours, theirs, shape)
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    assert ks_2samp(found.ravel(), wanted.ravel()).pvalue > 0.01
    assert found.std() == pytest.approx(wanted.std(), rel=0.05)


def test_another_distribution_is_detected():
    (ours, _), (_, theirs) = DRAWS[0], DRAWS[2]
    found, wanted = pair(ours, theirs, SHAPES[0])
    assert ks_2samp(found.ravel(), wanted.ravel()).pvalue < 1e-6


def test_eye_is_the_unit_matrix():
    np.testing.assert_array_equal(*pair(EyeInitial(size=5), init.eye_, (5, 5)))


@pytest.mark.parametrize("shape", SHAPES)
def test_orthogonal_is_orthogonal(shape):
    matrix = pair(Orthogonal(), init.orthogonal_, shape)[0].reshape(shape[0], -1).astype(np.float64)
    small = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(small, np.eye(len(small)), atol=1e-5)
