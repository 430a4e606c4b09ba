"""The artifact of a program with random weights, compared with torch as in an export."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from engines import draw_weights

from dlc.compiler.passes import specialize
from dlc.compiler.program import CompiledProgram
from dlc.runtime.artifact.divergence import Batch
from dlc.runtime.artifact.export import comparisons
from dlc.runtime.artifact.parity import Parity
from dlc.runtime.artifact.write import length_dims, onnx_model, raw_types, save


@contextmanager
def proof_of(program: CompiledProgram) -> Iterator[tuple[Parity, list[tuple[str, Batch]]]]:
    """The comparison of the two, and batches of several sizes for it, each with a description."""
    graph, weights = specialize.inference(program), draw_weights(np.random.default_rng(0), program.graph)
    with tempfile.TemporaryDirectory() as folder:
        artifact = Path(folder) / "program.onnx"
        save(onnx_model(program, graph, weights, {}), artifact)
        types, lengths = raw_types(program, graph), length_dims(program, graph)
        batches = list(comparisons(graph, types, None, 0, lengths))
        yield Parity(program, graph, weights, artifact), batches
