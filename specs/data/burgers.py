"""Writes `burgers.csv` and `burgers_test.csv`, points at which Burgers' equation is to hold, and its exact
solution: at the start and at both ends in training, at each point for the test.
`python specs/data/burgers.py`."""

from pathlib import Path

import numpy as np

VISCOSITY, SPEED, HEIGHT = 0.05, 0.5, 1.0
HERE = Path(__file__).parent


def exact(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """A wave front that moves to the right: a solution of u_t + u u_x = viscosity u_xx (Bateman 1915)."""
    return SPEED - HEIGHT * np.tanh(HEIGHT * (x - SPEED * t) / (2 * VISCOSITY))


def rows(x: np.ndarray, t: np.ndarray, u: np.ndarray, known: np.ndarray) -> str:
    cells = ((f"{v:.5f}" if k else "") for v, k in zip(u, known, strict=True))
    lines = (f"{a:.5f},{b:.5f},{c}" for a, b, c in zip(x, t, cells, strict=True))
    return "\n".join(["x,t,u", *lines]) + "\n"


def main() -> None:
    rng = np.random.default_rng(0)
    inner, edge = 2000, 100
    x = np.concatenate([rng.uniform(-1, 1, inner + edge), np.full(edge, -1), np.full(edge, 1)])
    t = np.concatenate([rng.uniform(0, 1, inner), np.zeros(edge), rng.uniform(0, 1, 2 * edge)])
    known = np.arange(len(x)) >= inner
    (HERE / "burgers.csv").write_text(rows(x, t, exact(x, t), known), "utf-8")
    x, t = (grid.ravel() for grid in np.meshgrid(np.linspace(-1, 1, 41), np.linspace(0, 1, 11)))
    (HERE / "burgers_test.csv").write_text(rows(x, t, exact(x, t), np.full(len(x), True)), "utf-8")


if __name__ == "__main__":
    main()
