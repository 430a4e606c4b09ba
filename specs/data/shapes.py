"""Draws `shapes.npz`, the pictures of four specs: `python specs/data/shapes.py`.

Each picture of 16 x 16 pixels holds a disc, a square, a cross, or several of them, of random place, size and
grey, in noise. `clean` is the picture without noise, `small` that at half its size; `mask` is the shape at
each pixel (0 background, 1 disc, 2 square, 3 cross), and `there` which of the three are there.
"""

from pathlib import Path

import numpy as np

COUNT, SIZE = 600, 16


def draw(rng: np.random.Generator, size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """One picture without noise, and its mask."""
    y, x = np.mgrid[:size, :size] * (SIZE / size)
    picture, mask = np.full((size, size), rng.uniform(0, 60)), np.zeros((size, size), np.uint8)
    for kind in rng.permutation(3)[: rng.integers(1, 4)]:
        radius = rng.uniform(2.5, 4.5)
        dy, dx = y - rng.uniform(3, SIZE - 4), x - rng.uniform(3, SIZE - 4)
        inside = (
            np.hypot(dy, dx) <= radius,
            np.maximum(abs(dy), abs(dx)) <= 0.85 * radius,
            (np.minimum(abs(dy), abs(dx)) <= 1) & (np.maximum(abs(dy), abs(dx)) <= radius),
        )[kind]
        picture[inside], mask[inside] = rng.uniform(110, 240), kind + 1
    return picture, mask


def main() -> None:
    rng = np.random.default_rng(0)
    pictures, masks = map(np.stack, zip(*(draw(rng) for _ in range(COUNT)), strict=True))
    noisy = (pictures + rng.normal(0, 8, pictures.shape)).clip(0, 255).round().astype(np.uint8)
    halved = pictures.reshape(COUNT, SIZE // 2, 2, SIZE // 2, 2).mean((2, 4))
    np.savez_compressed(
        Path(__file__).with_name("shapes.npz"),
        picture=noisy[:, None],
        small=halved.round().astype(np.uint8)[:, None],
        clean=pictures.round().astype(np.uint8)[:, None],
        mask=masks,
        there=np.stack([(masks == k).any((1, 2)) for k in (1, 2, 3)], 1),
    )


if __name__ == "__main__":
    main()
