"""The gradients of all examples of all operators and losses, in the training form and float64, agree with
central differences, with respect to operands and weights."""

from __future__ import annotations

import pytest
import torch
from bounds import GRADIENT
from engines import Bounds
from gradients import LOSSES, STEP, in_training, prepared
from test_examples import OPERATORS, label

from dlc.compiler.ir.graph import Graph
from dlc.compiler.operators.activations import Tanh
from dlc.compiler.operators.base import Example

ROWS = [
    pytest.param(name, row, id=f"{name}: {label(row)}")
    for members in (OPERATORS, LOSSES)
    for name, operator in sorted(members.items())
    for row in operator.examples
    if not row.rejects
    if name != "detach" and not operator.reads  # intentionally without a gradient; of text
]


def check_gradients(graph: Graph, bounds: Bounds) -> None:
    """Compare gradients with differences. Without a gradient a small step does not change the result."""
    run, tensors = prepared(graph, bounds)

    def with_gradient(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(made for made in run(*tensors) if made.requires_grad)

    if with_gradient(*tensors):
        torch.autograd.gradcheck(
            with_gradient, tensors, eps=STEP, atol=GRADIENT, rtol=GRADIENT, fast_mode=True
        )
        return
    moved = [tensor + STEP if tensor.requires_grad else tensor for tensor in tensors]
    assert all(map(torch.equal, run(*tensors), run(*moved))), "what changes has no gradient"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "row"), ROWS)
def test_gradients_equal_finite_differences(name: str, row: Example) -> None:
    check_gradients(in_training(name, row), Bounds(row.low, row.high))


def test_a_wrong_gradient_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tanh, "torch", lambda self, F, x: F.tanh(x.detach()) + x - x.detach())
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        check_gradients(in_training("tanh", Tanh.examples[0]), Bounds())


def test_a_missing_gradient_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tanh, "torch", lambda self, F, x: F.tanh(x.detach()))
    with pytest.raises(AssertionError, match="no gradient"):
        check_gradients(in_training("tanh", Tanh.examples[0]), Bounds())
