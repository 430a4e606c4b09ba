"""Small specs, generated rows, and one training of them."""

from __future__ import annotations

import numpy as np

from dlc.compiler import Source, compile
from dlc.compiler.lower.initial_weights import draw
from dlc.runtime.data import Dataset, InMemoryRows, Rows
from dlc.runtime.training.loop import train


def points(n: int, seed: int = 0) -> InMemoryRows:
    """Two features; the class is the side of a line."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2)).astype(np.float32)
    return InMemoryRows({"x": x, "y": (x.sum(1) > 0).astype(np.int64)}, n)


def classifier(settings: str, layers: str = "dense(8) -> tanh -> dense(2)", more: str = "") -> str:
    types = "input x: float[2]\noutput y: class(2)"
    return "\n".join(filter(None, [types, more, f"x -> {layers} -> y", f"train {{\n{settings}\n}}\n"]))


def program(text: str):
    return compile(Source("m.dl", text))


def run(text: str, rows: Rows, validation: Rows | None = None, test: Rows | None = None, **more):
    p = program(text)
    return train(p, Dataset(rows, validation, test), draw(p.graph, p.train.seed), on="cpu", **more)


def by_hand(text: str):
    """The two dense layers of the classifier in plain PyTorch, with the same initial values."""
    import torch

    net = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
    begin = draw(program(text).graph, program(text).train.seed)
    for own, array in zip(net.parameters(), begin.values(), strict=True):
        own.data.copy_(torch.from_numpy(array))
    return net


def assert_same(found, net, **tolerance) -> None:
    """The weights are those of the module."""
    for own, (name, array) in zip(net.parameters(), found.items(), strict=True):
        np.testing.assert_allclose(array, own.detach().numpy(), err_msg=name, **tolerance)
