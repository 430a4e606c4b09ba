"""The compiler: text in, program or problems out. No clocks, no printing, no torch or onnx at import."""

from __future__ import annotations

# Plain paths: pathlib alone would take a fiftieth of the time of `dlc check`.
import os
import posixpath
from typing import TYPE_CHECKING, Any

from dlc.compiler import reading
from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.diagnostics.problems import CompileError, Problems
from dlc.compiler.diagnostics.source import MAX_BYTES, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from dlc.compiler.program import CompiledProgram, Facts

__all__ = ["MAX_BYTES", "CompileError", "Diagnostic", "Problems", "Source", "compile", "read_source"]


def compile(source: Source, *, params: Mapping[str, Any] | None = None, facts: Facts | None = None,
            read: Callable[[Source, str], Source] | None = None,
            outputs: str | None = None) -> CompiledProgram:  # fmt: skip
    """Compile a spec; `CompileError` lists every error that can be told apart.

    `params` are values for the spec's params, `facts` what the data told, `read` gives the source of an
    imported path (nothing can be imported without it), `outputs` stands in place of the setting of `export`,
    written as there: `y.logits, h`.
    """
    import dlc.compiler.operators
    import dlc.compiler.training  # noqa: F401
    from dlc.compiler.elaborate import Elaborator
    from dlc.compiler.program import Facts

    return Elaborator(Problems(), params or {}, facts or Facts(), read or no_files, outputs).run(source)


def no_files(importing: Source, path: str) -> Source:
    raise FileNotFoundError(2, "a text has no files beside it")


def read_source(path: str | os.PathLike[str], name: str | None = None) -> Source:
    """The source at a path, under the name that messages show.
    OSError for what is no file, no regular one or too large; UnicodeDecodeError."""
    return Source(name or os.path.basename(path), reading.read_text(path, MAX_BYTES))


def reader(folder: str | os.PathLike[str]) -> Callable[[Source, str], Source]:
    """Reads imported files, each relative to the file that imports it; `folder` is that of the spec."""

    def read(importing: Source, path: str) -> Source:
        within = posixpath.join(posixpath.dirname(importing.name), path)
        return read_source(os.path.join(folder, within), name_of(importing, path))

    return read


def among(sources: Iterable[Source]) -> Callable[[Source, str], Source]:
    """Finds imported files among sources that are there already."""
    held = {source.name: source for source in sources}

    def read(importing: Source, path: str) -> Source:
        name = name_of(importing, path)
        if name not in held:
            raise FileNotFoundError(2, "not among the sources", name)
        return held[name]

    return read


def name_of(importing: Source, path: str) -> str:
    """The name of the source that an import means."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(importing.name), path))
