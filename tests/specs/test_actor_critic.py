"""The actor of `actor_critic.dl` drives the car to the top, in the simulation that its rows come from."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from trained import trained

import dlc

if TYPE_CHECKING:
    from collections.abc import Callable

SPEC = Path(__file__).parents[2] / "specs" / "actor_critic.dl"
LIMIT = 100  # decisions in an episode


def script() -> Any:
    """The script that simulates the car and writes the rows."""
    path = SPEC.parent / "data" / "mountain_car.py"
    spec = importlib.util.spec_from_file_location("mountain_car", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CAR = script()


def decisions(policy: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The number of decisions until the top, `LIMIT` if it is not reached, of 200 episodes that begin at rest
    near the bottom of the valley."""
    positions = np.random.default_rng(5).uniform(-0.6, -0.4, 200)
    state, needed = np.stack([positions, np.zeros(200)], 1), np.full(200, LIMIT)
    for decision in range(1, LIMIT):
        state, done = CAR.advance(state, policy(state))
        needed = np.where(done, np.minimum(needed, decision), needed)
    return needed


def test_the_car_has_to_swing() -> None:
    """To push right always, the most frequent action of the rows, does not lead to the top; to push along the
    velocity, which adds energy in every step, does."""
    assert (decisions(lambda state: np.full(len(state), 2)) == LIMIT).all()
    assert (decisions(lambda state: np.where(state[:, 1] >= 0, 2, 0)) < LIMIT).all()


def test_the_rows_are_transitions_of_the_simulation() -> None:
    for name in ("mountain_car", "mountain_car_test"):
        rows = np.load(SPEC.parent / "data" / f"{name}.npz")
        after, done = CAR.advance(rows["state"].astype(float), rows["taken"])
        np.testing.assert_allclose(after, rows["next"], atol=1e-5)
        assert (done == rows["done"]).mean() > 0.999  # float32 rounds positions at the top
        np.testing.assert_array_equal(rows["reward"], rows["done"])


def test_no_policy_is_better_than_the_best_one() -> None:
    solution, rng = CAR.Solution(), np.random.default_rng(0)
    best = decisions(lambda state: solution.actions(state).argmax(1))
    along = decisions(lambda state: np.where(state[:, 1] >= 0, 2, 0))
    assert best.mean() < along.mean()
    assert best.mean() < decisions(lambda state: CAR.behaviour(state, rng)).mean() / 3


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_actor_reaches_the_top_and_the_clone_does_not(tmp_path: Path) -> None:
    model = dlc.load(trained("actor_critic", tmp_path).model)

    def chosen(output: str) -> Callable[[np.ndarray], np.ndarray]:
        return lambda state: model.predict({"state": state.astype(np.float32)})[output]

    solution, rng = CAR.Solution(), np.random.default_rng(0)
    actor, clone = decisions(chosen("action")), decisions(chosen("cloned"))
    behaviour = decisions(lambda state: CAR.behaviour(state, rng))
    best = decisions(lambda state: solution.actions(state).argmax(1))
    assert (actor < LIMIT).all()
    assert actor.mean() <= 1.4 * best.mean()
    assert actor.mean() <= behaviour.mean() / 2
    assert (clone == LIMIT).mean() >= 0.9
