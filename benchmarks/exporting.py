"""The time to export a model to ONNX, and to run the file in ONNX Runtime."""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import torch
import torchvision

import dlc
from benchmarks.rivals import Answers, LeNet
from benchmarks.timing import Comparison, Effort, seconds
from dlc.compiler.dims.dim import number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

SPECS = Path(__file__).parent.parent / "specs"
BATCHES = (1, 32)
LASTS = 0.2  # minimum seconds of a sample of ONNX Runtime
SHORT = 4  # factor on the rounds of such short samples


@dataclass(frozen=True)
class Exported:
    """One network as a spec and as a module, with the same inputs and outputs."""

    title: str
    spec: Path
    network: Callable[[], nn.Module]
    asked: float  # speed-up of the export

    def module(self) -> nn.Module:
        torch.manual_seed(0)
        return Answers(self.network()).eval()

    def rows(self, batch: int) -> np.ndarray:
        image = dlc.compile(self.spec).compiled.inputs[0].declared
        drawn = np.random.default_rng(batch).integers(0, 256, (batch, *map(number, image.shape)), np.uint8)
        return drawn if image.element == "uint8" else drawn.astype(np.float32) / 255


NETWORKS = (
    Exported("ResNet-18", SPECS / "resnet18.dl", torchvision.models.resnet18, asked=10),
    Exported("LeNet", SPECS / "lenet.dl", LeNet, asked=100),
)


def compare(effort: Effort) -> Iterator[Comparison]:
    for exported in NETWORKS[1:] if effort.quick else NETWORKS:
        with TemporaryDirectory() as folder:
            yield from compare_one(exported, Path(folder), effort)


def compare_one(exported: Exported, folder: Path, effort: Effort) -> Iterator[Comparison]:
    ours, theirs = folder / "dlc.onnx", folder / "torch.onnx"
    weights, module = dlc.compile(exported.spec).weights(), exported.module()
    write = (partial(write_ours, exported, weights, ours), partial(write_theirs, exported, module, theirs))
    what = f"writing the ONNX of {exported.title}"
    yield Comparison(what, "`torch.onnx.export(..., dynamo=True)`", effort.time(*write), exported.asked)
    for batch in BATCHES:
        run = [runner(path, exported.rows(batch), effort.quick) for path in (ours, theirs)]
        what = f"{exported.title} in ONNX Runtime, batch {batch}"
        yield Comparison(what, "the file of `torch.onnx.export`", effort.time(*run, more=SHORT), 1)


def write_ours(exported: Exported, weights: dict[str, np.ndarray], path: Path) -> float:
    """Seconds of writing the file. The program is compiled each time, outside of the measurement, to avoid
    caches."""
    program = dlc.compile(exported.spec)
    return seconds(lambda: path.write_bytes(program.onnx(weights).SerializeToString()))


def write_theirs(exported: Exported, module: nn.Module, path: Path) -> float:
    """Seconds of writing one file with a dynamic batch, like an artifact."""
    example = torch.from_numpy(exported.rows(2))
    with quiet():
        return seconds(
            lambda: torch.onnx.export(
                module,
                (example,),
                path,
                dynamo=True,
                verbose=False,
                external_data=False,
                dynamic_shapes={"image": {0: torch.export.Dim("batch")}},
            )
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress the log and the warnings of the exporter."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def runner(path: Path, rows: np.ndarray, quick: bool) -> Callable[[], float]:
    """A function that runs a file on rows, often enough for a sample, and returns the seconds of one run."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    run = partial(session.run, None, {session.get_inputs()[0].name: rows})
    run()
    times = 1 if quick else max(1, round(LASTS / seconds(run)))
    return lambda: seconds(lambda: [run() for _ in range(times)]) / times
