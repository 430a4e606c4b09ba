"""Sources of rows on the command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlc.compiler.urls import is_pattern, is_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.program import CompiledProgram


def source_of(given: str | None, *, stdin: bool = False) -> Any:
    """A path, if the file or folder exists or it is a pattern, a URL as text, else the built-in set of that
    name. `-` is standard input where `stdin` allows it."""
    if given is None:
        return None
    if is_url(given):
        return given
    if os.path.exists(given) or is_pattern(given) or (given == "-" and stdin):
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
    yield from (file for path in rows for file in files_of_rows(path, folder))


def files_of_rows(path: str, folder: str | Path = "") -> Iterator[Path]:
    """The files of this machine that a path of rows stands for: one, those that match a pattern, or those of
    a folder with tables or in the format of MNIST. A URL is never opened here."""
    from dlc.runtime.data.sources.tables import local_files

    place = Path(folder) / path
    if place.is_dir():
        yield from place.glob("*-ubyte*")
    yield from local_files(path, Path(folder)) or ([] if is_url(path) else [place])
