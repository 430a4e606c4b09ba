"""The gradients of random programs in their training form and float64 agree with central differences, where
differences determine the gradient."""

from __future__ import annotations

import math
import zlib
from dataclasses import replace

import pytest
import torch
from engines import Bounds
from gradients import prepared
from hypothesis import HealthCheck, given, note, seed, settings
from random_programs import in_reach, programs

from dlc.compiler import Source, compile
from dlc.compiler.ir.graph import Graph
from dlc.compiler.operators.activations import Tanh
from dlc.compiler.passes.graph_rewrite import prune
from dlc.runtime.artifact.divergence import numeric_values

STEPS = (1e-5, 1e-6)
ALIKE, HELD = 1e-5, 1e-4  # tolerances between differences, and between gradients and differences
FEW, MANY = 40, 6  # programs of any kind, and for each operator
# `detach` has no gradient, and `position_embedding` rejects sequences longer than its weight.
LEFT_OUT = ("detach", "position_embedding")
ROOTS = {"sqrt", "power"}  # an infinite slope at 0, which gives NaN times a slope of 0 before it
SMOOTH = ("dense", "conv", "layernorm", "groupnorm", "tanh", "softmax", "multiply", "residual")


def in_training(text: str) -> Graph:
    """The values of the outputs in the training form."""
    program = compile(Source("random.dl", text))
    outputs = {output.name: output.flowed for output in program.outputs}
    return prune(program.graph, outputs)


def gradient_gap(graph: Graph) -> float | None:
    """The relative error of the derivative of a combination of the outputs in a random direction, compared
    with the difference. None if there is no gradient, if a value is not finite, or if differences of two
    sizes and both signs disagree: at kinks, and where float64 has too few digits."""
    if not is_finite(graph):
        return None
    run, tensors = prepared(graph, Bounds())
    made = [value for value in run(*tensors) if value.requires_grad]
    if not made:
        return None
    source = torch.Generator().manual_seed(0)
    way = [torch.randn(t.shape, generator=source, dtype=torch.float64) for t in tensors]

    def mixed(step: float) -> torch.Tensor:
        moved = [t.detach().add(step * w).requires_grad_() if t.requires_grad else t
                 for t, w in zip(tensors, way, strict=True)]  # fmt: skip
        draws = torch.Generator().manual_seed(1)
        values = [value for value in run(*moved) if value.requires_grad]
        return sum((v * torch.randn(v.shape, generator=draws, dtype=v.dtype)).sum() for v in values)  # type: ignore

    here = mixed(0)
    slopes = [(mixed(sign * step) - here).item() / (sign * step) for step in STEPS for sign in (1, -1)]
    size = max(1.0, *map(abs, slopes))
    if not all(abs(slope - slopes[-1]) <= 1e-2 * size for slope in slopes):
        return None
    coarse, fine = (((mixed(step) - mixed(-step)) / (2 * step)).item() for step in STEPS)
    if not abs(coarse - fine) <= ALIKE * size:
        return None
    directions = [(t, w) for t, w in zip(tensors, way, strict=True) if t.requires_grad]
    leaves = [t for t, _ in directions]
    draws = torch.Generator().manual_seed(1)
    total = sum((v * torch.randn(v.shape, generator=draws, dtype=v.dtype)).sum() for v in made)
    gradients = torch.autograd.grad(total, leaves, materialize_grads=True, allow_unused=True)  # type: ignore
    analytic = sum((g * w).sum().item() for g, (_, w) in zip(gradients, directions, strict=True))
    if math.isnan(analytic) and ROOTS & {node.operator.name for node in graph.nodes}:
        return None
    return abs(analytic - fine) / size


def is_finite(graph: Graph) -> bool:
    """Whether all intermediate values are finite. `where` may hide one that is not; its gradient is NaN."""
    numbers = {f"result_{i}": value for i, value in enumerate(numeric_values(graph))}
    run, tensors = prepared(replace(graph, outputs=numbers), Bounds())
    return all(bool(value.isfinite().all()) for value in run(*tensors))


def hold(operators: tuple[str, ...], count: int) -> list[float | None]:
    """The errors of the gradients of all programs are small."""
    gaps: list[float | None] = []
    for operator in operators:

        @seed(zlib.crc32(operator.encode()))
        @settings(max_examples=count, database=None, deadline=None, suppress_health_check=list(HealthCheck))
        @given(programs(operator))
        def holds(text: str) -> None:
            if any(operator in text for operator in LEFT_OUT):
                return
            note(text)
            gaps.append(gradient_gap(in_training(text)))
            assert gaps[-1] is None or gaps[-1] <= HELD, f"the gradient is off by {gaps[-1]:.1e}"

        holds()
    return gaps


def test_gradients_of_random_programs() -> None:
    gaps = hold(SMOOTH, FEW // len(SMOOTH))
    assert sum(gap is not None for gap in gaps) >= len(gaps) // 3, "differences hardly ever tell a gradient"


def test_the_gradient_of_a_root_of_a_negative_number_is_nan_even_behind_where() -> None:
    text = "input x: float[9]\nh = x -> sqrt -> threshold\noutput y: float[9]\nx + h -> y\n"
    assert gradient_gap(in_training(text)) is None


def test_random_lengths_fit_all_stages() -> None:
    text = "input x: float[3, T]\noutput y: float[4, T // 2 - 3]\nx -> avgpool(2) -> conv(4, 4) -> y\n"
    assert gradient_gap(in_training(text)) is not None


@pytest.mark.slow
def test_a_wrong_gradient_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tanh, "torch", lambda self, F, x: F.tanh(x.detach()) + x - x.detach())
    with pytest.raises(AssertionError, match="the gradient is off"):
        hold(("tanh",), FEW)


@pytest.mark.slow
@pytest.mark.parametrize("operator", in_reach())
def test_gradients_of_many_random_programs(operator: str) -> None:
    hold((operator,), MANY)
