"""The gradient of every example row of every operator and loss, in the training form and in float64, is what
central differences say, with respect to what flows in and to the weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from engines import Bounds, compile_flow, draw_input, draw_weights, sizes
from test_examples import OPERATORS, flow, label

from dlc.compiler import Source, compile
from dlc.compiler.definition import family
from dlc.compiler.dims import evaluate
from dlc.compiler.ir import Graph
from dlc.compiler.lower.precision import wide
from dlc.compiler.lower.torch import trace
from dlc.compiler.operators.activations import Tanh
from dlc.compiler.operators.base import Example
from dlc.compiler.passes import forms

BATCH = 3
LOSSES = family("loss")
ROWS = [
    pytest.param(name, row, id=f"{name}: {label(row)}")
    for members in (OPERATORS, LOSSES)
    for name, operator in sorted(members.items())
    for row in operator.examples
    if not row.rejects and name != "detach"  # the one that has none on purpose
]


def in_training(name: str, row: Example) -> Graph:
    """The training form of a row, all that it makes as outputs."""
    if name in LOSSES:
        return loss_in_training(row, getattr(LOSSES[name], "wrt", None))
    made, graph = compile_flow(flow(name, row), row.operands)
    return forms.prune(replace(graph, outputs={f"y{i}": value for i, value in enumerate(made)}))


def loss_in_training(row: Example, wrt: int | None) -> Graph:
    """A row in a loss; what is differentiated in it depends on what it is differentiated with respect to."""
    names = "abcdefgh"[: len(row.operands)]
    inputs = "\n".join(f"input {n}: {t}" for n, t in zip(names, row.operands, strict=True))
    called, _, settings = row.call.partition("(")
    operands = [
        n if wrt is None or i == wrt else f"{n} * sum({names[wrt]} ** 3)" for i, n in enumerate(names)
    ]
    call = f"{called}({', '.join(filter(None, (*operands, settings.removesuffix(')'))))})"
    call = call if row.gives == "float" else f"mean({call})"
    program = compile(Source("row.dl", f"{inputs}\ntrain {{ loss = {call} }}\n"))
    return forms.training(program)


def draw(graph: Graph, bounds: Bounds, seed: int) -> list[torch.Tensor]:
    """Inputs, then weights; all real numbers in float64."""
    rng = np.random.default_rng(seed)
    free, weights = next(sizes(graph)), draw_weights(rng, graph)
    drawn = []
    for value in graph.inputs:
        shape = (BATCH, *(evaluate(size, free) for size in value.type.shape))
        drawn.append(draw_input(rng, value.type, shape, bounds))
    drawn += [weights[weight.name] for weight in graph.weights]
    return [torch.from_numpy(array).double() if array.dtype.kind == "f" else torch.from_numpy(array)
            for array in drawn]  # fmt: skip


def check_gradients(graph: Graph, bounds: Bounds, seed: int = 0) -> bool:
    """Hold them against differences; false if there are none, and then a small move changes nothing."""
    module, tensors = wide(trace(graph)), draw(graph, bounds, seed)
    held = [False] * len(graph.inputs) + [not weight.trainable for weight in graph.weights]
    for tensor, is_held in zip(tensors, held, strict=True):
        tensor.requires_grad_(tensor.is_floating_point() and not is_held)

    def run(*tensors: torch.Tensor) -> list[torch.Tensor]:
        torch.manual_seed(seed)  # the same draws each time
        return list(module(*(tensor.clone() for tensor in tensors)).values())  # running statistics move

    def with_gradient(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(made for made in run(*tensors) if made.requires_grad)

    if with_gradient(*tensors):
        return torch.autograd.gradcheck(with_gradient, tensors, fast_mode=True)
    moved = [tensor + 1e-6 if tensor.requires_grad else tensor for tensor in tensors]
    assert all(map(torch.equal, run(*tensors), run(*moved))), "what changes has no gradient"
    return False


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_gradient_is_what_differences_say(name: str, row: Example) -> None:
    check_gradients(in_training(name, row), Bounds(row.low, row.high))


def test_a_wrong_gradient_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tanh, "torch", lambda self, F, x: F.tanh(x.detach()) + x - x.detach())
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        check_gradients(in_training("tanh", Tanh.examples[0]), Bounds())


def test_a_missing_gradient_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tanh, "torch", lambda self, F, x: F.tanh(x.detach()))
    with pytest.raises(AssertionError, match="no gradient"):
        check_gradients(in_training("tanh", Tanh.examples[0]), Bounds())
