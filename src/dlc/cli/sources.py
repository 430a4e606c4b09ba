"""Sources of rows on the command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.program import CompiledProgram


def source_of(given: str | None, *, stdin: bool = False) -> Any:
    """A path, if the file or folder exists, else the built-in set of that name. `-` is standard input where
    `stdin` allows it."""
    if given is None:
        return None
    if os.path.exists(given) or (given == "-" and stdin):
        return Path(given)
    from dlc.compiler.definitions.sections import BUILTINS, Builtin

    if given in BUILTINS:
        return Builtin(set=given)
    raise FileNotFoundError(2, "no such file or folder, and no built-in set", given)


def files_of(program: CompiledProgram, folder: str | Path) -> Iterator[Path]:
    """The files of a spec in this folder: spec, imports, rows, initial weights and maps of
    their names, loaded constants."""
    data = program.data
    sources = (data.source, data.validation, data.test) if data else ()
    rows = [source.path for source in sources if hasattr(source, "path")]
    names = [source.name for source in program.sources]
    loads = [load for section in (program.train, *program.train.phases) for load in section.weights]
    names += [path for load in loads for path in (load.path, load.names) if path]
    names += [path for path, _ in program.facts.tensors]
    yield from (Path(folder) / name for name in names)
    yield from (file for path in rows for file in files_of_rows(Path(folder) / path))


def files_of_rows(place: Path) -> Iterator[Path]:
    """The file with the rows, or the idx files of a folder."""
    yield from place.glob("*-ubyte*") if place.is_dir() else [place]
