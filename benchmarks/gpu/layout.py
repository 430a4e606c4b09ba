"""Whether filters in `channels_last` would pay on a device."""

from __future__ import annotations

from functools import partial
from statistics import median
from typing import TYPE_CHECKING

import torch

from benchmarks.gpu.checks import Check, Found, synchronize
from benchmarks.gpu.golden import Training, golden
from benchmarks.report import duration, number
from benchmarks.timing import interleave, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

PRECISIONS = ("float32", "bf16")
BATCH = 128  # of ResNet-18, and rows
STEPS, ROUNDS = 5, 3


def checks(device: torch.device, quick: bool) -> Iterator[Check]:
    name, batch, rounds = ("digits_cnn", "", 1) if quick else ("resnet18", f"batch = {BATCH}", ROUNDS)
    for precision in PRECISIONS:
        settings = f"precision = {precision}\n{batch}"
        yield Check(f"{name}, {precision}", partial(compare, name, settings, rounds, device))


def compare(name: str, settings: str, rounds: int, device: torch.device) -> Found:
    spec = golden(name, BATCH, settings)
    plain, last = Training(spec, device), Training(spec, device)
    channels_last(last)
    timing = interleave(partial(steps, last), partial(steps, plain), rounds)
    ours, theirs = median(timing.ours), median(timing.theirs)
    return Found(f"{duration(ours)} a step in channels_last, {duration(theirs)} without: "
                 f"{number(theirs / ours)} x as fast")  # fmt: skip


def channels_last(training: Training) -> None:
    """Lay out filters of images with the channels innermost, as dlc does on a CPU."""
    for weight in training.forms.weights.values():
        if weight.dim() == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)


def steps(training: Training) -> float:
    """Seconds of a step, the mean of some."""
    synchronize(training.device)
    return seconds(lambda: ([training.step() for _ in range(STEPS)], synchronize(training.device))) / STEPS
