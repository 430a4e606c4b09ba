"""The compiler: text in, program or problems out. No clocks, no printing, no torch or onnx at import."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from dlc.compiler.diagnostics import CompileError, Diagnostic, Problems
from dlc.compiler.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dlc.compiler.program import Facts, Program

MAX_BYTES = 1_000_000

__all__ = ["CompileError", "Diagnostic", "Problems", "Source", "compile", "read_source"]


def compile(source: Source, *, params: Mapping[str, Any] | None = None, facts: Facts | None = None,
            read: Callable[[Source, str], Source] | None = None) -> Program:  # fmt: skip
    """Compile a spec; `CompileError` lists every mistake that can be told apart.

    `params` are values for the spec's params, `facts` what the data told, `read` gives the source of an
    imported path (nothing can be imported without it).
    """
    import dlc.compiler.operators
    import dlc.compiler.training  # noqa: F401
    from dlc.compiler.elaborate import Elaborator
    from dlc.compiler.program import Facts

    return Elaborator(Problems(), params or {}, facts or Facts(), read or no_files).run(source)


def no_files(importing: Source, path: str) -> Source:
    raise FileNotFoundError(2, "a text has no files beside it")


def read_source(path: Path, name: str | None = None) -> Source:
    """The source at a path, under the name that messages show. Raises OSError and UnicodeDecodeError."""
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path.name} is larger than {MAX_BYTES:_} bytes")
    return Source(name or path.name, path.read_text(encoding="utf-8-sig"))


def reader(folder: Path) -> Callable[[Source, str], Source]:
    """Reads imported files, each relative to the file that imports it; `folder` is that of the spec."""

    def read(importing: Source, path: str) -> Source:
        within = PurePosixPath(importing.name).parent / path
        return read_source(folder / within, normal(within))

    return read


def normal(path: PurePosixPath) -> str:
    """A path without `.` and, where they cancel, `..`."""
    import posixpath

    return posixpath.normpath(str(path))
