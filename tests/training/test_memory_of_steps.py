"""A step keeps nothing in memory for the nets that it does not train, so its loss needs no `detach`."""

from __future__ import annotations

import pytest
import torch

from dlc.compiler import Source, compile
from dlc.compiler.lower.initial_weights import draw
from dlc.runtime.data import Dataset, InMemoryRows
from dlc.runtime.training.loop import train

ROWS, WIDE = 64, 512  # a layer of the generator has this many features, and one of the critic few

SPEC = """input  x: float[2]
output fake: float[2]

net generator(z) {{ return z -> dense(512) -> tanh -> dense(512) -> tanh -> dense(2) }}
net critic(x) {{ return x -> dense(4) -> tanh -> dense(1) }}

x -> generator -> fake

train {{
  batch  = all
  epochs = 1
  step {nets} {{ loss = bce(critic({fake}), 0) + bce(critic(x), 1) }}
}}
"""


def saved(nets: str, fake: str) -> int:
    """The numbers that autograd keeps of the wide layers in a training of these nets."""
    program = compile(Source("m.dl", SPEC.format(nets=nets, fake=fake)))
    x = torch.randn(ROWS, 2, generator=torch.Generator().manual_seed(0)).numpy()
    found: list[int] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        found.append(tensor.numel() * (WIDE in tensor.shape))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        train(program, Dataset(InMemoryRows({"x": x}, ROWS), None, None), draw(program.graph, 0), on="cpu")
    assert found, "the step of the critic keeps its own"
    return sum(found)


@pytest.mark.parametrize("fake", ["fake", "detach(fake)"])
def test_the_step_of_a_critic_keeps_nothing_of_the_generator(fake: str) -> None:
    assert saved("critic", fake) == 0


def test_a_step_of_the_generator_does() -> None:
    """So the test above can fail."""
    assert saved("critic, generator", "fake") >= ROWS * WIDE
