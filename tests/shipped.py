"""The specs of the project, each compiled once in a process for the tests of every spec."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import dlc
from dlc.cli.emit import with_classes
from dlc.compiler import compile, read_source, reader, tensor_reader

if TYPE_CHECKING:
    from dlc.compiler.program import CompiledProgram

SPECS = Path(__file__).parents[1] / "specs"


@cache
def compiled(spec: Path) -> CompiledProgram:
    """The program of a spec, without the classes of its rows."""
    return compile(read_source(spec), read=reader(spec.parent), type_in=tensor_reader(spec.parent))


@cache
def program_of(name: str) -> CompiledProgram:
    """The spec of this name, with the classes of its rows, as `dlc emit` compiles it."""
    return with_classes(dlc.compile(SPECS / f"{name}.dl"))
