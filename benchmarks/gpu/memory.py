"""Where rows are kept, and the GPU memory of a training."""

from __future__ import annotations

import gc
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np
import torch

from benchmarks import training
from benchmarks.gpu.checks import Check, Found, synchronize
from benchmarks.gpu.speed import RESNET
from benchmarks.report import duration
from benchmarks.timing import interleave, seconds
from dlc.runtime.training import batches
from dlc.runtime.training.batches import ResidentArrays

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.training import Workload

ROUNDS = 3
BATCH = 256
ENTRIES = 3 * 64 * 64  # of a row, in float32
ROWS, QUICK_ROWS = 8192, 600
SCARCE, AMPLE = 2, 3  # free memory, as multiples of the rows, which may take 40 % of it
MOST = 1.25  # maximum peak, as a multiple of that of the script


def checks(device: torch.device, quick: bool) -> Iterator[Check]:
    rows = QUICK_ROWS if quick else ROWS
    yield Check("batches of rows kept on the device and brought in chunks", partial(alike, rows, device))
    limit = "rows are kept on the device below 40 % of its free memory"
    yield Check(limit, partial(kept, rows, device), gpu_only=True)
    peaks = "peak of training ResNet-18, batch 64"
    yield Check(peaks, partial(against_script, RESNET, device), gpu_only=True)


def resident(rows: int, device: torch.device, free: int) -> ResidentArrays:
    """Random rows, on a device with `free` times their size of free memory."""
    array = np.random.default_rng(0).standard_normal((rows, ENTRIES), np.float32)
    with patch.object(batches, "free_memory", lambda device: free * array.nbytes):
        return ResidentArrays([array], device)


def epoch(rows: ResidentArrays) -> Iterator[torch.Tensor]:
    """The batches of an epoch, always in the same order."""
    order = np.random.default_rng(1).permutation(rows.count)
    sizes = [BATCH] * (rows.count // BATCH)
    return (batch for (batch,) in rows.batches(sizes, order, 0))


def alike(rows: int, device: torch.device) -> Found:
    here, there = (resident(rows, device, free) for free in (AMPLE, SCARCE))
    same = all(torch.equal(a, b) and a.device.type == b.device.type == device.type
               for a, b in zip(epoch(here), epoch(there), strict=True))  # fmt: skip
    timing = interleave(partial(passing, here, device), partial(passing, there, device), ROUNDS)
    ours, theirs = (duration(median(times)) for times in (timing.ours, timing.theirs))
    figure = f"{'equal' if same else 'different'}; an epoch of {spelled(here.size)} takes {ours} and {theirs}"
    return Found(figure, "equal, on the device", same)


def passing(rows: ResidentArrays, device: torch.device) -> float:
    """Seconds of an epoch in which every row is read."""

    def read() -> None:
        for batch in epoch(rows):
            batch.sum()
        synchronize(device)

    return seconds(read)


def kept(rows: int, device: torch.device) -> Found:
    """Check by the peak memory of an epoch where the rows are."""
    size = resident(rows, torch.device("cpu"), AMPLE).size
    ample, scarce = (
        peak(lambda free=free: passing(resident(rows, device, free), device), device)
        for free in (AMPLE, SCARCE)
    )
    figure = (
        f"rows {spelled(size)}; an epoch takes {spelled(ample)} with room for them, else {spelled(scarce)}"
    )
    return Found(figure, "at least the rows; at most half of them", ample >= size and scarce <= size / 2)


def against_script(work: Workload, device: torch.device) -> Found:
    """Peak memory of both; that of dlc without the rows, which the script keeps in host memory."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "rows.npz"
        work.write_rows(file, work.rows)
        rows = np.load(file)["x"].nbytes
        ours, theirs = (
            peak(partial(run, work, file, 1, str(device)), device) for run in (training.ours, training.theirs)
        )
    figure = f"{spelled(ours)}, of which rows {spelled(rows)}; the script {spelled(theirs)}"
    return Found(figure, f"without rows at most {MOST} x the script's", ours - rows <= MOST * theirs)


def peak(work: Callable[[], object], device: torch.device) -> int:
    """Peak GPU memory of a function, in bytes."""
    torch.cuda.init()
    gc.collect()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    work()
    return torch.cuda.max_memory_allocated(device) - before


def spelled(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"
