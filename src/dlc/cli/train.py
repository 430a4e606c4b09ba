"""`dlc train`: from a spec to a trained, exported and verified model."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from dlc.cli import seeds as several
from dlc.cli.options import data_option, device_option, log_option, memory_option, set_option, told
from dlc.cli.terminal_text import say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.program import CompiledProgram
    from dlc.program import Program
    from dlc.runtime.resuming import Resumed


@click.command(short_help="Train a spec and export it.")
@click.argument("spec", required=False)
@set_option
@data_option
@click.option("--out", metavar="FOLDER", help="Where run folders are made.  [default: runs]")
@click.option("--resume", metavar="RUN", help="Go on with this run, from the last state that it kept.")
@log_option
@device_option
@memory_option
@several.option
@click.pass_context
def command(
    ctx: click.Context, spec: str | None, settings: tuple[tuple[str, Any], ...], data: str | None,
    out: str | None, resume: str | None, log: tuple[str, ...], device: str, memory: int | None,
    seeds: int | None,
) -> None:  # fmt: skip
    """Read the data, train, export to ONNX, and check that the file equals the trained model.

    A run that ended early, by Ctrl-C or because the machine stopped, goes on with --resume RUN, in the same
    folder and to the same result. Its spec is not needed: the run has it.
    """
    from dlc.cli.command_errors import STOPPED, note, show
    from dlc.cli.sources import source_of
    from dlc.cli.specs import open_spec
    from dlc.runtime.training.interrupt import terminated_as_interrupted

    ctx.with_resource(terminated_as_interrupted())
    if spec is None and resume is None:
        raise click.UsageError("give a spec, or a run with --resume", ctx)
    if resume is not None and out is not None:
        raise click.UsageError("--out is for a new run: a resumed one stays in its folder", ctx)
    if resume is not None and seeds is not None:
        raise click.UsageError("--seeds is for new runs: a resumed one has its seed", ctx)
    resumed, rows = None, source_of(data)
    if resume is not None:
        program, resumed, rows = open_resumed(resume, spec, dict(settings), data)
    else:
        assert spec is not None
        program = open_spec(spec, dict(settings))
    if settings:
        say(f"set: {told(settings)}")
    import torch  # noqa: F401  fails before the data is read, if torch is not installed
    from rich.console import Console

    from dlc.cli.encoding_bar import EncodingBar
    from dlc.runtime import pipeline
    from dlc.runtime.training import progress

    console = Console()
    shown, encoding = progress.Progress(console), EncodingBar(console)
    given = {"data": rows, "out": out, "device": device, "memory": memory, "log": log, "watch": encoding,
             "listeners": (shown,), "warn": lambda found: show(found, sys.stderr), "note": note}  # fmt: skip
    result = None
    try:
        if seeds is not None:
            stopped = several.train(program, seeds, **given)
        else:
            result = pipeline.train(program, resumed=resumed, **given)
            stopped = result.trained is not None and result.trained.was_interrupted
    finally:
        encoding.close()
        shown.close()
    if result is not None:
        report(console, result, program.compiled)
    if stopped:
        sys.exit(STOPPED)


def open_resumed(
    path: str, spec: str | None, settings: Mapping[str, Any], data: str | None
) -> tuple[Program, Resumed, Any]:
    """The program of a run that is resumed, the run, and the source of its rows."""
    from pathlib import Path

    from dlc.cli.sources import source_of
    from dlc.program import resumed_program
    from dlc.runtime.resuming import resumed_at

    resumed = resumed_at(Path(path))
    program = resumed_program(resumed.record, spec, settings)
    say(f"resumed: {resumed.told}")
    return program, resumed, source_of(data) if data else resumed.data


def rows_like(program: CompiledProgram) -> str:
    """A name of rows such as the model was trained on."""
    from dlc.compiler.definitions.file_sources import Audio, Images

    source = program.data.source if program.data else None
    return (
        "photo.jpg"
        if isinstance(source, Images)
        else "voice.wav"
        if isinstance(source, Audio)
        else "rows.csv"
    )


def report(console: Any, result: Any, program: CompiledProgram) -> None:
    """Print the table of metrics, the parity check, the files, what the spec expects of several seeds, and
    the next command."""
    from dlc.runtime.diagnosis import summary
    from dlc.runtime.run_folder import WEIGHTS, has_states, resume_command
    from dlc.runtime.run_writer import epochs_of
    from dlc.runtime.training import progress

    model, folder = os.path.relpath(result.model), os.path.relpath(result.folder)
    exported = result.exported
    trained = result.trained
    epochs = (
        {n: f" ({trained.described(epoch)})" for n, epoch in epochs_of(trained).items()} if trained else {}
    )
    weights = [os.path.join(folder, name) + of for name, of in (epochs or {WEIGHTS: ""}).items()]
    files = [("model", model), *zip(("weights", ""), weights, strict=False)]
    means = [several.needs_seeds(e) for e in program.expectations if e.seeds > 1]
    files += [("" if place else "log", log) for place, log in enumerate(result.logs)]
    files += [("" if place else "expect", mean) for place, mean in enumerate(means)]
    is_cut = trained is not None and trained.was_interrupted
    predict = f"dlc predict {shlex.quote(model)} {rows_like(program)}"
    next = resume_command(folder) if is_cut and has_states(result.folder) else predict
    told = summary(result.diagnosis, folder)
    files += [("diagnosis", told)] if told else []
    progress.summary(console, trained, parity=(str(exported), *exported.excused), files=files, next=next)
