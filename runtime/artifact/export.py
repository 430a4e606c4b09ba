"""Export: from a program and its weights to a verified artifact."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.definitions.export_section import RUNTIMES
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.format.formatter import laid_out
from dlc.compiler.lower.given_weights import accept, weights_of
from dlc.compiler.lower.initial_weights import check_known
from dlc.compiler.passes import specialize
from dlc.runtime.artifact.compare import TOLERANCE
from dlc.runtime.artifact.digest import seal
from dlc.runtime.artifact.equal_lengths import equally_long
from dlc.runtime.artifact.metadata import UNSEALED, describe
from dlc.runtime.artifact.model_scan import scan
from dlc.runtime.artifact.parity import Comparison, Parity, rows_of
from dlc.runtime.artifact.proof import BATCH, record
from dlc.runtime.artifact.samples import (
    POSITIVE,
    free_sizes,
    limits_of,
    longest_rows,
    sample,
    sized,
    within_limits,
)
from dlc.runtime.artifact.write import in_memory, length_dims, onnx_model, opsets, raw_types, save, staged
from dlc.runtime.class_labels import raw_rows
from dlc.runtime.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dlc.compiler.ir.graph import Graph
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.types import Tensor

BATCHES = (1, 2, 7, 0)  # 0 last: an error in all batch sizes is reported where there are values
REAL_ROWS = 64
REAL_GROUPS = 8  # groups of real rows of equal length


@dataclass(frozen=True)
class ExportResult:
    """The written artifact: its path and size, the largest difference from torch, the number of compared
    batches, and descriptions of the rows that the comparison left out."""

    path: Path
    bytes: int
    worst: float
    batches: int
    excused: tuple[str, ...] = ()

    def __str__(self) -> str:
        """`torch and ONNX Runtime agree to 1.2e-07 on 7 batches`."""
        return f"torch and ONNX Runtime agree to {self.worst:.1e} on {self.batches} batches"


def export(program: CompiledProgram, weights: Mapping[str, np.ndarray], path: Path, *,
           rows: Mapping[str, np.ndarray] | None = None, figures: Mapping[str, Any] | None = None,
           fingerprint: str = "", columns: Mapping[str, Any] | None = None,
           units: Mapping[str, str] | None = None) -> ExportResult:  # fmt: skip
    """Compare the artifact with the torch module on random and real rows, then write it.

    `rows` are rows of the data, `figures` those of the training, and `columns` the columns of the data that
    filled each field, and `units` what its texts were cut into.
    """
    program.check_answers()
    check_runtime(program)
    check_known(program.graph, weights)
    weights = accept(weights_of(program.graph), weights)
    graph = specialize.inference(program)
    types = raw_types(program, graph)
    lengths = length_dims(program, graph)
    metadata = describe(program, graph, laid_out(program.source), types, columns, lengths, units)
    metadata.figures, metadata.fingerprint = dict(figures or {}), fingerprint
    batches = list(comparisons(graph, types, rows, program.train.seed, lengths))
    artifact = onnx_model(program, graph, weights, {})
    with staged(path) as place:
        save(artifact, place)
        parity = Parity(program, graph, weights, place)
        results = [parity.check(what, raw) for what, raw in batches]
        worst, compared = max(r.worst for r in results), [what for what, _ in batches]
        excused = describe_excused(results, sum(rows_of(raw) for _, raw in batches))
        metadata.parity = {
            "worst": worst, "tolerance": TOLERANCE, "batches": compared, "excused": list(excused),
        }  # fmt: skip
        known = sized(types, free_sizes(graph)[0])
        metadata.proof = record(parity, known, program.train.seed, longest_rows(lengths, types, known))
        metadata.digest = UNSEALED
        artifact.metadata_props.update(metadata.texts())
        save(artifact, place)
        seal(place)
        check_openable(place, program)
        size = sum(file.stat().st_size for file in place.parent.iterdir())
    return ExportResult(path, size, worst, len(batches), excused)


def dry_run(program: CompiledProgram, weights: Mapping[str, np.ndarray]) -> None:
    """Export these weights to memory and compare the artifact with torch on one row, before they are trained.
    Raises the errors of `export`; writes no file."""
    program.check_answers()
    check_runtime(program)
    graph = specialize.inference(program)
    lengths = length_dims(program, graph)
    what, raw = next(comparisons(graph, raw_types(program, graph), None, program.train.seed, lengths))
    with in_memory(onnx_model(program, graph, weights, {})) as model:
        Parity(program, graph, weights, model).check(f"{what}, before training", raw)


def check_runtime(program: CompiledProgram) -> None:
    """The installed ONNX Runtime has to run the artifact before it is written."""
    import onnxruntime

    opset = opsets(program)[0]
    needed = next(version for version, own, *_ in RUNTIMES if own == opset)
    installed = onnxruntime.__version__
    if tuple(map(int, installed.split(".")[:2])) < needed:
        spans = program.export.spans
        at = spans.get("opset", spans.get("target"))
        message = (
            f"an artifact of opset {opset} runs in onnxruntime {'.'.join(map(str, needed))} and newer, and "
        )
        message += f"{installed} is installed"
        help = (
            "install a newer onnxruntime, which runs the artifact before it is written, or lower the target"
        )
        raise CompileError.of("E0815", message, at, help=help)


def describe_excused(results: Iterable[Comparison], rows: int) -> tuple[str, ...]:
    """Descriptions of the rows that the comparison left out, the most frequent reason first."""
    counts = sum((Counter(r.excused) for r in results), Counter())
    return tuple(f"{count} of {rows} rows are left out: {excuse}" for excuse, count in counts.most_common())


def check_openable(place: Path, program: CompiledProgram) -> None:
    """Refuse to write an artifact that `dlc.load` would not open."""
    try:
        scan(place)
    except ArtifactError as error:
        why = str(error).removeprefix(f"{place} ")
        help = "docs/artifact.md tells the limits: take fewer layers, or shorter names of classes"
        raise CompileError.of("E0902", f"the artifact of {program.name} {why}", help=help) from None


def comparisons(
    graph: Graph,
    types: Mapping[str, Tensor],
    rows: Mapping[str, np.ndarray] | None,
    seed: int,
    lengths: Mapping[str, str],
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """The batches to compare on: random inputs with several batch sizes and lengths, and real rows."""
    seeds = [v.name for v in graph.inputs if v.kind == "seed"]
    for free in free_sizes(graph):
        sizes = "".join(f", {n} = {size}" for n, size in free.items())
        known = sized(types, free)
        longest = longest_rows(lengths, types, known)
        for batch in BATCHES:
            raw = sample(known, batch, seed + batch, longest=longest)
            yield f"{batch} random rows{sizes}", raw | {name: np.array(seed + batch) for name in seeds}
        if any(type.is_float for type in types.values()):
            raw = sample(known, BATCH, seed, POSITIVE, longest)
            yield f"{BATCH} random rows of positive numbers{sizes}", raw
    if rows and set(types) <= set(rows):
        own = {} if lengths else {name: rows[name] for name in rows if name not in types}
        count = min(len(next(iter(rows.values()))), REAL_ROWS)
        limits = limits_of(graph.nodes, types)
        for some in equally_long(types, own, count)[:REAL_GROUPS]:
            real = {name: raw_rows(type, within_limits(type, some.cut(name, type, rows[name]), limits))
                    for name, type in types.items()}  # fmt: skip
            for batch in sorted({1, len(some.rows)}):
                yield f"{batch} real rows", {name: array[:batch] for name, array in real.items()}
