"""What acts in training alone: its mean, its share, and that nothing is left of it at inference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from forms import at_inference, bind, run_onnx, run_torch

from dlc.compiler.operators.regularization import Dropout, GaussianNoise

ONES = torch.full((100, 1000), 3.0)


@pytest.mark.parametrize("rate", [0, 0.25, 0.8])
def test_dropout_keeps_the_mean(rate):
    torch.manual_seed(0)
    made = run_torch(bind(Dropout(rate=rate), (1000,)), ONES)
    assert made[made != 0].unique().tolist() == [pytest.approx(3 / (1 - rate))]
    assert float((made == 0).float().mean()) == pytest.approx(rate, abs=0.01)
    assert float(made.mean()) == pytest.approx(3, rel=0.02)


def test_noise_has_its_deviation():
    torch.manual_seed(0)
    made = run_torch(bind(GaussianNoise(stddev=0.5), (1000,)), ONES) - 3
    assert float(made.mean()) == pytest.approx(0, abs=0.01)
    assert float(made.std()) == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("operator", [Dropout(rate=0.5), GaussianNoise(stddev=0.5)], ids=repr)
def test_at_inference_nothing_is_left(operator):
    inference = at_inference(bind(operator, (3,)))
    x = np.array([[1, -2, 3]], np.float32)
    assert not inference.random
    assert np.array_equal(run_torch(inference, x), x)
    assert np.array_equal(run_onnx(inference, x), x)
