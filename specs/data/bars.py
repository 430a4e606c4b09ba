"""Writes `bars.npz`, the 30 images of 4 times 4 pixels whose rows, or whose columns, are all black or all
white, each of them 20 times: `python specs/data/bars.py`."""

from itertools import product
from pathlib import Path

import numpy as np

SIZE, TIMES = 4, 20
HERE = Path(__file__).parent


def images() -> np.ndarray:
    """All bars and stripes (MacKay, Information Theory, Inference, and Learning Algorithms, 2003)."""
    lines = np.array([*product((False, True), repeat=SIZE)])
    bars = np.repeat(lines, SIZE, axis=1)
    stripes = np.tile(lines, SIZE)
    return np.unique(np.concatenate([bars, stripes]), axis=0)


def main() -> None:
    np.savez_compressed(HERE / "bars.npz", image=np.tile(images(), (TIMES, 1)))


if __name__ == "__main__":
    main()
