"""Writes `digit_points.parquet`, handwritten digits as sets of points: `python specs/data/digit_points.py`.

A row is one digit of scikit-learn: a point for each pixel with ink, in random order. A point is its column,
its row and its ink."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.datasets import load_digits


def main() -> None:
    rng = np.random.default_rng(0)
    digits = load_digits()
    sets = []
    for image in digits.images:
        row, column = image.nonzero()
        points = np.stack([column, row, image[row, column]], 1)
        sets.append(rng.permutation(points).astype(int).tolist())
    table = pa.table({
        "points": pa.array(sets, pa.list_(pa.list_(pa.uint8(), 3))),
        "digit": pa.array(digits.target.tolist(), pa.int64()),
    })  # fmt: skip
    path = Path(__file__).with_name("digit_points.parquet")
    pq.write_table(table, path, compression="zstd", compression_level=19)


if __name__ == "__main__":
    main()
