"""Writes `unpaired.npz`, with two handwritten digits in each row that have nothing to do with each other, and
`unpaired_test.npz`, with others: `python specs/data/unpaired.py`."""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

TRAIN = 1400  # images, half of them for each field
HERE = Path(__file__).parent


def main() -> None:
    digits = load_digits()
    order = np.random.default_rng(5).permutation(len(digits.images))[:1796]
    images = digits.images[order, None].astype(np.uint8)
    train, test = images[:TRAIN].reshape(2, -1, 1, 8, 8), images[TRAIN:].reshape(2, -1, 1, 8, 8)
    np.savez_compressed(HERE / "unpaired.npz", image=train[0], other=train[1])
    np.savez_compressed(HERE / "unpaired_test.npz", image=test[0], other=test[1])


if __name__ == "__main__":
    main()
