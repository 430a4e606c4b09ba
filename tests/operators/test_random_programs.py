"""Programs put together at random mean the same in torch, ONNX Runtime and `onnx.reference`, value by value,
at batch sizes 1, 2 and 7 and two values of every free dimension; so do the artifacts made of them."""

from __future__ import annotations

import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from engines import draw_weights, models
from hypothesis import HealthCheck, given, note, seed, settings
from random_programs import in_reach, programs

from dlc.compiler import Source, compile
from dlc.compiler.passes import forms
from dlc.compiler.program import Program
from dlc.compiler.types import Tensor
from dlc.runtime.artifact.export import comparisons
from dlc.runtime.artifact.parity import Parity
from dlc.runtime.artifact.stages import Walk
from dlc.runtime.artifact.write import onnx_model, raw_types, save

FEW, MANY = 3, 15  # programs for each operator


def prove(program: Program) -> None:
    """All engines give each value as torch does. A row is held from its inputs on until what flows is
    infinite or no number, or until rounding has decided a choice."""
    graph, weights = forms.inference(program), draw_weights(np.random.default_rng(0), program.graph)
    walk = Walk(graph, graph, weights)
    engines = models(walk.shown, weights) if walk.names else {}
    types = raw_types(program, graph)
    with tempfile.TemporaryDirectory() as folder:
        artifact = Path(folder) / "random.onnx"
        save(onnx_model(program, graph, weights, {}), artifact)
        parity = Parity(program, graph, weights, artifact)
        for what, drawn in comparisons(graph, types, None, seed=0):
            raw = {name: small(types[name], array) for name, array in drawn.items()}
            wanted = walk.wanted(raw)
            for engine, run in engines.items():
                node, _ = walk.first_fault(wanted, run({v.name: raw[v.name] for v in walk.shown.inputs}))
                assert node is None, f"torch and {engine} part in {node.operator} on {what}"
            parity.hold(what, raw)


def small(type: Tensor, drawn: np.ndarray) -> np.ndarray:
    """Whole numbers whose powers do not overflow."""
    return drawn % 7 - 3 if type.element in ("int16", "int32", "int64") else drawn


def hold(operator: str, count: int) -> None:
    @seed(zlib.crc32(operator.encode()))
    @settings(max_examples=count, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(programs(operator))
    def holds(text: str) -> None:
        note(text)
        prove(compile(Source("random.dl", text)))

    holds()


@pytest.mark.parametrize("operator", in_reach())
def test_every_operator_among_others(operator: str) -> None:
    hold(operator, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("operator", in_reach())
def test_every_operator_among_many_others(operator: str) -> None:
    hold(operator, MANY)
