"""The page that a run writes: the table, the machine and the package versions."""

from __future__ import annotations

import os
import platform
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.timing import Comparison

PAGE = """\
# Benchmarks

`python -m benchmarks` writes this page. It needs `pip install ".[test]"` and takes about ten minutes;
`--quick` runs everything in one minute, on little data, and writes nothing.

{table}

Measured on {date}: {machine}; {versions}.

## Method

The two candidates of a row are timed alternately, A B B A, at least {rounds} times each, after one run
that does not count. Times are medians. The ratio is that of the medians: how many times as fast dlc is,
or how many times as long it takes. The noise floor compares each candidate with itself: the median of
every second sample with the median of the others; the larger of the two ratios counts. A ratio that
misses its target by less than the noise floor is marked "within the noise". While other programs use
more than a tenth of the machine, the benchmark waits and repeats samples, for up to `--patience` seconds
per row.

- **A cold process**: a whole process from start to end; byte code is already written.
- **Training**: from the file of the rows to trained weights, without the start of Python and its
  imports: reading, batches, forward, backward, optimizer. Network, optimizer, learning rate and batch
  are the same; each side chooses its number of threads. The script is that of the PyTorch tutorials: a
  `Dataset`, a `DataLoader` that shuffles, `zero_grad`, `backward`, `step`, and the sum of `loss.item()`.
  Only the time of dlc includes compiling the spec, and computing loss and accuracy of the rows in the
  inference form at the end.
- **Writing ONNX**: from a compiled program and its weights, or from a module in memory, to a file with a
  dynamic batch, without the parity check of `dlc train` and `dlc export`. The program is compiled each
  time; this does not count.
- **ONNX Runtime**: both files with the same inputs and outputs (the class and all probabilities), on the
  CPU with default options. After the optimization by ONNX Runtime, both have the same expensive nodes,
  so the expected ratio is 1.

The networks, the script and the data are in [`benchmarks/`](../benchmarks).
"""
PACKAGES = ("torch", "torchvision", "onnx", "onnxscript", "onnx-ir", "onnxruntime-gpu", "onnxruntime",
            "numpy", "lark", "click")  # fmt: skip


def page(comparisons: Sequence[Comparison]) -> str:
    rounds = min(len(c.timing.ours) for c in comparisons)
    return PAGE.format(table=table(comparisons), date=date.today().isoformat(), machine=machine(),
                       versions=versions(), rounds=rounds)  # fmt: skip


def table(comparisons: Sequence[Comparison]) -> str:
    lines = [
        "| what | dlc | against | takes | ratio | asked | met | noise floor |",
        "|---|--:|---|--:|--:|--:|---|--:|",
    ]
    return "\n".join([*lines, *map(row, comparisons)])


def row(c: Comparison) -> str:
    ours, theirs = (duration(median(times)) for times in (c.timing.ours, c.timing.theirs))
    unit, bound = ("x the time", "at most") if c.costs else ("x as fast", "at least")
    return (f"| {c.what} | {ours} | {c.against} | {theirs} | {number(c.ratio)} {unit} | {bound} {c.asked:g} "
            f"| {c.met} | {c.timing.noise:.2f} |")  # fmt: skip


def number(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"


def duration(seconds: float) -> str:
    for unit, size in (("s", 1), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} us"


def machine() -> str:
    """The number and kind of the processors, and the system."""
    return f"{os.cpu_count()} cores of {processor()}, {platform.system()}"


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def versions() -> str:
    found = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)
