"""Draws `discs.npz`, pictures of discs whose class is their size: `python specs/data/discs.py`."""

from pathlib import Path

import numpy as np

COUNT, SIZE = 400, 32
RADII = ((2, 3.5), (4.5, 6), (7.5, 10))  # of small, medium and large discs


def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[:SIZE, :SIZE]
    picture, mask = np.full((SIZE, SIZE), rng.integers(0, 60), np.uint8), np.zeros((SIZE, SIZE), np.uint8)
    for _ in range(4):
        size = rng.integers(3)
        radius = rng.uniform(*RADII[size])
        down, right = rng.uniform(radius, SIZE - 1 - radius, 2)
        away = np.hypot(y - down, x - right)
        if not mask[away <= radius + 2].any():  # discs do not touch
            picture[away <= radius], mask[away <= radius] = rng.integers(110, 240), size + 1
    return picture, mask


def main() -> None:
    rng = np.random.default_rng(8)
    pictures, masks = map(np.stack, zip(*(draw(rng) for _ in range(COUNT)), strict=True))
    np.savez_compressed(Path(__file__).with_name("discs.npz"), picture=pictures[:, None], size=masks)


if __name__ == "__main__":
    main()
