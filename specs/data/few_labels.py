"""Writes `few_labels.npz`, handwritten digits of which 100 have labels (the label of the others is -1), and
`few_labels_test.npz`, which has all labels: `python specs/data/few_labels.py`."""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

LABELLED, TRAIN = 10, 1297  # of each class; in all
HERE = Path(__file__).parent


def parts() -> tuple[np.ndarray, np.ndarray]:
    """The images and labels in a random order; the first `TRAIN` are for training."""
    digits = load_digits()
    order = np.random.default_rng(3).permutation(len(digits.target))
    return digits.images[order, None].astype(np.uint8), digits.target[order].astype(np.int8)


def main() -> None:
    images, labels = parts()
    few = np.full(TRAIN, -1, np.int8)
    for digit in range(10):
        chosen = np.flatnonzero(labels[:TRAIN] == digit)[:LABELLED]
        few[chosen] = digit
    np.savez_compressed(HERE / "few_labels.npz", image=images[:TRAIN], label=few)
    np.savez_compressed(HERE / "few_labels_test.npz", image=images[TRAIN:], label=labels[TRAIN:])


if __name__ == "__main__":
    main()
