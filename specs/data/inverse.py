"""Draws `inverse.csv`, points of a curve that has up to three y for one x: `python specs/data/inverse.py`."""

from pathlib import Path

import numpy as np


def main() -> None:
    rng = np.random.default_rng(4)
    y = rng.uniform(0, 1, 2000)
    x = y + 0.3 * np.sin(2 * np.pi * y) + rng.normal(0, 0.03, len(y))
    lines = ["x,y", *(f"{a:.4f},{b:.4f}" for a, b in zip(x, y, strict=True))]
    Path(__file__).with_name("inverse.csv").write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
