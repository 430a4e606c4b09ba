"""Verify the graph of a program after elaboration and after every pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.passes import specialize
from dlc.compiler.passes.folding import fold
from dlc.compiler.passes.verify import verify, verify_program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.ir.graph import Graph
    from dlc.compiler.program import CompiledProgram


def legal(program: CompiledProgram) -> CompiledProgram:
    """The program, after verification of its graph in every form."""
    verify_program(program)
    for _, graph in passed(program):
        verify(graph)
    return program


def passed(program: CompiledProgram) -> Iterator[tuple[str, Graph]]:
    """The graph after every pass, with the name of the form."""
    inference = specialize.inference(program)
    yield "inference", inference
    yield "folded", fold(inference, ones(inference))[0]
    yield "answers in training", specialize.training_answers(program)
    for phase in program.phases:
        yield "inference with the losses", specialize.validation(program, phase)
        for objective in phase.objectives:
            yield "training", specialize.training(program, objective)


def ones(graph: Graph) -> dict[str, np.ndarray]:
    """Weights of the right shapes, filled with 1. Dimensions that depend on data are 2."""
    shapes = {w.name: [s if isinstance(s, int) else 2 for s in w.value.type.shape] for w in graph.weights}
    return {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
