"""Random programs have the same values in torch, ONNX Runtime and `onnx.reference`, at batch sizes 0, 1, 2
and 7 and two values of each free dimension; so do their artifacts."""

from __future__ import annotations

import zlib

import pytest
from engines import models
from hypothesis import HealthCheck, given, note, seed, settings
from proof import proof_of
from random_programs import in_reach, programs

from dlc.compiler import Source, compile
from dlc.compiler.program import CompiledProgram
from dlc.runtime.artifact.divergence import NodeComparison

FEW, MANY = 3, 8  # programs for each operator


def prove(program: CompiledProgram) -> None:
    """All engines agree with torch on all values. Values of a row are compared up to the first one that is
    not finite or that depends on a discontinuous result close to its threshold."""
    with proof_of(program) as (parity, batches):
        walk = NodeComparison(parity.graph, parity.graph, parity.stages.weights)
        engines = models(walk.shown, parity.stages.weights) if walk.names else {}
        for what, raw in batches:
            wanted = walk.wanted(raw)
            for engine, run in engines.items():
                node, _ = walk.first_fault(wanted, run({v.name: raw[v.name] for v in walk.shown.inputs}))
                assert node is None, f"torch and {engine} part in {node.operator} on {what}"
            parity.check(what, raw)


def hold(operator: str, count: int) -> None:
    @seed(zlib.crc32(operator.encode()))
    @settings(max_examples=count, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(programs(operator))
    def holds(text: str) -> None:
        note(text)
        prove(compile(Source("random.dl", text)))

    holds()


@pytest.mark.slow
@pytest.mark.parametrize("operator", in_reach()[::8])
def test_an_eighth_of_the_operators_among_others(operator: str) -> None:
    hold(operator, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("operator", in_reach())
def test_every_operator_among_many_others(operator: str) -> None:
    hold(operator, MANY)
