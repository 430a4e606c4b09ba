"""The memory of a training on rows that are past the memory they may take, and the time of its epochs.

`python -m benchmarks.memory FOLDER` trains the spec in a folder in a process of its own, and prints the most
anonymous memory that it took beyond that of the imports, in bytes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

import dlc
from benchmarks.timing import Comparison, Effort, Timing
from dlc.compiler.lower.initial_weights import draw
from dlc.runtime import open_rows, pipeline
from dlc.runtime.data import bounds
from dlc.runtime.training.fit import fit
from dlc.runtime.training.loop import train

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.runtime.data import Dataset
    from dlc.runtime.training.history import Epoch

COLUMNS = [f"x{n}" for n in range(20)]
SPEC = f"""
input  x: float[20]
output y: float

x -> standardize -> dense(64) -> relu -> dense(64) -> relu -> dense(1) -> y

data {{
  source     = parquet("rows.parquet")
  x          = columns({", ".join(f'"{name}"' for name in COLUMNS)})
  validation = 0.02
  test       = 0.02
}}
train {{
  epochs = 1
  batch  = 1024
}}
"""
GROUP = 1 << 20  # rows of a row group
LARGE, SMALL, QUICK = 36_000_000, 1_000_000, 20_000  # rows: 3 GB, what fits into memory, and a quick run
ALLOWED, LITTLE = 1 << 30, 1 << 20  # bytes that rows may take
MOST = 1e9  # bytes of anonymous memory


def compare(effort: Effort) -> Iterator[Comparison]:
    yield in_memory(LARGE if not effort.quick else QUICK)
    yield epochs(SMALL if not effort.quick else QUICK, effort)


def in_memory(rows: int) -> Comparison:
    """The anonymous memory of a whole training, against a gigabyte."""
    with folder_of(rows) as folder:
        command = [sys.executable, "-m", "benchmarks.memory", folder]
        environment = os.environ | {"DLC_CACHE": os.path.join(folder, "cache")}
        found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        size = os.path.getsize(os.path.join(folder, "rows.parquet"))
    what = f"anonymous memory of a training on {rows:_} rows, a Parquet file of {size / 1e9:.2g} GB"
    peak = float(found.stdout.splitlines()[-1])
    return Comparison(what, "1 GB beyond the imports", Timing([peak], [MOST]), 1, costs=True, is_size=True)


def epochs(rows: int, effort: Effort) -> Comparison:
    """The time of an epoch on rows from the disk, against the same rows in memory."""
    with folder_of(rows) as folder:
        os.environ["DLC_CACHE"] = os.path.join(folder, "cache")
        ours, theirs = (opened(folder, memory) for memory in (LITTLE if rows > QUICK else 1, None))
        timing = effort.time(partial(epoch, *ours), partial(epoch, *theirs))
        del os.environ["DLC_CACHE"]
    return Comparison(f"an epoch on {rows:_} rows from the disk, batch 1024", "the same rows in memory",
                      timing, 0.8, tokens=rows, counted="rows")  # fmt: skip


class folder_of(TemporaryDirectory[str]):
    """A folder with the spec and its rows."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        write_rows(Path(self.name) / "rows.parquet", rows)
        (Path(self.name) / "model.dl").write_text(SPEC, "utf-8")


def write_rows(file: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    schema = pa.schema([(name, pa.float32()) for name in (*COLUMNS, "y")])
    with parquet.ParquetWriter(file, schema, compression="none", use_dictionary=False) as out:
        for start in range(0, rows, GROUP):
            x = rng.standard_normal((len(COLUMNS), min(GROUP, rows - start)), np.float32)
            out.write_table(pa.table([*x, x[0] - 2 * x[3]], schema=schema), row_group_size=GROUP)


def opened(folder: str, memory: int | None) -> tuple[Any, Dataset]:
    program = dlc.compile(Path(folder) / "model.dl")
    with bounds.allowed(memory):
        data = open_rows.open_data(program, None)
    return program.compiled, replace(data, validation=None, test=None)


def epoch(program: Any, data: Dataset) -> float:
    """The seconds of one epoch."""
    seen: list[float] = []
    weights = fit(program, data.train, draw(program.graph, 0))
    train(program, data, weights, on="cpu", listeners=(watch(seen),))
    return seen[0]


def watch(seconds: list[float]) -> Any:
    """A listener that keeps the seconds of each epoch."""

    class Watch:
        def epoch(self, epoch: Epoch, weights: Any) -> None:
            seconds.append(epoch.seconds)

        def __getattr__(self, name: str) -> Any:
            return lambda *given: None

    return Watch()


def anonymous() -> int:
    """The anonymous memory of this process in bytes."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon"))


def main(folder: str) -> None:
    """Train, and print the most anonymous memory beyond that at the start."""
    import onnxruntime  # noqa: F401

    begin, peak, done = anonymous(), [0], threading.Event()

    def sample() -> None:
        while not done.is_set():
            peak[0] = max(peak[0], anonymous() - begin)
            time.sleep(0.02)

    watching = threading.Thread(target=sample)
    watching.start()
    try:
        pipeline.train(dlc.compile(Path(folder) / "model.dl"), memory=ALLOWED, out=Path(folder) / "runs")
    finally:
        done.set()
        watching.join()
    print(peak[0])


if __name__ == "__main__":
    main(sys.argv[1])
