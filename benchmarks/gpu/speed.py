"""Whole trainings on a device, against the PyTorch script of the tutorials."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

import torch
import torchvision

from benchmarks import training
from benchmarks.gpu.checks import Check, Found
from benchmarks.report import duration, number
from benchmarks.timing import Effort
from benchmarks.training import Workload

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 2
RESNET = Workload("ResNet-18", training.SPECS / "resnet18.dl", torchvision.models.resnet18,
                  partial(torch.optim.SGD, lr=0.01, momentum=0.9),
                  batch=64, rows=512, epochs=2, asked=1)  # fmt: skip


def checks(device: torch.device, quick: bool) -> Iterator[Check]:
    effort = Effort(quick, ROUNDS)
    for work in training.WORKLOADS if quick else (RESNET, *training.WORKLOADS):
        yield Check(f"{work.title}, batch {work.batch}", partial(compare, work, effort, device))


def compare(work: Workload, effort: Effort, device: torch.device) -> Found:
    found = training.compare_one(replace(work, asked=1), effort, str(device))
    ours, theirs = median(found.timing.ours), median(found.timing.theirs)
    figure = (f"{duration(ours)}, the script {duration(theirs)}: {number(found.ratio)} x as fast, "
              f"noise floor {found.timing.noise:.2f}")  # fmt: skip
    return Found(figure, f"at least {found.asked:g} x as fast, within the noise", found.met != "no")
