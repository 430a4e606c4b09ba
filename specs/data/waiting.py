"""Draws `waiting.csv`, minutes that customers wait at a counter: `python specs/data/waiting.py`."""

from pathlib import Path

import numpy as np


def main() -> None:
    rng = np.random.default_rng(5)
    hour = rng.uniform(8, 18, 3000)
    rush = np.exp(-((hour - 12.5) ** 2) / 1.5) + 0.5 * np.exp(-((hour - 17) ** 2))
    minutes = 2 + 8 * rush + rng.gamma(2, 0.4 + 4 * rush)
    lines = ["hour,minutes", *(f"{h:.2f},{m:.2f}" for h, m in zip(hour, minutes, strict=True))]
    Path(__file__).with_name("waiting.csv").write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
