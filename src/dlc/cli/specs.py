"""Specs on the command line: a path, and values of params."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from dlc.compiler import MAX_BYTES, Source, reading
from dlc.compiler.diagnostics.problems import CompileError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from dlc.compiler.program import CompiledProgram, Facts
    from dlc.program import Program

UNREADABLE = "E0001"


def compile_spec(
    path: str, params: Mapping[str, Any] | None = None, *, facts: Facts | None = None
) -> CompiledProgram:
    """The program of the spec at a path; prints its warnings. Messages have the last part of the path."""
    from dlc.cli import command_errors

    program = compile_at(path, os.path.basename(path), os.path.dirname(path), params, facts=facts)
    command_errors.show(program.warnings, sys.stderr)
    return program


def compile_here(path: str, params: Mapping[str, Any] | None = None) -> CompiledProgram:
    """The program of the spec at a path. Messages have the path relative to the working folder, which editors
    and terminals can open."""
    shown = os.path.relpath(path).replace(os.sep, "/") if _same_drive(path) else ".."
    if shown.startswith(".."):
        return compile_at(path, os.path.basename(path), os.path.dirname(path), params)
    return compile_at(path, shown, "", params)


def compile_at(path: str, name: str, folder: str, params: Mapping[str, Any] | None = None,
               *, facts: Facts | None = None) -> CompiledProgram:  # fmt: skip
    from dlc.compiler import compile, reader, tensor_reader, tokenizer_reader

    return compile(read(path, name), params=params, facts=facts, read=reader(folder),
                   type_in=tensor_reader(folder), tokenizer_in=tokenizer_reader(folder))  # fmt: skip


def read(path: str, name: str) -> Source:
    """The text of a spec. An unreadable file is a `CompileError`."""
    return Source(name, text_of(path, content_of(path)))


def content_of(path: str) -> bytes:
    """The bytes of a spec."""
    try:
        content = reading.read(path, MAX_BYTES)
    except FileNotFoundError:
        raise unreadable(path, "does not exist", _nearest(path)) from None
    except OSError as error:
        raise unreadable(path, reading.why(error), _instead(path)) from None
    if path.endswith(".onnx"):
        why = "is an artifact by its name; expected a spec"
        raise unreadable(path, why, "`dlc show` shows the spec in an artifact")
    if (holds := reading.held(path)) not in ("", reading.SPEC):
        raise unreadable(path, f"{holds}; expected a spec", _with_spec(path, holds))
    return content


def text_of(path: str, content: bytes) -> str:
    """The bytes of a spec, decoded."""
    try:
        text = reading.text_of(content)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise unreadable(path, f"is not UTF-8 text (line {line})") from None
    if not text.strip():
        raise unreadable(path, "is empty")
    return text


def unreadable(path: str, why: str, help: str = "") -> CompileError:
    return CompileError.of(UNREADABLE, f"{path} {why}", help=help)


def _nearest(path: str) -> str:
    """A hint with the most similar file name."""
    from dlc.compiler.diagnostics.suggest import did_you_mean

    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        return f"there is no folder {folder}"
    names = [name for name in sorted(os.listdir(folder))[:1000] if name.endswith(".dl")]
    return did_you_mean(os.path.basename(path), names)


def _instead(path: str) -> str:
    """What to write in place of a path that is not a regular file."""
    if os.path.isdir(path):
        return _specs_within(path)
    return "write the spec into a file first" if os.path.exists(path) and not os.path.isfile(path) else ""


def _with_spec(path: str, holds: str) -> str:
    """How to pass a file of rows or weights in addition to a spec."""
    from shlex import quote

    commands = {
        reading.ROWS: f"`dlc train f.dl --data {quote(path)}` trains with them",
        reading.WEIGHTS: f"`dlc export f.dl --weights {quote(path)}` uses them",
    }
    return commands.get(holds, "name a .dl file")


def _specs_within(folder: str) -> str:
    names = [name for name in sorted(os.listdir(folder))[:1000] if name.endswith(".dl")]
    if len(names) > 1:
        return f"write {os.path.join(folder, '*.dl')} for the {len(names)} specs in it"
    return f"write {os.path.join(folder, names[0])} for the spec in it" if names else "name a .dl file"


def _same_drive(path: str) -> bool:
    return os.path.splitdrive(os.path.abspath(path))[0] == os.path.splitdrive(os.getcwd())[0]


def open_spec(path: str, params: Mapping[str, Any], outputs: str | None = None) -> Program:
    """The `Program` of the spec at a path; prints its warnings."""
    from pathlib import Path

    from dlc.cli import command_errors
    from dlc.program import Program

    folder = Path(os.path.dirname(path) or ".")
    program = Program(read(path, os.path.basename(path)), folder, params, outputs=outputs)
    command_errors.show(program.compiled.warnings, sys.stderr)
    return program


def run_named(path: str) -> Path | None:
    """The folder of the run that a path names; None if it names something else."""
    from pathlib import Path

    from dlc.runtime.run_folder import INFO, run_at

    folder = run_at(Path(path))
    return folder if (folder / INFO).is_file() else None


def refuse_set(settings: Collection[Any]) -> None:
    """`UsageError` for `--set` where a run or an artifact is named."""
    if settings:
        raise click.UsageError("--set is for specs: a run keeps what it was trained with")


def open_run(folder: Path, outputs: str | None = None) -> Program:
    """The `Program` of a run, as it was trained."""
    from dlc.program import Program
    from dlc.runtime.run_folder import INFO, latest_in
    from dlc.runtime.run_spec import read_spec

    if not (folder / INFO).is_file():
        help = latest_in(folder).removeprefix("; ") or "one is made by `dlc train`: runs/NAME/TIME"
        raise unreadable(str(folder), "is not a run folder", help)
    spec = read_spec(folder)
    return Program(spec.source, folder, spec.params, spec.facts, spec.read, outputs)
