"""What the training rows tell a program before training: classes, and what operators learn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlc.compiler.passes.extension import prune
from dlc.compiler.sections import Source
from dlc.runtime import data as rows_of
from dlc.runtime import lengths

if TYPE_CHECKING:
    from collections.abc import Container

    import numpy as np

    from dlc.compiler.program import Program
    from dlc.program import Program as Face
    from dlc.runtime.data import Dataset
    from dlc.runtime.data.source import Opened


def source_from(given: Any) -> Path | Source | Opened | None:
    """What a caller may name as rows: a path, a source as a spec has it, a dict of arrays,
    or none for that of the spec."""
    if given is None:
        return None
    if isinstance(given, (str, Path)):
        return Path(given)
    if isinstance(given, Source):
        return given
    if isinstance(given, Mapping):
        from dlc.runtime.data.sources.arrays import Arrays

        return Arrays(given)
    raise TypeError(f"data is a path or a dict of arrays, not {type(given).__name__}")


def open_data(face: Face, given: Any, fields: Container[str] | None = None) -> Dataset:
    """The rows of a program, only some fields of them if those are given; its classes are
    learnt first where the spec leaves them open."""
    source = source_from(given)
    face.learn(rows_of.facts(face.compiled, face.folder, source=source, fields=fields))
    dataset = rows_of.load(face.compiled, face.folder, source=source, fields=fields)
    lengths.check(face.compiled, dataset)
    return dataset


def fields_to_fit(program: Program, given: Mapping[str, Any]) -> set[str]:
    """What fitting reads, and what else is there to check: other arrays may be missing."""
    graph = program.graph
    flowing = {str(i): v for i, n in enumerate(graph.nodes) if n.operator.learns() for v in n.operands}
    read = {v.name for v in prune(graph, flowing).inputs}
    read |= {field.name for field in rows_of.wanted_by(program) if field.learns}
    return {*given, *read, *([program.data.stratify] if program.data and program.data.stratify else [])}


def needs_rows(program: Program) -> bool:
    return any(node.operator.learns() for node in program.graph.nodes)


def learnt_weights(
    program: Program, dataset: Dataset, weights: Mapping[str, np.ndarray], known: Container[str] = ()
) -> dict[str, np.ndarray]:
    """The weights with what operators learn from the training rows put in, where it is not known."""
    if not needs_rows(program):
        return dict(weights)
    from dlc.runtime.fit import fit

    if dataset.train is None:
        raise ValueError("there are no training rows")
    return fit(program, dataset.train, weights, known)
