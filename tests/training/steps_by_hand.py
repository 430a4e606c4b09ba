"""Training in steps written by hand in plain PyTorch, to compare with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch.nn import functional as F
from trainings import program

from dlc.compiler.lower.initial_weights import draw
from dlc.runtime.data import Dataset, InMemoryRows
from dlc.runtime.training.history import Trained
from dlc.runtime.training.loop import train


class Weights(dict[str, torch.Tensor]):
    """The initial weights of a spec as tensors, by name, and the layers that use them. `dtype` is that of the
    training. `given` replaces some of them."""

    def __init__(self, text: str, given: Mapping[str, np.ndarray] | None = None, dtype=torch.float32) -> None:
        p = program(text)
        begin = draw(p.graph, p.train.seed) | dict(given or {})
        buffers = {w.name for w in p.graph.weights if w.is_buffer}
        super().__init__({n: torch.from_numpy(np.array(a)).to(dtype) for n, a in begin.items()})
        for name, tensor in self.items():
            tensor.requires_grad_(name not in buffers)

    def of(self, *nets: str) -> list[torch.Tensor]:
        """The trained weights of nets."""
        return [w for n, w in self.items() if w.requires_grad and n.startswith(tuple(f"{x}." for x in nets))]

    def dense(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self[f"{name}.weight"], self.get(f"{name}.bias"))

    def batchnorm(self, name: str, x: torch.Tensor, updates: bool) -> torch.Tensor:
        """With the statistics of the batch."""
        running = (self[f"{name}.running_mean"], self[f"{name}.running_var"]) if updates else (None, None)
        return F.batch_norm(x, *running, self[f"{name}.weight"], self[f"{name}.bias"], training=True)

    def batchnorm_at_inference(self, name: str, x: torch.Tensor) -> torch.Tensor:
        parts = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(self[f"{name}.{part}"] for part in parts))

    def assert_equal(self, found: Mapping[str, np.ndarray], **tolerance: float) -> None:
        """The weights are those of a training."""
        tolerance = tolerance or {"rtol": 1e-6, "atol": 1e-6}
        assert [*found] == [*self]
        for name, array in found.items():
            np.testing.assert_allclose(array, self[name].detach().numpy(), err_msg=name, **tolerance)


def update(optimizer: torch.optim.Optimizer, loss: torch.Tensor, clip: float | None = None) -> None:
    """One step of an optimizer, with the gradients of its own weights only."""
    own = [w for group in optimizer.param_groups for w in group["params"]]
    for weight, gradient in zip(own, torch.autograd.grad(loss, own), strict=True):
        weight.grad = gradient
    if clip is not None:
        torch.nn.utils.clip_grad_norm_(own, clip)
    optimizer.step()


def rounds(x: torch.Tensor, batch: int, noise: tuple[int, ...] = (), *, together: int = 1, epochs: int = 1,
           seed: int = 0) -> Iterator[list[tuple[torch.Tensor, torch.Tensor]]]:  # fmt: skip
    """The batches of each round: rows in the order of the seed, and noise of a shape. The batches of a round
    are drawn when it begins."""
    torch.manual_seed(seed)
    shuffle = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        parts = torch.randperm(len(x), generator=shuffle).split(batch)
        for start in range(0, len(parts), together):
            yield [(x[part], torch.randn(len(part), *noise)) for part in parts[start : start + together]]


def points(n: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, 2)).astype(np.float32))


def dataset(text: str, x: torch.Tensor | None, validation: torch.Tensor | None = None) -> Dataset:
    """Rows of `x`, with the other inputs drawn; without rows, all are drawn."""

    def rows(of: torch.Tensor | None) -> InMemoryRows:
        if of is None:
            return InMemoryRows({}, None, drawn=fields)
        return InMemoryRows({"x": of.numpy()}, len(of), drawn=fields)

    data = program(text).data
    fields = data.fields if data else {}
    return Dataset(rows(x), None if validation is None else rows(validation))


def run(text: str, x: torch.Tensor | None, validation: torch.Tensor | None = None,
        given: Mapping[str, np.ndarray] | None = None, **more) -> Trained:  # fmt: skip
    p = program(text)
    begin = draw(p.graph, p.train.seed) | dict(given or {})
    return train(p, dataset(text, x, validation), begin, on="cpu", **more)
