"""From a program and its weights to a proved artifact."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.format.formatter import laid_out
from dlc.compiler.lower.given_weights import accept, weights_of
from dlc.compiler.lower.initial_weights import check_known
from dlc.compiler.passes import specialize
from dlc.runtime.artifact.compare import TOLERANCE
from dlc.runtime.artifact.digest import seal
from dlc.runtime.artifact.metadata import UNSEALED, describe
from dlc.runtime.artifact.model_scan import look_at
from dlc.runtime.artifact.parity import Comparison, Parity, rows_of
from dlc.runtime.artifact.proof import BATCH, record
from dlc.runtime.artifact.samples import POSITIVE, free_sizes, sample, sized
from dlc.runtime.artifact.write import in_memory, onnx_model, raw_types, save, staged
from dlc.runtime.class_labels import raw_labels
from dlc.runtime.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dlc.compiler.ir.graph import Graph
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.types import Tensor

BATCHES = (1, 2, 7, 0)  # of none last: what fails for all is blamed where there are numbers to look at
REAL_ROWS = 64


@dataclass(frozen=True)
class ExportResult:
    """What was written: the path, its size, the worst difference from torch, on how many batches they were
    compared, and which rows were left out of the comparison, in words."""

    path: Path
    bytes: int
    worst: float
    batches: int
    excused: tuple[str, ...] = ()


def export(program: CompiledProgram, weights: Mapping[str, np.ndarray], path: Path, *,
           rows: Mapping[str, np.ndarray] | None = None, figures: Mapping[str, Any] | None = None,
           fingerprint: str = "", columns: Mapping[str, Any] | None = None) -> ExportResult:  # fmt: skip
    """Prove the artifact equal to the torch module on random and on real rows, then write it.

    `rows` are raw rows of the data, `figures` what training measured,
    `columns` what the data filled fields from.
    """
    program.check_answers()
    check_known(program.graph, weights)
    weights = accept(weights_of(program.graph), weights)
    graph = specialize.inference(program)
    types = raw_types(program, graph)
    metadata = describe(program, laid_out(program.source), types, columns)
    metadata.figures, metadata.fingerprint = dict(figures or {}), fingerprint
    batches = list(comparisons(graph, types, rows, program.train.seed))
    artifact = onnx_model(program, graph, weights, {})
    with staged(path) as place:
        save(artifact, place)
        parity = Parity(program, graph, weights, place)
        held = [parity.hold(what, raw) for what, raw in batches]
        worst, compared = max(h.worst for h in held), [what for what, _ in batches]
        excused = told(held, sum(rows_of(raw) for _, raw in batches))
        metadata.parity = {
            "worst": worst, "tolerance": TOLERANCE, "batches": compared, "excused": list(excused),
        }  # fmt: skip
        metadata.proof = record(parity, sized(types, free_sizes(graph)[0]), program.train.seed)
        metadata.digest = UNSEALED
        artifact.metadata_props.update(metadata.texts())
        save(artifact, place)
        seal(place)
        check_openable(place, program)
        size = sum(file.stat().st_size for file in place.parent.iterdir())
    return ExportResult(path, size, worst, len(batches), excused)


def rehearse(program: CompiledProgram, weights: Mapping[str, np.ndarray]) -> None:
    """Make the artifact of these weights and hold it against torch on one row, before time is spent on
    training them. Raises what `export` would; nothing is left behind."""
    program.check_answers()
    graph = specialize.inference(program)
    what, raw = next(comparisons(graph, raw_types(program, graph), None, program.train.seed))
    with in_memory(onnx_model(program, graph, weights, {})) as model:
        Parity(program, graph, weights, model).hold(f"{what}, before training", raw)


def told(held: Iterable[Comparison], rows: int) -> tuple[str, ...]:
    """The rows that are out of the comparison, in words, the most first."""
    counts = sum((Counter(h.excused) for h in held), Counter())
    return tuple(f"{count} of {rows} rows are left out: {excuse}" for excuse, count in counts.most_common())


def check_openable(place: Path, program: CompiledProgram) -> None:
    """Refuse to write what `dlc.load` would not open."""
    try:
        look_at(place)
    except ArtifactError as error:
        why = str(error).removeprefix(f"{place} ")
        help = "docs/artifact.md tells the limits: take fewer layers, or shorter names of classes"
        raise CompileError.of("E0902", f"the artifact of {program.name} {why}", help=help) from None


def comparisons(
    graph: Graph, types: Mapping[str, Tensor], rows: Mapping[str, np.ndarray] | None, seed: int
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """What both are run on: random inputs at several batch sizes and lengths, and real rows."""
    for free in free_sizes(graph):
        sizes = "".join(f", {n} = {size}" for n, size in free.items())
        known = sized(types, free)
        for batch in BATCHES:
            yield f"{batch} random rows{sizes}", sample(known, batch, seed + batch)
        if any(type.is_float for type in types.values()):
            yield f"{BATCH} random rows of positive numbers{sizes}", sample(known, BATCH, seed, POSITIVE)
    if rows and set(types) <= set(rows):
        count = min(len(next(iter(rows.values()))), REAL_ROWS)
        for batch in sorted({1, count}):
            yield f"{batch} real rows", {n: raw_rows(types[n], rows[n][:batch]) for n in types}


def raw_rows(type: Tensor, rows: np.ndarray) -> np.ndarray:
    """Rows as training has them, as the artifact takes them: places become what the classes are called,
    -1 what is none of them."""
    if type.element == "class" and type.classes is not None:
        return raw_labels(type.classes)[rows]
    if type.element == "binary" and type.classes is not None and type.classes.names:
        return np.array(type.classes.names, dtype=object)[rows.astype(np.int64)]
    return rows
