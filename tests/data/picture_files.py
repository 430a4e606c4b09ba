"""Files of pictures for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

import dlc
from dlc.runtime.data import load
from dlc.runtime.open_rows import source_from

if TYPE_CHECKING:
    from pathlib import Path

    from dlc.runtime.data import Dataset


def noise(seed: int, *shape: int, high: int = 256) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, high, shape, dtype=np.uint8)


def save(path: Path, picture: np.ndarray | Image.Image, **settings: Any) -> Path:
    """Write an array `[height, width]` or `[height, width, channels]`, or a picture of Pillow."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    image.save(path, **settings)
    return path


def pets(folder: Path, per_class: int = 3, size: tuple[int, int] = (6, 8)) -> Path:
    """A folder with pictures of two classes: dark and light noise."""
    for light, kind in enumerate(("cat", "dog")):
        for number in range(per_class):
            picture = noise(10 * light + number, *size, 3) // 2 + np.uint8(127 * light)
            save(folder / kind / f"{number}.png", picture)
    return folder


def rows_of(spec: str, folder: Path, data: Any = None, **settings: Any) -> Dataset:
    (folder / "spec.dl").write_text(spec, "utf-8")
    return load(dlc.compile(folder / "spec.dl").compiled, folder, source=source_from(data), **settings)
