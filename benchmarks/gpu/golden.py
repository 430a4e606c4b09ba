"""The golden specs with rows and initial weights, and their training step by step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from dlc.compiler.diagnostics.source import Source
from dlc.compiler.dims.dim import number
from dlc.compiler.lower.initial_weights import draw
from dlc.compiler.passes import specialize
from dlc.program import Program as Face
from dlc.runtime.data import Dataset, InMemoryRows
from dlc.runtime.data.requirements import required_fields
from dlc.runtime.loaded_tensors import tensors_of
from dlc.runtime.open_rows import open_data
from dlc.runtime.pretrained import loaded
from dlc.runtime.training import training_plan
from dlc.runtime.training.batch_means import OBJECTIVE
from dlc.runtime.training.batches import Passes
from dlc.runtime.training.fit import fit
from dlc.runtime.training.learner import Learner
from dlc.runtime.training.torch_forms import Forms

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.types import Tensor
    from dlc.runtime.training.torch_forms import Batch

SPECS = Path(__file__).parents[2] / "specs"
FIRST = ("digits_cnn", "wine", "resnet18", "penguins", "vae", "transfer")
QUICK = ("digits_cnn", "wine", "mcculloch_pitts")
WITHOUT_ROWS = ("lenet",)  # its data source is not in the repository
DRAWN = 16  # random rows of a spec without data


def names(quick: bool) -> list[str]:
    """The golden specs, the most informative first; `quick` gives a few small ones. The weights that those of
    `checkpoints` load are not in the repository."""
    if quick:
        return [*QUICK]
    paths = (path for path in SPECS.rglob("*.dl") if path.parent.name != "checkpoints")
    found = sorted(path.relative_to(SPECS).with_suffix("").as_posix() for path in paths)
    return [*FIRST, *(name for name in found if name not in FIRST)]


@dataclass(frozen=True)
class Golden:
    """A golden spec with its rows and initial weights."""

    program: CompiledProgram
    data: Dataset | None
    weights: Mapping[str, np.ndarray]

    @property
    def learns(self) -> bool:
        return bool(specialize.trained(self.program))


def golden(name: str, rows: int = DRAWN, settings: str = "") -> Golden:
    """The spec with its own rows, or with random ones; `settings` are added to its `train`."""
    text = with_settings((SPECS / f"{name}.dl").read_text("utf-8"), settings)
    face = Face(Source(f"{name}.dl", text), (SPECS / name).parent, {})
    data = rows_for(name, face, rows)
    program = face.compiled
    begun = loaded(program, program.train.weights, face.folder)
    weights = draw(program.graph, program.train.seed, tensors_of(program, face.folder) | begun)
    return Golden(program, data, fit(program, data.train, weights, begun) if data else weights)


def with_settings(text: str, settings: str) -> str:
    if not settings:
        return text
    if "train {\n" in text:
        return text.replace("train {\n", f"train {{\n{settings}\n", 1)
    return f"{text}\ntrain {{\n{settings}\n}}\n"


def rows_for(name: str, face: Face, count: int) -> Dataset | None:
    program = face.compiled
    if not specialize.trained(program):
        return None
    if name not in WITHOUT_ROWS and program.data is not None and program.data.source is not None:
        return open_data(face, None)
    rng = np.random.default_rng(0)
    rows = InMemoryRows({w.name: drawn(rng, w.declared, count) for w in required_fields(program)}, count)
    return Dataset(rows, rows, None)


def drawn(rng: np.random.Generator, type: Tensor, count: int) -> np.ndarray:
    """Random values of a type, rows first."""
    shape = (count, *map(number, type.shape))
    if type.classes is not None:
        return rng.integers(0, number(type.classes.count), shape)
    if type.element == "uint8":
        return rng.integers(0, 256, shape, np.uint8)
    return rng.standard_normal(shape, np.float32)


class Training:
    """A training on a device, step by step."""

    def __init__(self, golden: Golden, device: torch.device) -> None:
        assert golden.data is not None and golden.data.train is not None, "the spec learns"
        phase = golden.program.phases[0]
        plan = training_plan.make(golden.program, phase, golden.data)
        torch.manual_seed(phase.settings.seed)
        self.device = device
        self.forms = Forms(golden.program, golden.weights, device, phase)
        self.learner = Learner(self.forms, phase, plan.steps)
        loader = self.forms.loader(golden.data.train, *self.forms.training)
        self.passes = Passes(loader, plan, phase.settings.seed)
        self.batches = self._batches()
        self.taken = 0

    def step(self, batches: list[Batch] | None = None) -> torch.Tensor:
        """Take one step. Returns the loss before it, on the device."""
        made = self.learner.step(batches or next(self.batches), self.taken)
        self.taken += 1
        return torch.stack([m[OBJECTIVE].detach().float() for _, m in made]).sum()

    def losses(self, steps: int) -> list[float]:
        return torch.stack([self.step() for _ in range(steps)]).tolist()

    def _batches(self) -> Iterator[list[Batch]]:
        """The batches of each step, epoch after epoch."""
        while True:
            yield from self.passes.steps()
            self.passes.next_epoch()
