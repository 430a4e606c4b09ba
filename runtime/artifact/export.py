"""From a program and its weights to a proved artifact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.diagnostics import CompileError
from dlc.compiler.format import laid_out
from dlc.compiler.lower.weights import check_given, check_known
from dlc.compiler.passes import forms
from dlc.runtime.artifact.compare import TOLERANCE
from dlc.runtime.artifact.contents import look_at
from dlc.runtime.artifact.metadata import UNSEALED, describe
from dlc.runtime.artifact.parity import Parity
from dlc.runtime.artifact.proof import BATCH, record
from dlc.runtime.artifact.samples import POSITIVE, UNKNOWN, free_sizes, sample, sized
from dlc.runtime.artifact.seal import seal
from dlc.runtime.artifact.write import onnx_model, raw_types, save, staged
from dlc.runtime.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from dlc.compiler.ir import Graph
    from dlc.compiler.program import Program
    from dlc.compiler.types import Tensor

BATCHES = (1, 2, 7)
REAL_ROWS = 64


@dataclass(frozen=True)
class Exported:
    """What was written: the path, its size, the worst difference from torch, and what was compared."""

    path: Path
    bytes: int
    worst: float
    batches: int


def export(program: Program, weights: Mapping[str, np.ndarray], path: Path, *,
           rows: Mapping[str, np.ndarray] | None = None, figures: Mapping[str, Any] | None = None,
           fingerprint: str = "", columns: Mapping[str, Any] | None = None) -> Exported:  # fmt: skip
    """Prove the artifact equal to the torch module on random and on real rows, then write it.

    `rows` are raw rows of the data, `figures` what training measured,
    `columns` what the data filled fields from.
    """
    program.check_answers()
    check_known(program.graph, weights)
    check_given(program.graph, weights)
    graph = forms.inference(program)
    types = raw_types(program, graph)
    metadata = describe(program, laid_out(program.source), types, columns)
    metadata.figures, metadata.fingerprint = dict(figures or {}), fingerprint
    batches = list(comparisons(graph, types, rows, program.train.seed))
    artifact = onnx_model(program, graph, weights, {})
    with staged(path) as place:
        save(artifact, place)
        parity = Parity(program, graph, weights, place)
        worst = max(parity.hold(what, raw).worst for what, raw in batches)
        compared = [what for what, _ in batches]
        metadata.parity = {"worst": worst, "tolerance": TOLERANCE, "batches": compared}
        metadata.proof = record(parity, sized(types, free_sizes(graph)[0]), program.train.seed)
        metadata.digest = UNSEALED
        artifact.metadata_props.update(metadata.texts())
        save(artifact, place)
        seal(place)
        check_openable(place, program)
        size = sum(file.stat().st_size for file in place.parent.iterdir())
    return Exported(path, size, worst, len(batches))


def check_openable(place: Path, program: Program) -> None:
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
    """Rows as training has them, as the artifact takes them: class numbers become names,
    -1 one that is none."""
    if type.element in ("class", "binary") and type.classes is not None and type.classes.names:
        return np.array((*type.classes.names, UNKNOWN), dtype=object)[rows.astype(np.int64)]
    return rows
