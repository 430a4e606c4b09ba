"""Draws `bordered.npz`, pictures with masks as people draw them, and `bordered_test.npz`, with exact ones:
`python specs/data/bordered.py`.

In `sloppy`, all shapes of a picture are a pixel too large or too small; in `mask`, all pixels within a pixel
of a border are 255, which stands for unknown."""

from pathlib import Path

import numpy as np
from shapes import draw

HERE, SIZE = Path(__file__).parent, 32


def neighbours(mask: np.ndarray) -> np.ndarray:
    """The labels of each pixel and of the eight around it, on a new first axis."""
    padded = np.pad(mask, 1, mode="edge")
    high, wide = mask.shape
    return np.stack([padded[i : i + high, j : j + wide] for i in range(3) for j in range(3)])


def main() -> None:
    rng = np.random.default_rng(6)
    pictures, masks = map(np.stack, zip(*(draw(rng, SIZE) for _ in range(300)), strict=True))
    noisy = (pictures + rng.normal(0, 4, pictures.shape)).clip(0, 255).round().astype(np.uint8)[:, None]
    around = np.stack([neighbours(mask) for mask in masks])
    border = around.min(1) != around.max(1)
    grown, shrunk = around.max(1), around.min(1)
    sloppy = np.where(rng.random((len(masks), 1, 1)) < 0.95, grown, shrunk)
    unknown = np.where(border, 255, masks).astype(np.uint8)
    np.savez_compressed(HERE / "bordered.npz", picture=noisy[:180], mask=unknown[:180], sloppy=sloppy[:180])
    np.savez_compressed(HERE / "bordered_test.npz", picture=noisy[180:], mask=masks[180:], sloppy=masks[180:])


if __name__ == "__main__":
    main()
