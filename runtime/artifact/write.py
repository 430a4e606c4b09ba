"""Serialize artifacts and write them atomically."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import onnx_ir

from dlc.compiler.definitions.export_section import OPENVINO, RUNTIMES, runtime_opset
from dlc.compiler.format.formatter import laid_out
from dlc.compiler.lower import onnx
from dlc.compiler.lower.initial_weights import check_known
from dlc.compiler.passes import specialize
from dlc.compiler.passes.folding import fold
from dlc.compiler.passes.lengths import length_inputs
from dlc.compiler.types import Classes
from dlc.runtime.artifact.metadata import describe
from dlc.runtime.files import naming_path, writable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    import onnx_ir as ir

    from dlc.compiler.ir.graph import Graph, Value
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.types import Tensor

WORDS = 32  # of a vocabulary, of which random text is made
MAX_BYTES = 2_000_000_000  # the limit of protobuf; larger weights are external data


def opsets(program: CompiledProgram) -> tuple[int, int, int]:
    """Opset of ai.onnx, opset of ai.onnx.ml, and IR version."""
    target = runtime_opset(program.export.target)
    assert target is not None, "checked with the section"
    if program.export.opset is None:
        return target
    return next(r[1:] for r in RUNTIMES if r[1] == program.export.opset)


def onnx_model(
    program: CompiledProgram,
    graph: Graph,
    weights: Mapping[str, np.ndarray],
    metadata: Mapping[str, str],
    *,
    folded: bool = True,
) -> ir.Model:
    """The ONNX model of an inference graph, by default with folded normalization."""
    if folded:
        graph, weights = fold(graph, weights)
    opset, ml_opset, ir_version = opsets(program)
    return onnx.model(graph, weights, opset=opset, ml_opset=ml_opset, ir_version=ir_version,
                      in_openvino=program.export.target == OPENVINO, name=program.name,
                      description=program.description, metadata=metadata)  # fmt: skip


def untrained(program: CompiledProgram, weights: Mapping[str, np.ndarray]) -> ir.Model:
    """An ONNX model with these weights in memory, without a proof."""
    check_known(program.graph, weights)
    graph = specialize.inference(program)
    metadata = describe(program, graph, laid_out(program.source), raw_types(program, graph))
    return onnx_model(program, graph, weights, metadata.texts())


def raw_types(program: CompiledProgram, graph: Graph) -> dict[str, Tensor]:
    """The raw types of the inputs that the graph reads. Texts have some words that the model knows."""
    read = {v.name for v in graph.inputs}
    words = known_words(program)
    given = [input for input in program.inputs if input.name in read]
    types = {i.name: replace(i.declared, words=tuple(words.get(i.value, ()))) for i in given}
    for tokens in (node.results[0] for node in program.readers if node.results[0].name in read):
        classes = tokens.type.classes and Classes(tokens.type.classes.count)
        types[tokens.name] = replace(tokens.type, classes=classes)
    return types | {v.name: v.type for v in graph.inputs if v.kind == "length"}


def known_words(program: CompiledProgram) -> dict[Value, list[str]]:
    """Some of the texts or words that operators know, from all of each vocabulary, by the text they read."""
    found: dict[Value, list[str]] = {}
    for node in program.readers:
        known = () if node.operator.outside else node.operator.vocabulary.spellings
        found.setdefault(node.operands[0], []).extend(known[:: max(len(known) // WORDS, 1)][:WORDS])
    return found


def length_dims(program: CompiledProgram, graph: Graph) -> dict[str, str]:
    """The dimension of each input of lengths that the graph reads."""
    read = {v.name for v in graph.inputs}
    return {v.name: name for name, v in length_inputs(program).items() if v.name in read}


def weight_bytes(model: ir.Model) -> int:
    """The size of its weights in bytes."""
    return sum(v.const_value.nbytes for v in model.graph.initializers.values() if v.const_value is not None)


def save(model: ir.Model, path: Path) -> None:
    """Write the model to one file. Only weights that are too large for one file are external data, in
    `NAME.data`."""
    if weight_bytes(model) < MAX_BYTES:
        path.write_bytes(onnx.serialize(model))
    else:
        onnx_ir.save(model, path, external_data=f"{path.name}.data")


@contextmanager
def in_memory(model: ir.Model) -> Iterator[bytes | Path]:
    """The model as bytes for ONNX Runtime; a model that is too large for bytes is in a temporary file."""
    if weight_bytes(model) < MAX_BYTES:
        yield onnx.serialize(model)
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "model.onnx"
        save(model, place)
        yield place


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """A temporary path for the files of an artifact. If the block succeeds, all files are renamed to their
    final names; if not, none is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writable(path, streams=False)
    beside = f".{path.name}."
    with (
        naming_path(path, str(path.parent / beside)),
        tempfile.TemporaryDirectory(dir=path.parent, prefix=beside) as folder,
    ):
        yield Path(folder) / path.name
        for file in sorted(Path(folder).iterdir(), reverse=True):  # `NAME.data` before `NAME`
            os.replace(file, path.parent / file.name)
