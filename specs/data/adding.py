"""Draws `adding.parquet`, rows of the adding problem: `python specs/data/adding.py`.

A row is 75 to 82 random numbers, of which two are marked: one in the first half, one in the second. The sum
of these two is asked for (Hochreiter and Schmidhuber 1997)."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS, STEPS = 3600, 75


def draw(rows: int, steps: int) -> pa.Table:
    """The rows, each of `steps` steps or up to a tenth more."""
    rng = np.random.default_rng(0)
    values, marks, sums = [], [], []
    for length in rng.integers(steps, steps + steps // 10 + 1, rows):
        value, marked = rng.random(length).round(2), np.zeros(length, bool)
        marked[[rng.integers(0, length // 2), rng.integers(length // 2, length)]] = True
        values.append(value)
        marks.append(marked)
        sums.append(value[marked].sum().round(2))
    return pa.table({
        "value": pa.array(values, pa.list_(pa.float32())),
        "marked": pa.array(marks, pa.list_(pa.bool_())),
        "total": pa.array(sums, pa.float32()),
    })  # fmt: skip


def main() -> None:
    path = Path(__file__).with_name("adding.parquet")
    pq.write_table(draw(ROWS, STEPS), path, compression="zstd", compression_level=19)


if __name__ == "__main__":
    main()
