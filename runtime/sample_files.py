"""Samples as files: one sheet of pictures, or numbers."""

from __future__ import annotations

from io import BytesIO
from math import ceil, isqrt, sqrt

import numpy as np

GAP = 1  # pixels between two pictures
SMALLEST = 32  # pixels of the shorter side of a picture; smaller ones are enlarged
PIXELS = 1 << 24  # maximum pixels of a sheet of enlarged pictures
NUMBERS = (
    1 << 20
)  # maximum numbers of a csv file; the first rows are written, and of one row the first numbers


def sample_file(stem: str, rows: np.ndarray) -> tuple[str, bytes]:
    """The name and the content of a file with values, a row each: a PNG if they are pictures, `[channels,
    height, width]` with one or three channels, else numbers as csv, a line for each row."""
    if is_pictures(rows):
        return f"{stem}.png", png(sheet(rows))
    lines = rows.reshape(len(rows), -1)[:, :NUMBERS]
    lines = lines[: max(NUMBERS // max(lines.shape[1], 1), 1)]
    numbers = BytesIO()
    np.savetxt(numbers, lines, "%.6g", ",")
    return f"{stem}.csv", numbers.getvalue()


def is_pictures(rows: np.ndarray) -> bool:
    """Whether rows are pictures `[n, channels, height, width]` with one or three channels."""
    return rows.ndim == 4 and rows.shape[1] in (1, 3) and rows.size > 0


def sheet(pictures: np.ndarray) -> np.ndarray:
    """Pictures `[n, channels, height, width]` beside each other as bytes `[height, width, 3]`. Numbers from 0
    to 1 are black to white, numbers from -1 to 1 too, others from their lowest to their highest. Numbers that
    are not finite are black."""
    low, high = span(pictures)
    count, _, height, width = pictures.shape
    columns = ceil(sqrt(count))
    lines = ceil(count / columns)
    times = min(SMALLEST // min(height, width), isqrt(PIXELS // (lines * columns * height * width)))
    times = max(times, 1)
    tall, wide = height * times, width * times
    found = np.full((lines * (tall + GAP) - GAP, columns * (wide + GAP) - GAP, 3), 128, np.uint8)
    for n, picture in enumerate(pictures):
        light = np.where(np.isfinite(picture), (picture - low) / (high - low), 0) * 255
        pixels = light.round().astype(np.uint8).transpose(1, 2, 0)
        top, left = n // columns * (tall + GAP), n % columns * (wide + GAP)
        found[top : top + tall, left : left + wide] = pixels.repeat(times, 0).repeat(times, 1)
    return found


def span(pictures: np.ndarray) -> tuple[float, float]:
    """The numbers that are black and white in pictures."""
    low, high = np.inf, -np.inf
    for picture in pictures:
        finite = picture[np.isfinite(picture)]
        low, high = min(low, finite.min(initial=low)), max(high, finite.max(initial=high))
    if low > high or (low >= 0 and high <= 1):
        return 0, 1
    if low >= -1 and high <= 1:
        return -1, 1
    return float(low), float(high) if high > low else float(low) + 1


def png(pixels: np.ndarray) -> bytes:
    from PIL import Image

    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
