"""Draws `moons.csv`, points of two interleaved half circles with noise: `python specs/data/moons.py`."""

from pathlib import Path

import numpy as np


def main() -> None:
    rng = np.random.default_rng(0)
    upper = np.arange(4000) % 2 == 0
    angle = rng.uniform(0, np.pi, len(upper))
    x = np.where(upper, np.cos(angle), 1 - np.cos(angle)) + rng.normal(0, 0.08, len(upper))
    y = np.where(upper, np.sin(angle), 0.5 - np.sin(angle)) + rng.normal(0, 0.08, len(upper))
    lines = ["x,y", *(f"{a:.4f},{b:.4f}" for a, b in zip(x, y, strict=True))]
    Path(__file__).with_name("moons.csv").write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
