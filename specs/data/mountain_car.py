"""Writes `mountain_car.npz`, what a poor policy did with a car in a valley (Moore 1990), and
`mountain_car_test.npz`, other rows with the best action: `python specs/data/mountain_car.py`.

The engine is too weak to drive up the hill at once: the car has to swing. A state is a position and a
velocity, an action pushes left (0), not at all (1) or right (2), for `HELD` steps of the simulation. The
reward is 1 at the top.
"""

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
HELD, DISCOUNT = 4, 0.95
TRAIN, TEST, EPISODE = 6000, 1000, 40  # rows, and decisions in an episode
LOW, HIGH, TOP = np.array([-1.2, -0.07]), np.array([0.6, 0.07]), 0.5
CLEAR = 0.005  # least difference of the values of the best and the second action in rows of the test


def advance(state: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The states [n, 2] after an action [n], and whether the car is at the top."""
    x, v = state.T.copy()
    done = x >= TOP
    for _ in range(HELD):
        moved = np.clip(v + 0.001 * (action - 1) - 0.0025 * np.cos(3 * x), LOW[1], HIGH[1])
        v = np.where(done, v, moved)
        x = np.where(done, x, np.clip(x + v, LOW[0], HIGH[0]))
        v = np.where((x <= LOW[0]) & (v < 0), 0, v)
        done = x >= TOP
    return np.stack([x, v], 1), done


def behaviour(state: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pushes right in half of the cases, and else in any direction."""
    return np.where(rng.random(len(state)) < 0.5, 2, rng.integers(0, 3, len(state)))


def starts(count: int, rng: np.random.Generator) -> np.ndarray:
    """States of the whole valley."""
    return rng.uniform(LOW, [TOP, HIGH[1]], (count, 2))


def logged(count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Successive transitions of episodes of the behaviour, in a random order."""
    state, parts = starts(count // 8, rng), []
    for _ in range(EPISODE):
        action = behaviour(state, rng)
        after, done = advance(state, action)
        parts.append((state, action, after, done))
        state = np.where(done[:, None], starts(len(state), rng), after)
    states, actions, nexts, dones = (np.concatenate(part) for part in zip(*parts, strict=True))
    chosen = rng.permutation(len(states))[:count]
    return {
        "state": states[chosen].astype(np.float32),
        "taken": actions[chosen].astype(np.int8),
        "reward": dones[chosen].astype(np.float32),
        "next": nexts[chosen].astype(np.float32),
        "done": dones[chosen],
        "best": np.full(count, -1, np.int8),
    }


class Solution:
    """The values of the best policy, by value iteration on a grid with bilinear interpolation."""

    def __init__(self, cells: int = 120, rounds: int = 300) -> None:
        self.axes = [np.linspace(low, high, cells) for low, high in zip(LOW, HIGH, strict=True)]
        self.values = np.zeros((cells, cells))
        grid = np.stack(np.meshgrid(*self.axes, indexing="ij"), -1).reshape(-1, 2)
        moves = [advance(grid, np.full(len(grid), action)) for action in range(3)]
        for _ in range(rounds):
            found = np.stack([self.after(*move) for move in moves]).max(0)
            self.values = np.where(grid[:, 0] >= TOP, 1, found).reshape(cells, cells)

    def after(self, state: np.ndarray, done: np.ndarray) -> np.ndarray:
        """The values of actions that lead to these states."""
        places = [(s - a[0]) / (a[1] - a[0]) for s, a in zip(state.T, self.axes, strict=True)]
        (i, j) = (np.clip(p.astype(int), 0, len(self.values) - 2) for p in places)
        u, w = places[0] - i, places[1] - j
        near = self.values
        mixed = (1 - u) * ((1 - w) * near[i, j] + w * near[i, j + 1])
        mixed += u * ((1 - w) * near[i + 1, j] + w * near[i + 1, j + 1])
        return np.where(done, 1, DISCOUNT * mixed)

    def actions(self, state: np.ndarray) -> np.ndarray:
        """The values [n, 3] of the actions in states."""
        return np.stack([self.after(*advance(state, np.full(len(state), a))) for a in range(3)], 1)


def main() -> None:
    rng = np.random.default_rng(0)
    train, test = logged(TRAIN, rng), logged(TEST, rng)
    values = Solution().actions(test["state"].astype(float))
    ordered = np.sort(values, 1)
    clear = ordered[:, 2] - ordered[:, 1] >= CLEAR
    test["best"] = np.where(clear, values.argmax(1), -1).astype(np.int8)
    np.savez_compressed(HERE / "mountain_car.npz", **train)
    np.savez_compressed(HERE / "mountain_car_test.npz", **test)


if __name__ == "__main__":
    main()
