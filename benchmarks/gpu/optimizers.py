"""Fused optimizers, compared with unfused ones."""

from __future__ import annotations

from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.gpu.checks import Check, Found, synchronize
from benchmarks.gpu.golden import SPECS, golden
from benchmarks.report import duration
from benchmarks.timing import interleave, seconds
from dlc.compiler.lower.initial_weights import draw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.training.optimizers import Optimizer

STEPS = 10
ROUNDS = 3
FUSED = ("adagrad", "adam", "adamw", "sgd")  # optimizers with a fused form on CUDA
APART = 1e-5  # maximum difference after `STEPS` steps, relative to the largest weight


def checks(device: torch.device, quick: bool) -> Iterator[Check]:
    """A check for each optimizer that dlc uses in its fused form on the device."""
    spec, rounds = ("digits_cnn", 1) if quick else ("resnet18", ROUNDS)
    for path in sorted((SPECS / "optimizers").glob("*.dl")):
        yield Check(f"{path.stem}, weights of {spec}", partial(compare, path.stem, spec, rounds, device))


def compare(name: str, spec: str, rounds: int, device: torch.device) -> Found:
    (optimizer,) = golden(f"optimizers/{name}").program.phase.objectives[0].optimizers
    program = golden(spec, 1).program
    weights = [torch.from_numpy(draw(program.graph, 0)[w.name]) for w in program.graph.weights if w.trainable]
    fused, plain = (Changing(optimizer, weights, device) for _ in range(2))
    if not fused.is_fused:
        # On a GPU a fused form that is no longer used is a failure.
        return Found("dlc uses no fused form", "fused", device.type != "cuda" or name not in FUSED)
    plain.unfuse()
    for _ in range(STEPS):
        fused.step()
        plain.step()
    apart = max(largest(a - b) / largest(b) for a, b in zip(fused.weights, plain.weights, strict=True))
    timing = interleave(fused.seconds, plain.seconds, rounds)
    ours, theirs = median(timing.ours), median(timing.theirs)
    figure = (f"{apart:.1e} apart; {duration(ours)} a step fused, {duration(theirs)} not: "
              f"{theirs / ours:.2f} x as fast")  # fmt: skip
    return Found(figure, f"at most {APART:.0e} apart", apart <= APART)


class Changing:
    """Weights with constant gradients, and the optimizers that change them."""

    def __init__(self, optimizer: Optimizer, weights: list[torch.Tensor], device: torch.device) -> None:
        self.device = device
        self.weights = [w.to(device, copy=True).requires_grad_() for w in weights]
        generator = torch.Generator().manual_seed(0)
        for weight in self.weights:
            weight.grad = torch.randn(weight.shape, generator=generator).to(device)
        matrices = [w for w in self.weights if w.dim() == 2]
        self.optimizers: list[Any] = optimizer.over(torch.optim, self.weights, matrices)

    @property
    def groups(self) -> list[dict[str, Any]]:
        return [group for optimizer in self.optimizers for group in optimizer.param_groups]

    @property
    def is_fused(self) -> bool:
        return any(group.get("fused") for group in self.groups)

    def unfuse(self) -> None:
        """Use the unfused form."""
        for group in self.groups:
            group["fused"] = False

    def step(self) -> None:
        for optimizer in self.optimizers:
            optimizer.step()

    def seconds(self) -> float:
        """Mean seconds of a step."""
        synchronize(self.device)
        return seconds(lambda: ([self.step() for _ in range(STEPS)], synchronize(self.device))) / STEPS


def largest(tensor: torch.Tensor) -> float:
    return float(tensor.detach().abs().max())
