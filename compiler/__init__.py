"""The compiler: from text to a program or to errors. It does not print, and does not import torch or onnx."""

from __future__ import annotations

# `os.path` instead of pathlib: its import is 2 % of the time of `dlc check`.
import os
import posixpath
from typing import TYPE_CHECKING, Any

from dlc.compiler import reading
from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.diagnostics.problems import CompileError, Problems
from dlc.compiler.diagnostics.source import MAX_BYTES, Source, name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from dlc.compiler.program import CompiledProgram, Facts
    from dlc.compiler.types import Tensor

__all__ = [
    "MAX_BYTES",
    "CompileError",
    "Diagnostic",
    "Problems",
    "Source",
    "compile",
    "name_of",
    "read_source",
]


def compile(source: Source, *, params: Mapping[str, Any] | None = None, facts: Facts | None = None,
            read: Callable[[Source, str], Source] | None = None,
            type_in: Callable[[str, str], Tensor] | None = None,
            tokenizer_in: Callable[[str], str] | None = None,
            outputs: str | None = None) -> CompiledProgram:  # fmt: skip
    """Compile a spec. CompileError lists all independent errors.

    `params` are values for the params of the spec and, by names such as `train.epochs`, for settings of its
    sections; a `str` for a setting is an expression of the language. `facts` are properties of the files that
    the spec names. `read` returns the source of an imported path; without it there are no imports. `type_in`
    returns the type of a tensor of a file, for a path relative to the spec and its name; without it only
    those in `facts` are known. `tokenizer_in` returns the text of a tokenizer at such a path. `outputs`
    replaces the setting of `export`, in the same syntax: `y.logits, h`.
    """
    import dlc.compiler.operators
    import dlc.compiler.training  # noqa: F401
    from dlc.compiler.elaborate import Elaborator
    from dlc.compiler.program import Facts

    files = read or no_files, type_in or no_tensors, tokenizer_in or no_tokenizers
    return Elaborator(Problems(), params or {}, facts or Facts(), *files, outputs).run(source)


def no_files(importing: Source, path: str) -> Source:
    raise FileNotFoundError(2, "a spec that is given as text cannot import files")


def no_tensors(path: str, name: str) -> Tensor:
    raise FileNotFoundError(2, "there is no such file", path)


def no_tokenizers(path: str) -> str:
    raise FileNotFoundError(2, "there is no such file", path)


def tokenizer_reader(folder: str | os.PathLike[str]) -> Callable[[str], str]:
    """A function that reads tokenizers; `folder` is that of the spec."""

    def tokenizer_in(path: str) -> str:
        from dlc.compiler import tokenizer_files

        return tokenizer_files.read(os.path.join(folder, path))

    return tokenizer_in


def tensor_reader(folder: str | os.PathLike[str]) -> Callable[[str, str], Tensor]:
    """A function that reads the types of tensors in files; `folder` is that of the spec."""

    def type_in(path: str, name: str) -> Tensor:
        from dlc.compiler import tensor_files

        return tensor_files.type_in(os.path.join(folder, path), name)

    return type_in


def read_source(path: str | os.PathLike[str], name: str | None = None) -> Source:
    """The source at a path, with the name that messages show.
    OSError for a missing file, one that is not regular, or one that is too large; UnicodeDecodeError."""
    return Source(name or os.path.basename(path), reading.read_text(path, MAX_BYTES))


def reader(folder: str | os.PathLike[str]) -> Callable[[Source, str], Source]:
    """A function that reads imported files, relative to the importing file; `folder` is that of the spec."""

    def read(importing: Source, path: str) -> Source:
        within = posixpath.join(posixpath.dirname(importing.name), path)
        return read_source(os.path.join(folder, within), name_of(importing, path))

    return read


def among(sources: Iterable[Source]) -> Callable[[Source, str], Source]:
    """A function that finds imported files in a collection of sources."""
    held = {source.name: source for source in sources}

    def read(importing: Source, path: str) -> Source:
        name = name_of(importing, path)
        if name not in held:
            raise FileNotFoundError(2, "not among the sources", name)
        return held[name]

    return read
