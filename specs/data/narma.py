"""Draws `narma.parquet`, inputs and outputs of a nonlinear system with memory: `python specs/data/narma.py`.

The system is NARMA-10 (Atiya and Parlos 2000): each output follows from the ten outputs before it, from the
last input and from the one nine steps before it. A row is 60 to 160 steps of a system that was at rest."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS, SHORTEST, LONGEST = 400, 60, 160


def respond(drive: np.ndarray) -> np.ndarray:
    response = np.zeros(len(drive))
    for t in range(9, len(drive) - 1):
        memory = 0.3 * response[t] + 0.05 * response[t] * response[t - 9 : t + 1].sum()
        response[t + 1] = memory + 1.5 * drive[t - 9] * drive[t] + 0.1
    return response


def main() -> None:
    rng = np.random.default_rng(0)
    drives = [rng.uniform(0, 0.5, length).round(3) for length in rng.integers(SHORTEST, LONGEST + 1, ROWS)]
    numbers = pa.list_(pa.float32())
    table = pa.table({
        "drive": pa.array(drives, numbers),
        "response": pa.array([respond(drive).round(3) for drive in drives], numbers),
    })  # fmt: skip
    path = Path(__file__).with_name("narma.parquet")
    pq.write_table(table, path, compression="zstd", compression_level=19)


if __name__ == "__main__":
    main()
