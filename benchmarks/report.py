"""The page that a run writes: the table, and what it was measured on and with."""

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
# How fast it is

This page is written by `python -m benchmarks`. It needs `pip install ".[test]"` and takes about ten
minutes; `--quick` tries everything in one, on little data, and writes nothing.

{table}

Measured on {date}: {machine}; {versions}.

## How it is measured

The two of a row are timed in turn, A B B A, {rounds} times or more each, after one run that does not count.
Times are medians, and the ratio is that of the medians: how many times as fast dlc is, or how many times as
long it takes. The noise floor is each of the two against itself: the median of every other sample against
that of the rest, the worse of the two. A ratio that misses its target by less than that is called so. Where
other programs use more than a tenth of the machine, it waits and times again, up to `--patience` seconds a
row.

- **A cold process**: a whole process from its start to its end, byte code already written.
- **Training**: from the file of the rows to trained weights, all but the start of Python and its imports:
  reading, batches, forward, backward, optimizer. Network, optimizer, learning rate and batch are the same;
  how many threads to use is left to each. The script is that of the tutorials: a `Dataset`, a `DataLoader`
  that shuffles, `zero_grad`, `backward`, `step`, and `loss.item()` added up. In the time of dlc, and not in
  the script, are compiling the spec and, at the end, measuring loss and accuracy of the rows in the
  inference form.
- **Writing ONNX**: from a compiled program and its weights, or from a module in memory, to a file with a
  dynamic batch, without the parity proof that `dlc train` and `dlc export` add. The program is compiled
  anew each time, which does not count.
- **ONNX Runtime**: both files from the same rows to the same answers, the class and all probabilities, on
  the CPU with default options. Once ONNX Runtime has optimized them, both have the same costly nodes, so 1
  is what to expect.

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
    """The kind of machine, in general words."""
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
