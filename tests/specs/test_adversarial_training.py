"""The errors under attack that `adversarial_training.dl` reports are those of an attack in plain PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from torch.nn.functional import conv2d, cross_entropy, linear

import dlc
from dlc.runtime.open_rows import open_data

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

SPEC = Path(__file__).parents[2] / "specs" / "adversarial_training.dl"
SIZE, STEPS = 0.15, 5


def classifier(weights: Mapping[str, np.ndarray], net: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """A network of the spec as a function of pixels from 0 to 1."""

    def of(layer: str) -> tuple[torch.Tensor, torch.Tensor]:
        found = (weights[f"{net}.classifier.{layer}.{leaf}"] for leaf in ("weight", "bias"))
        weight, bias = map(torch.tensor, found)
        return weight, bias

    def scores(x: torch.Tensor) -> torch.Tensor:
        x = conv2d(x, *of("conv"), padding=1).relu()
        x = conv2d(x, *of("conv_2"), stride=2, padding=1).relu()
        return linear(linear(x.flatten(1), *of("dense")).relu(), *of("dense_2"))

    return scores


def attacked(
    scores: Callable[[torch.Tensor], torch.Tensor], pixels: torch.Tensor, digit: torch.Tensor
) -> torch.Tensor:
    """Images within `SIZE` of the given ones, by projected gradient descent (Madry et al. 2018)."""
    x = pixels
    for _ in range(STEPS):
        x = x.detach().requires_grad_()
        (slope,) = torch.autograd.grad(cross_entropy(scores(x), digit, reduction="sum"), x)
        x = x.detach() + SIZE / 2 * slope.sign()
        x = x.clamp(pixels - SIZE, pixels + SIZE).clamp(0, 1)
    return x


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_both_networks_under_attack(tmp_path: Path) -> None:
    result = dlc.train(SPEC, out=tmp_path, params={"train.epochs": 5})
    test = open_data(dlc.compile(SPEC), None).test
    assert test is not None
    pixels = torch.tensor(test["image"]).float() / 16
    digit = torch.tensor(test["digit"]).long()
    errors = {}
    for net, output in (("plain", "by_plain"), ("robust", "digit")):
        scores = classifier(result.weights, net)
        right = (scores(pixels).argmax(1) == digit).float().mean().item()
        assert result.figures["test"][f"{output}.accuracy"] == pytest.approx(right, abs=1e-6)
        changed = attacked(scores, pixels, digit)
        assert (changed - pixels).abs().max() <= SIZE + 1e-6
        errors[net] = (scores(changed).argmax(1) != digit).float().mean().item()
        # the signs of slopes that are almost 0 may differ
        assert result.figures["test"][f"{net}.attacked"] == pytest.approx(errors[net], abs=0.01)
    assert errors["plain"] > errors["robust"] + 0.2
