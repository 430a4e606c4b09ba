"""Writes `handwriting.parquet` and `handwriting_test.parquet`, lines of handwritten digits:
`python specs/data/handwriting.py`. The digits of scikit-learn stand one after the other with random gaps,
somewhat higher or lower; images touch where the gap is 0, and overlap where it is less. The test lines are
made of other images than the training lines.

A line is a list of its columns, each of `HEIGHT` pixels; its text is a string."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.datasets import load_digits

HEIGHT, SIDE = 12, 8
FEWEST, MOST = 2, 8  # digits in a line
NEAREST, WIDEST = -2, 4  # columns between two digits
IMAGES = 1_300  # for training


def line(rng: np.random.Generator, images: np.ndarray, digits: np.ndarray) -> tuple[np.ndarray, str]:
    chosen = rng.integers(len(digits), size=rng.integers(FEWEST, MOST + 1))
    gaps = rng.integers(NEAREST, WIDEST + 1, len(chosen))
    gaps[0] = abs(gaps[0])
    ends = np.cumsum(gaps + SIDE)
    ink = np.zeros((HEIGHT, ends[-1] + rng.integers(WIDEST)), np.uint8)
    for image, end in zip(images[chosen], ends, strict=True):
        top = rng.integers(HEIGHT - SIDE + 1)
        place = ink[top : top + SIDE, end - SIDE : end]
        np.maximum(place, image, out=place)
    return ink.T, "".join(map(str, digits[chosen]))


def write(name: str, lines: list[tuple[np.ndarray, str]]) -> None:
    inks, texts = zip(*lines, strict=True)
    ends = np.cumsum([0, *map(len, inks)], dtype=np.int32)
    columns = pa.FixedSizeListArray.from_arrays(np.concatenate(inks).ravel(), HEIGHT)
    table = pa.table({"ink": pa.ListArray.from_arrays(ends, columns), "text": texts})
    pq.write_table(table, Path(__file__).with_name(name), compression="zstd")


def main() -> None:
    rng = np.random.default_rng(3)
    found = load_digits()
    images, digits = found.images.astype(np.uint8), found.target
    order = rng.permutation(len(digits))
    train, test = order[:IMAGES], order[IMAGES:]
    write("handwriting.parquet", [line(rng, images[train], digits[train]) for _ in range(2_000)])
    write("handwriting_test.parquet", [line(rng, images[test], digits[test]) for _ in range(400)])


if __name__ == "__main__":
    main()
