"""What generative specs make: whether all modes are among it, whether tests tell it from real samples, and
whether a classifier of real digits reads it. The oracles are those of scikit-learn and SciPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from trained import trained

import dlc

SPECS = Path(__file__).parents[2] / "specs"
DRAWS = np.random.default_rng(0)
POINTS = 4000
RING = 2 * np.stack([np.cos(a := np.arange(8) * np.pi / 4), np.sin(a)], axis=1)
ROLL = np.stack([(t := 1.5 * np.pi * np.linspace(1, 3, 3001)) * np.cos(t), t * np.sin(t)], axis=1) / 7.5


def artifact(name: str, folder: Path) -> Any:
    """The artifact of a spec that is trained to the end."""
    return dlc.load(trained(name, folder).model)


def normal(*shape: int) -> np.ndarray:
    return DRAWS.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(("name", "line", "sigma"), [("gan_ring", RING, 0.1), ("wgan_gp", ROLL, 0.05)])
def test_rivals_have_the_mean_and_the_covariance_of_the_points(
    name: str, line: np.ndarray, sigma: float
) -> None:
    draws = torch.Generator().manual_seed(0)
    rows = {"place": torch.rand(100_000, generator=draws)}
    rows |= {field: torch.randn(100_000, 2, generator=draws) for field in ("jitter", "noise")}
    program = dlc.compile(SPECS / f"{name}.dl", params={"export.outputs": "[real, gaussian]"})
    wanted = line.mean(axis=0), np.cov(line.T, bias=True) + sigma**2 * np.eye(2)
    for points in program.torch()(rows).values():
        assert points.mean(0).numpy() == pytest.approx(wanted[0], abs=0.02)
        assert points.T.cov().numpy() == pytest.approx(wanted[1], abs=0.03)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("name", "line", "parts", "sigma", "share"),
    [("gan_ring", RING, 8, 0.1, 0.9), ("wgan_gp", ROLL, 10, 0.05, 0.8)],
)
def test_points_are_made_everywhere(
    name: str, line: np.ndarray, parts: int, sigma: float, share: float, tmp_path: Path
) -> None:
    """At all modes of the ring, and along the whole roll."""
    made = artifact(name, tmp_path).predict({"noise": normal(POINTS, 2)})["made"]
    distances = cdist(made, line)
    assert (distances.min(axis=1) < 4 * sigma).mean() >= share
    part = distances.argmin(axis=1) * parts // len(line)
    assert np.bincount(part, minlength=parts).min() >= 0.4 * POINTS / parts

    real, more = (line[DRAWS.integers(len(line), size=POINTS)] + sigma * normal(POINTS, 2) for _ in "ab")
    gaussian = DRAWS.multivariate_normal(real.mean(0), np.cov(real.T), POINTS)
    assert energy_distance(made, real) < 0.1 * energy_distance(gaussian, real)
    assert accuracy_of_two_samples(more, real) == pytest.approx(0.5, abs=0.03)  # of the test itself
    assert accuracy_of_two_samples(made, real) < accuracy_of_two_samples(gaussian, real) - 0.15


def energy_distance(a: np.ndarray, b: np.ndarray) -> float:
    """0 if both are from one distribution, but for chance (Szekely and Rizzo 2013)."""
    count = len(a) * (len(a) - 1)
    return 2 * cdist(a, b).mean() - cdist(a, a).sum() / count - cdist(b, b).sum() / count


def accuracy_of_two_samples(a: np.ndarray, b: np.ndarray) -> float:
    """How often a classifier of one half of both is right about the other half; 0.5 is chance (Lopez-Paz and
    Oquab 2017)."""
    x, y = np.concatenate([a, b]), np.repeat([0, 1], [len(a), len(b)])
    order = np.random.default_rng(0).permutation(len(x))
    train, test = np.array_split(order, 2)
    return KNeighborsClassifier(25).fit(x[train], y[train]).score(x[test], y[test])


def reader() -> SVC:
    """A classifier of real digits, of another kind than those of the specs."""
    digits = load_digits()
    return SVC(gamma=0.001, C=10).fit(digits.data, digits.target)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_digits_of_all_classes_are_made(tmp_path: Path) -> None:
    """More like real ones than what has the means and covariances of real ones."""
    real = load_digits().data
    made = artifact("gan_digits", tmp_path).predict({"noise": normal(1500, 32)})["made"].reshape(-1, 64)
    gaussian = DRAWS.multivariate_normal(real.mean(0), np.cov(real.T), 1500).clip(0, 16)
    assert np.bincount(reader().predict(made), minlength=10).min() >= 0.05 * len(made)
    assert precision(made, real) >= 0.6
    assert precision(gaussian, real) <= 0.45
    forest = RandomForestClassifier(200, random_state=0).fit(real, load_digits().target)
    scores = (inception_score(forest.predict_proba(images)) for images in (made, gaussian))
    assert next(scores) > next(scores) + 0.5


def precision(made: np.ndarray, real: np.ndarray, neighbour: int = 5) -> float:
    """The share of samples that are as near to a real one as real ones are (Kynkaanniemi et al. 2019)."""
    radii = np.sort(cdist(real, real), axis=1)[:, neighbour]
    return float((cdist(made, real) <= radii).any(axis=1).mean())


def inception_score(probabilities: np.ndarray) -> float:
    """From 1 to the number of classes (Salimans et al. 2016)."""
    probabilities = probabilities.clip(1e-9)
    ratios = np.log(probabilities / probabilities.mean(axis=0))
    return float(np.exp((probabilities * ratios).sum(axis=1).mean()))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_digit_that_is_asked_for_is_made(tmp_path: Path) -> None:
    model, digit = artifact("conditional_gan", tmp_path), np.arange(1000) % 10
    made = model.predict({"digit": digit, "noise": normal(1000, 32)})["made"].reshape(-1, 64)
    read = reader().predict(made)
    assert (read == digit).mean() >= 0.9
    for one in range(10):
        assert (read == digit)[digit == one].mean() >= 0.7
    threes = load_digits().data[load_digits().target == 3]
    assert made[digit == 3].std(axis=0).mean() >= 0.5 * threes.std(axis=0).mean()  # not one drawing of each


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_each_factor_has_a_code_of_its_own(tmp_path: Path) -> None:
    factors = DRAWS.random((3000, 3)).astype(np.float32)
    answers = artifact("beta_vae", tmp_path).predict(dict(zip(("x", "y", "size"), factors.T, strict=True)))
    codes, plain = (squared_correlations(factors, answers[name]) for name in ("code", "plain_code"))
    assert codes.max(axis=1).min() >= 0.7
    assert len({*codes.argmax(axis=1)}) == 3
    assert gaps(codes).mean() >= gaps(plain).mean() + 0.2


def squared_correlations(factors: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Of each factor with each code; 0 for codes that are not used."""
    used = codes[:, codes.std(axis=0) > 0.2]
    return np.corrcoef(factors.T, used.T)[:3, 3:] ** 2


def gaps(correlations: np.ndarray) -> np.ndarray:
    """For each factor, how far its best code is above the second one."""
    ordered = np.sort(correlations, axis=1)
    return ordered[:, -1] - ordered[:, -2]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_translation_is_the_negative(tmp_path: Path) -> None:
    image = np.load(SPECS / "data" / "unpaired_test.npz")["image"].astype(float)
    negative = artifact("cyclegan", tmp_path).predict({"image": image.astype(np.uint8)})["negative"]
    assert np.abs(negative - (16 - image)).mean() <= 0.1 * np.abs(image - (16 - image)).mean()
    answers = reader().predict(16 - negative.reshape(-1, 64))
    assert (answers == reader().predict(image.reshape(-1, 64))).mean() >= 0.85
