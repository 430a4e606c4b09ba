"""Operators that act in training alone; at inference they are the identity."""

from __future__ import annotations

from dlc.compiler.kinds import Number
from dlc.compiler.operators.activations import Identity, shapes
from dlc.compiler.operators.base import Example, Operator, setting
from dlc.compiler.types import Tensor


class _TrainingOnly(Operator, abstract=True):
    batchless = True
    random = True
    follows = True

    def type(self, x: Tensor) -> Tensor:
        return x

    def inference(self) -> Operator:
        return Identity()


class Dropout(_TrainingOnly):
    """In training each value is 0 with probability `rate`, else `x / (1 - rate)` (torch `dropout`).

    At inference the identity.
    """

    rate: float = setting("share of values that are dropped", Number(minimum=0, below=1), usual=(0, 0.8))

    def torch(self, F, x):
        return F.dropout(x, self.rate, True)

    examples = shapes(
        "dropout(0.3)",
        Example("dropout(0)", "float[3]", "float[3]"),
        Example("dropout(rate=0.5)", "uint8[3]", "float[3]", low=0, high=255),
        Example("dropout(1)", "float[3]", rejects="E0403"),
        Example("dropout(-0.1)", "float[3]", rejects="E0403"),
    )


class GaussianNoise(_TrainingOnly):
    """In training `x + stddev * n`, n drawn from the standard normal distribution (torch `randn_like`).

    At inference the identity.
    """

    stddev: float = setting("standard deviation of the noise", Number(minimum=0))

    def torch(self, F, x):
        return x + self.stddev * F.randn_like(x)

    examples = shapes(
        "gaussian_noise(0.3)",
        Example("gaussian_noise(stddev=0.5)", "uint8[3]", "float[3]", low=0, high=255),
        Example("gaussian_noise(-1)", "float[3]", rejects="E0403"),
    )
