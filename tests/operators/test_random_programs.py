"""Programs put together at random mean the same in torch, ONNX Runtime and `onnx.reference`, value by value,
at batch sizes 0, 1, 2 and 7 and two values of every free dimension; so do the artifacts made of them."""

from __future__ import annotations

import zlib

import pytest
from engines import models
from hypothesis import HealthCheck, given, note, seed, settings
from proof import proof_of
from random_programs import in_reach, programs

from dlc.compiler import Source, compile
from dlc.compiler.program import CompiledProgram
from dlc.runtime.artifact.divergence import Walk

FEW, MANY = 3, 15  # programs for each operator


def prove(program: CompiledProgram) -> None:
    """All engines give each value as torch does. A row is held from its inputs on until what flows is
    infinite or no number, or until rounding has decided a choice."""
    with proof_of(program) as (parity, batches):
        walk = Walk(parity.graph, parity.graph, parity.stages.weights)
        engines = models(walk.shown, parity.stages.weights) if walk.names else {}
        for what, raw in batches:
            wanted = walk.wanted(raw)
            for engine, run in engines.items():
                node, _ = walk.first_fault(wanted, run({v.name: raw[v.name] for v in walk.shown.inputs}))
                assert node is None, f"torch and {engine} part in {node.operator} on {what}"
            parity.hold(what, raw)


def hold(operator: str, count: int) -> None:
    @seed(zlib.crc32(operator.encode()))
    @settings(max_examples=count, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(programs(operator))
    def holds(text: str) -> None:
        note(text)
        prove(compile(Source("random.dl", text)))

    holds()


@pytest.mark.parametrize("operator", in_reach()[::4])
def test_a_quarter_of_the_operators_among_others(operator: str) -> None:
    hold(operator, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("operator", in_reach())
def test_every_operator_among_many_others(operator: str) -> None:
    hold(operator, MANY)
