"""Holds programs to what a legal graph is, after elaboration and after every pass."""

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
    """The program, whose graph is legal, and stays so in every form."""
    verify_program(program)
    for _, graph in passed(program):
        verify(graph)
    return program


def passed(program: CompiledProgram) -> Iterator[tuple[str, Graph]]:
    """What every pass makes of the program."""
    inference = specialize.inference(program)
    yield "inference", inference
    yield "folded", fold(inference, ones(inference))[0]
    yield "answers in training", specialize.training_answers(program)
    if program.phases:
        yield "inference with the loss", specialize.validation(program)
        yield "training", specialize.training(program, program.objective)


def ones(graph: Graph) -> dict[str, np.ndarray]:
    """Weights of the right shapes; what only data can tell is 2."""
    shapes = {w.name: [s if isinstance(s, int) else 2 for s in w.value.type.shape] for w in graph.weights}
    return {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
