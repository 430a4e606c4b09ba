"""The time of a whole training, against a handwritten PyTorch script."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import torch

import dlc
from benchmarks import rivals
from benchmarks.timing import Comparison, Effort, seconds
from dlc.compiler.dims.dim import number
from dlc.compiler.lower.initial_weights import draw
from dlc.runtime import open_rows
from dlc.runtime.training.loop import train

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

    from dlc.runtime.training.history import Trained

SPECS = Path(__file__).parent / "specs"
QUICK = 320  # rows of a quick run, for one epoch


@dataclass(frozen=True)
class Workload:
    """One network as a spec and as a module, with the optimizer, batch, rows and epochs of both."""

    title: str
    spec: Path
    network: Callable[[], nn.Module]
    optimizer: Callable[..., torch.optim.Optimizer]
    batch: int
    rows: int
    epochs: int
    asked: float

    def write_rows(self, file: Path, count: int) -> None:
        """Random rows, of the types that the spec declares."""
        rng, declared = np.random.default_rng(0), dlc.compile(self.spec).compiled.inputs[0].declared
        shape = (count, *map(number, declared.shape))
        whole = declared.element == "uint8"
        x = rng.integers(0, 17, shape, np.uint8) if whole else rng.standard_normal(shape, np.float32)
        np.savez(file, x=x, y=rng.integers(0, 2, count))


WORKLOADS = (
    Workload("MLP 30-64-64-2", SPECS / "mlp.dl", rivals.Mlp,
             partial(torch.optim.Adam, lr=1e-3), batch=32, rows=4000, epochs=10, asked=1.5),
    Workload("digits CNN", SPECS / "digits_cnn.dl", rivals.DigitsCnn,
             partial(torch.optim.Adam, lr=5e-3), batch=64, rows=1797, epochs=10, asked=1),
    Workload("LeNet", SPECS / "lenet.dl", rivals.LeNet,
             partial(torch.optim.SGD, lr=0.05, momentum=0.9), batch=64, rows=10_000, epochs=3, asked=1),
)  # fmt: skip


def compare(effort: Effort) -> Iterator[Comparison]:
    return (compare_one(work, effort) for work in WORKLOADS)


def compare_one(work: Workload, effort: Effort, device: str = "cpu") -> Comparison:
    rows, epochs = (QUICK, 1) if effort.quick else (work.rows, work.epochs)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "rows.npz"
        work.write_rows(file, rows)
        timing = effort.time(partial(seconds, partial(ours, work, file, epochs, device)),
                             partial(seconds, partial(theirs, work, file, epochs, device)))  # fmt: skip
    what = f"training {work.title}, batch {work.batch}, {rows:_} rows, epochs: {epochs}"
    return Comparison(what, "`Dataset`, `DataLoader`, `nn.Module` and a loop", timing, work.asked)


def ours(work: Workload, file: Path, epochs: int, device: str = "cpu") -> Trained:
    """Train with dlc, from the spec and the file of rows to trained weights and their metrics."""
    program = dlc.compile(work.spec, params={"epochs": epochs})
    data = open_rows.open_data(program, file)
    return train(program.compiled, data, draw(program.compiled.graph, 0), on=device)


def theirs(work: Workload, file: Path, epochs: int, device: str = "cpu") -> list[float]:
    """Train with the script, from the module and the file of rows to trained weights."""
    torch.manual_seed(0)
    return rivals.train(work.network(), work.optimizer, file, work.batch, epochs, device)
