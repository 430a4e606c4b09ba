"""The codes of `adversarial_autoencoder.dl` are distributed as the noise that its decoder draws from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier

import dlc
from dlc.runtime.open_rows import open_data

SPEC = Path(__file__).parents[2] / "specs" / "adversarial_autoencoder.dl"
DECEIVES = """
  step encoder {
    loss      = bce(critic(code, digit), 1)
    optimizer = adam(lr=1e-3, beta1=0.5)
  }
"""


def told_apart(codes: np.ndarray) -> float:
    """How often nearest neighbours tell codes from as many draws of the noise: the two-sample test of
    Lopez-Paz and Oquab (2017), which is at 0.5 if both have one distribution."""
    noise = np.random.default_rng(0).standard_normal(codes.shape)
    rows, which = np.concatenate([codes, noise]), np.repeat([0, 1], len(codes))
    order = np.random.default_rng(1).permutation(len(rows))
    return cross_val_score(KNeighborsClassifier(15), rows[order], which[order], cv=5).mean()


def codes_of(text: str, tmp_path: Path, epochs: int) -> np.ndarray:
    """The codes of the test images after a training."""
    (tmp_path / "spec.dl").write_text(text, "utf-8")
    result = dlc.train(tmp_path / "spec.dl", out=tmp_path / "run", params={"train.epochs": epochs})
    test = open_data(dlc.compile(SPEC), None).test
    assert test is not None
    noise = np.zeros((len(test["digit"]), 4), np.float32)
    rows = {"image": test["image"], "digit": test["digit"], "noise": noise}
    return dlc.load(result.model).predict(rows)["code"]


def test_noise_is_not_told_from_noise() -> None:
    draws = np.random.default_rng(2).standard_normal((360, 4))
    assert told_apart(draws) == pytest.approx(0.5, abs=0.06)
    assert told_apart(draws + 1) > 0.65
    assert told_apart(draws / 2) > 0.65


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_codes_are_distributed_as_the_noise(tmp_path: Path) -> None:
    text = SPEC.read_text("utf-8")
    assert DECEIVES in text
    codes = codes_of(text, tmp_path, 100)
    assert told_apart(codes) < 0.57
    np.testing.assert_allclose(codes.mean(0), 0, atol=0.2)
    np.testing.assert_allclose(codes.std(0), 1, atol=0.2)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_codes_of_an_autoencoder_alone_are_not(tmp_path: Path) -> None:
    text = SPEC.read_text("utf-8").replace(DECEIVES, "")
    assert told_apart(codes_of(text, tmp_path, 10)) > 0.75
