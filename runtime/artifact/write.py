"""The bytes of an artifact, and how a file gets its name: all at once."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from dlc.compiler.lower import onnx
from dlc.compiler.passes.folding import fold
from dlc.compiler.sections import RUNTIMES, runtime_opset

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import onnx_ir as ir

    from dlc.compiler.ir import Graph
    from dlc.compiler.program import Program

MAX_BYTES = 2_000_000_000  # protobuf ends here; larger weights lie beside the file


def opsets(program: Program) -> tuple[int, int, int]:
    """Opset of ai.onnx, opset of ai.onnx.ml, and IR version."""
    target = runtime_opset(program.export.target)
    assert target is not None, "checked with the section"
    if program.export.opset is None:
        return target
    return next(r[1:] for r in RUNTIMES if r[1] == program.export.opset)


def onnx_model(program: Program, graph: Graph, weights: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> ir.Model:
    """The model of an inference graph, normalization folded."""
    graph, weights = fold(graph, weights)
    opset, ml_opset, ir_version = opsets(program)
    return onnx.model(graph, weights, opset=opset, ml_opset=ml_opset, ir_version=ir_version, name=program.name,
                      description=program.description, metadata=metadata)  # fmt: skip


def onnx_bytes(program: Program, graph: Graph, weights: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> bytes:
    return onnx.serialize(onnx_model(program, graph, weights, metadata))


def write_whole(path: Path, content: bytes) -> None:
    """Write under a temporary name beside the path, then rename: the path never holds half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
