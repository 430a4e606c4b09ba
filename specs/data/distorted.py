"""Writes `distorted.npz`, handwritten digits turned, scaled and moved on a larger picture:
`python specs/data/distorted.py`."""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

SIZE = 20


def bilinear(image: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The image at these positions; 0 outside."""
    padded = np.pad(image, 1)
    y, x = (np.clip(v + 1, 0, len(image) + 0.999) for v in (y, x))
    i, j = y.astype(int), x.astype(int)
    a, b = y - i, x - j
    top = padded[i, j] * (1 - b) + padded[i, j + 1] * b
    return top * (1 - a) + padded[i + 1, j] * (1 - b) * a + padded[i + 1, j + 1] * b * a


def main() -> None:
    rng = np.random.default_rng(7)
    digits = load_digits()
    place = np.arange(SIZE) - (SIZE - 1) / 2
    pictures = []
    for image in digits.images * (255 / 16):
        angle, size = rng.uniform(-1, 1), rng.uniform(0.9, 1.5)
        down, right = rng.uniform(-4, 4, 2)
        y, x = np.meshgrid(place - down, place - right, indexing="ij")
        turned = np.cos(angle) * y - np.sin(angle) * x, np.sin(angle) * y + np.cos(angle) * x
        pictures.append(bilinear(image, *(v / size + 3.5 for v in turned)))
    rows = np.stack(pictures).round().astype(np.uint8)[:, None]
    target = digits.target.astype(np.int8)
    np.savez_compressed(Path(__file__).with_name("distorted.npz"), picture=rows, digit=target)


if __name__ == "__main__":
    main()
