"""What the training rows tell a program before training: classes, and what operators learn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlc.compiler.sections import Source
from dlc.runtime import data as rows_of

if TYPE_CHECKING:
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


def open_data(face: Face, given: Any) -> Dataset:
    """The rows of a program; its classes are learnt first where the spec leaves them open."""
    source = source_from(given)
    facts = rows_of.facts(face.compiled, face.folder, source=source)
    face.learn(facts)
    return rows_of.load(face.compiled, face.folder, source=source)


def needs_rows(program: Program) -> bool:
    return any(node.operator.learns() for node in program.graph.nodes)


def learnt_weights(
    program: Program, dataset: Dataset, weights: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The weights with what operators learn from the training rows put in."""
    if not needs_rows(program):
        return dict(weights)
    from dlc.runtime.fit import fit

    if dataset.train is None:
        raise ValueError("there are no training rows")
    return fit(program, dataset.train, weights)
