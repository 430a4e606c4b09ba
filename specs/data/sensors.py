"""Draws `sensors.csv`, hours of a healthy pump, and `sensors_test.csv`, in half of which it fails:
`python specs/data/sensors.py`."""

from pathlib import Path

import numpy as np

NAMES = ("speed", "current", "pressure", "flow", "temperature", "vibration")


def healthy(rng: np.random.Generator, count: int) -> np.ndarray:
    """Six readings that follow from two causes: how fast the pump runs, and against what."""
    speed, head = rng.uniform(900, 1500, count), rng.uniform(2, 6, count)
    flow = 0.03 * speed - 2.5 * head
    readings = [speed, 0.004 * speed + 0.8 * head, head + (speed / 1000) ** 2, flow,
                30 + 0.01 * speed + 2 * head, 0.2 + (speed / 1500) ** 2]  # fmt: skip
    noise = np.array([5, 0.05, 0.05, 0.3, 0.4, 0.02])
    return np.stack(readings, 1) + rng.normal(size=(count, 6)) * noise


def failing(rng: np.random.Generator, count: int) -> np.ndarray:
    """A reading or two that the others do not explain: a leak, a worn bearing, a blocked filter."""
    rows = healthy(rng, count)
    changes = np.array([[0, 0, -1.2, 8, 0, 0], [0, 1.0, 0, 0, 8, 0.35], [0, 0.8, 1.5, -8, 0, 0]])
    return rows + changes[rng.integers(0, 3, count)] * rng.uniform(0.7, 1.5, (count, 1))


def write(name: str, rows: np.ndarray, fails: np.ndarray) -> None:
    lines = [",".join((*NAMES, "failing"))]
    lines += [",".join([*(f"{v:.3f}" for v in row), str(int(f))]) for row, f in zip(rows, fails, strict=True)]
    Path(__file__).with_name(name).write_text("\n".join(lines) + "\n", "utf-8")


def main() -> None:
    rng = np.random.default_rng(0)
    write("sensors.csv", healthy(rng, 400), np.zeros(400))
    write("sensors_test.csv", np.concatenate([healthy(rng, 100), failing(rng, 100)]), np.arange(200) >= 100)


if __name__ == "__main__":
    main()
