"""The likelihoods that the specs of Boltzmann machines report are the exact ones, which annealed importance
sampling (Neal 2001; Salakhutdinov and Murray 2008) finds too. Everything is computed again with NumPy."""

from __future__ import annotations

from itertools import pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.special import expit, logsumexp
from sklearn.neural_network import BernoulliRBM

import dlc
from dlc.runtime.open_rows import open_data

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SPECS = Path(__file__).parents[2] / "specs"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], Any]:
    """Trains a spec for some epochs: its weights, and its figures."""
    known: dict[str, Any] = {}

    def train(name: str, epochs: int) -> Any:
        if name not in known:
            out = tmp_path_factory.mktemp(name)
            result = dlc.train(SPECS / f"{name}.dl", params={"train.epochs": epochs}, out=out)
            known[name] = result.weights, result.figures
        return known[name]

    return train


def digits(name: str) -> tuple[np.ndarray, np.ndarray]:
    """The training and the test images in black and white."""
    data = open_data(dlc.compile(SPECS / f"{name}.dl"), None)
    train, test = (np.asarray(rows["image"]).reshape(-1, 64) > 7 for rows in (data.train, data.test))
    return train.astype(float), test.astype(float)


def softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, x)


def states(units: int) -> np.ndarray:
    return np.array([*product((0.0, 1.0), repeat=units)])


