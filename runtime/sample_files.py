"""Samples as files: one sheet of pictures, or numbers."""

from __future__ import annotations

from io import BytesIO
from math import ceil, sqrt

import numpy as np

GAP = 1  # pixels between two pictures
SMALLEST = 32  # pixels of the shorter side of a picture; smaller ones are enlarged


def sample_file(stem: str, rows: np.ndarray) -> tuple[str, bytes]:
    """The name and the content of a file with values, a row each: a PNG if they are pictures, `[channels,
    height, width]` with one or three channels, else numbers as csv, a line for each row."""
    if rows.ndim == 4 and rows.shape[1] in (1, 3) and rows.size:
        return f"{stem}.png", png(sheet(rows))
    numbers = BytesIO()
    np.savetxt(numbers, rows.reshape(len(rows), -1), "%.6g", ",")
    return f"{stem}.csv", numbers.getvalue()


def sheet(pictures: np.ndarray) -> np.ndarray:
    """Pictures `[n, channels, height, width]` beside each other as bytes `[height, width, 3]`. Numbers from 0
    to 1 are black to white, numbers from -1 to 1 too, others from their lowest to their highest."""
    low, high = float(np.nanmin(pictures)), float(np.nanmax(pictures))
    if low >= -1 and high <= 1:
        low, high = (0, 1) if low >= 0 else (-1, 1)
    light = np.nan_to_num((pictures - low) / ((high - low) or 1)) * 255
    count, _, height, width = pictures.shape
    columns = ceil(sqrt(count))
    lines = ceil(count / columns)
    times = max(SMALLEST // min(height, width), 1)
    tall, wide = height * times, width * times
    found = np.full((lines * (tall + GAP) - GAP, columns * (wide + GAP) - GAP, 3), 128, np.uint8)
    for n, picture in enumerate(light.round().astype(np.uint8).transpose(0, 2, 3, 1)):
        top, left = n // columns * (tall + GAP), n % columns * (wide + GAP)
        found[top : top + tall, left : left + wide] = picture.repeat(times, 0).repeat(times, 1)
    return found


def png(pixels: np.ndarray) -> bytes:
    from PIL import Image

    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
