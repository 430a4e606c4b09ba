"""Open the rows that a caller gives or that the spec names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from dlc.compiler.definitions.sections import DataSource
from dlc.compiler.passes import specialize
from dlc.compiler.program import Facts
from dlc.compiler.urls import is_url
from dlc.runtime import data as rows_of
from dlc.runtime.data.source import Opened
from dlc.runtime.extras import check_packages
from dlc.runtime.pretrained_vocabularies import vocabularies_of_runs
from dlc.runtime.python_arguments import path_of
from dlc.runtime.training import length_limits

if TYPE_CHECKING:
    from collections.abc import Container

    import numpy as np

    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data import Dataset


class Face(Protocol):
    """What training asks of the program that a caller holds, as `dlc.Program` is one."""

    compiled: CompiledProgram
    folder: Path  # of the spec

    def learn(self, facts: Facts) -> None:
        """Compile again with the classes found in the data."""

    def weights(self, given: Mapping[str, Any] | None = None) -> dict[str, np.ndarray]:
        """Weights by name, the given ones in place of its own."""
        ...

    def with_later_seed(self, later: int) -> Face:
        """The program with the seeds of its training `later` places on."""
        ...


def source_from(given: Any) -> Path | str | DataSource | Opened | None:
    """The source of rows from an argument: a path, a URL, a source definition, a dict of arrays, or a data
    frame. None stands for the source of the spec."""
    if given is None:
        return None
    if is_url(given):
        return str(given)
    if isinstance(given, (str, Path)):
        return path_of(given, "the path of the data")
    if isinstance(given, (DataSource, Opened)):
        return given
    if isinstance(given, Mapping):
        from dlc.runtime.data.sources.arrays import ArraySource

        unnamed = next((name for name in given if not isinstance(name, str)), None)
        if unnamed is not None:
            raise TypeError(f"data is a dict of arrays by their names, and {unnamed!r} is not a name")
        return ArraySource(given)
    from dlc.runtime.data.sources.frames import frame_help, is_frame, open_frame

    if is_frame(given):
        return open_frame(given)
    raise TypeError(
        f"data is a path, a frame or a dict of arrays, not {type(given).__name__}{frame_help(given)}"
    )


def open_data(face: Face, given: Any, fields: Container[str] | None = None) -> Dataset:
    """The rows of a program, optionally restricted to some fields. First finds the classes that the spec
    leaves open (`class(auto)`)."""
    source = source_from(given)
    facts, dataset = rows_of.facts_and_rows(face.compiled, face.folder, source=source, fields=fields)
    face.learn(facts)
    dataset = dataset or rows_of.load(face.compiled, face.folder, source=source, fields=fields)
    length_limits.check(face.compiled, dataset)
    return dataset


def rows_of_run(face: Face, given: Any) -> Dataset | None:
    """The rows that a training reads; None for a spec without trainable weights and without data. Missing
    packages are reported before data is read, and the vocabularies of runs that the spec loads are known."""
    check_packages(face.compiled)
    if known := vocabularies_of_runs(face.compiled, face.folder):
        face.learn(Facts(vocabularies=known))
    program = face.compiled
    has_rows = given is not None or (program.data is not None and program.data.source is not None)
    return open_data(face, given) if has_rows or specialize.trained(program) else None


def unknown_value_notes(dataset: Dataset) -> list[str]:
    """Counts of input values that are missing or not one of their classes, for each part of the split."""
    return [f"{part} rows: {some}" for part, rows in dataset.parts() for some in rows.unknown_values()]