class Restricted:
    """A machine with the weights `[hidden, visible]`, seen from its visible units."""

    def __init__(self, weights: Mapping[str, np.ndarray], prefix: str = "") -> None:
        self.w, self.a, self.b = (weights[prefix + name].astype(float) for name in "Wab")

    def score(self, v: np.ndarray, share: float = 1) -> np.ndarray:
        """The logarithm of the probability of states without its constant, with the weights times `share`."""
        return v @ self.a + softplus(share * (v @ self.w.T + self.b)).sum(-1)

    def move(self, v: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
        h = draw(expit(share * (v @ self.w.T + self.b)), rng)
        return draw(expit(share * (h @ self.w) + self.a), rng)

    def log_sum_of_hidden(self) -> float:
        h = states(len(self.b))
        return float(logsumexp(h @ self.b + softplus(h @ self.w + self.a).sum(1)))


class Deep:
    """A machine with two hidden layers, seen from the lower one; the visible units and the upper layer are
    summed out."""

    def __init__(self, weights: Mapping[str, np.ndarray], joint: bool) -> None:
        names = ("W", "V", "a", "b", "c")
        added = [weights[f"more_{name}"] if joint else 0 for name in names]
        found = (weights[name].astype(float) + more for name, more in zip(names, added, strict=True))
        self.w, self.v, self.a, self.b, self.c = found

    def score(self, h: np.ndarray, share: float = 1) -> np.ndarray:
        below, above = softplus(share * (h @ self.w.T) + self.a), softplus(share * (h @ self.v) + self.c)
        return share * (h @ self.b) + below.sum(-1) + above.sum(-1)

    def move(self, h: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
        seen = draw(expit(share * (h @ self.w.T) + self.a), rng)
        top = draw(expit(share * (h @ self.v) + self.c), rng)
        return draw(expit(share * (seen @ self.w + top @ self.v.T + self.b)), rng)

    def log_sum(self) -> float:
        return float(logsumexp(self.score(states(len(self.b)))))

    def log_likelihood(self, image: np.ndarray) -> np.ndarray:
        """Exact: the sum over the states of the lower layer, without the upper one, which is summed out."""
        h = states(len(self.b))
        of_states = h @ self.b + softplus(h @ self.v + self.c).sum(1)
        return logsumexp(image @ self.w @ h.T + of_states, axis=1) + image @ self.a - self.log_sum()

    def bound(self, image: np.ndarray) -> np.ndarray:
        """Of mean field, with more updates than the spec has, of one layer after the other."""
        t = np.full((len(image), len(self.c)), 0.5)
        for _ in range(100):
            h = expit(image @ self.w + t @ self.v.T + self.b)
            t = expit(h @ self.v + self.c)
        agreement = ((image @ self.w) * h).sum(1) + ((h @ self.v) * t).sum(1)
        return agreement + image @ self.a + h @ self.b + t @ self.c + entropy(h) + entropy(t) - self.log_sum()


def entropy(p: np.ndarray) -> np.ndarray:
    p = np.clip(p, 1e-12, 1 - 1e-12)
    return -(p * np.log(p) + (1 - p) * np.log(1 - p)).sum(1)


def draw(p: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return (rng.random(p.shape) < p).astype(float)


def annealed(machine: Any, first: np.ndarray, log_sum: float, steps: int = 3000) -> float:
    """The logarithm of the sum over all states, from the `first` states of the machine with the share 0,
    whose sum is known."""
    rng, v = np.random.default_rng(1), first
    shares, weight = np.linspace(0, 1, steps + 1), np.zeros(len(first))
    for before, share in pairwise(shares):
        weight += machine.score(v, share) - machine.score(v, before)
        v = machine.move(v, share, rng)
    return log_sum + float(logsumexp(weight) - np.log(len(first)))


@pytest.mark.slow
def test_the_likelihood_of_the_restricted_machine(trained) -> None:
    weights, figures = trained("rbm", 8)
    machine, (train, test) = Restricted(weights), digits("rbm")
    log_sum = machine.log_sum_of_hidden()
    exact = log_sum - machine.score(test).mean()
    assert figures["test"]["exact"] == pytest.approx(exact, abs=1e-3)

    rng = np.random.default_rng(0)
    first = draw(np.tile(expit(machine.a), (200, 1)), rng)
    without = softplus(machine.a).sum() + len(machine.b) * np.log(2)
    assert annealed(machine, first, without) == pytest.approx(log_sum, abs=0.1)

    p = (train.sum(0) + 1) / (len(train) + 2)
    independent = -(test * np.log(p) + (1 - test) * np.log(1 - p)).sum(1).mean()
    assert exact < independent - 2
    assert figures["test"]["independent"] == pytest.approx(independent, abs=0.5)


@pytest.mark.slow
def test_the_likelihood_of_the_machine_of_scikit_learn() -> None:
    """The best of three learning rates, after as many epochs."""
    params = dlc.compile(SPECS / "rbm.dl").compiled.params
    train, test = digits("rbm")
    found = []
    for rate in (0.02, 0.03, 0.05):
        model = BernoulliRBM(params["units"], learning_rate=rate, n_iter=60, random_state=0).fit(train)
        weights = {"W": model.components_, "a": model.intercept_visible_, "b": model.intercept_hidden_}
        machine = Restricted(weights)
        found.append(machine.log_sum_of_hidden() - machine.score(test).mean())
    assert params["sklearn"] == pytest.approx(min(found), abs=0.05)


def test_chains_move_exactly_to_their_next_states(trained) -> None:
    """A step of gradient descent leaves zeros and ones."""
    weights, _ = trained("persistent_chains", 3)
    chains = weights["chains"]
    assert {*np.unique(chains)} == {0, 1}
    assert 0.2 < chains.mean() < 0.8
    assert len(np.unique(chains, axis=0)) > 50


def test_the_likelihoods_of_both_machines_of_bars(trained) -> None:
    """Of the 30 images, with a sum over all images instead of all hidden states."""
    weights, figures = trained("persistent_chains", 3)
    data = open_data(dlc.compile(SPECS / "persistent_chains.dl"), None)
    images = np.unique(np.asarray(data.train["image"]).astype(float), axis=0)
    assert len(images) == 30
    for name, title in (("persistent", "persistent.exact"), ("one_step", "one_step.exact")):
        machine = Restricted(weights, f"{name}.machine.")
        exact = logsumexp(machine.score(states(16))) - machine.score(images).mean()
        assert figures["train"][title] == pytest.approx(exact, abs=1e-3)


@pytest.mark.slow
def test_the_bound_of_the_deep_machine(trained) -> None:
    """It rises in joint training, is below the exact likelihood, and near to it."""
    weights, figures = trained("deep_boltzmann_machine", 3)
    _, test = digits("deep_boltzmann_machine")
    bounds, likelihoods = [], []
    for joint, title in ((False, "more_W.before"), (True, "more_W.after")):
        machine = Deep(weights, joint)
        bound, likelihood = machine.bound(test), machine.log_likelihood(test)
        assert (bound <= likelihood + 1e-9).all()
        assert (likelihood - bound).mean() < 0.5
        assert figures["test"][title] == pytest.approx(-bound.mean(), abs=5e-3)
        bounds.append(bound.mean())
        likelihoods.append(likelihood.mean())
    assert bounds[1] > bounds[0] + 0.5
    assert likelihoods[1] > likelihoods[0] + 0.5


@pytest.mark.slow
def test_the_sum_over_the_states_of_the_deep_machine(trained) -> None:
    weights, _ = trained("deep_boltzmann_machine", 3)
    machine = Deep(weights, joint=True)
    first = draw(np.full((200, len(machine.b)), 0.5), np.random.default_rng(0))
    without = len(machine.b) * np.log(2) + softplus(machine.a).sum() + softplus(machine.c).sum()
    assert annealed(machine, first, without) == pytest.approx(machine.log_sum(), abs=0.1)
