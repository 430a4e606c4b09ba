"""`dlc train`: from a spec to a trained, exported and verified model."""

from __future__ import annotations

import os
import shlex
import sys
from typing import Any

import click

from dlc.cli.options import data_option, device_option, set_option, told
from dlc.cli.terminal_text import say


@click.command(short_help="Train a spec and export it.")
@click.argument("spec")
@set_option
@data_option
@click.option("--out", metavar="FOLDER", help="Where run folders are made.  [default: runs]")
@device_option
def command(
    spec: str, settings: tuple[tuple[str, Any], ...], data: str | None, out: str | None, device: str
) -> None:
    """Read the data, train, export to ONNX, and check that the file equals the trained model."""
    from dlc.cli.command_errors import STOPPED, note, show
    from dlc.cli.sources import source_of
    from dlc.cli.specs import open_spec

    program = open_spec(spec, dict(settings))
    if settings:
        say(f"set: {told(settings)}")
    import torch  # noqa: F401  fails before the data is read, if torch is not installed
    from rich.console import Console

    from dlc.runtime import pipeline
    from dlc.runtime.training import progress

    console = Console()
    shown = progress.Progress(console)
    try:
        result = pipeline.train(program, data=source_of(data), out=out, device=device, listeners=(shown,),
                           warn=lambda found: show(found, sys.stderr), note=note)  # fmt: skip
    finally:
        shown.close()
    report(console, result)
    if result.trained and result.trained.ended == "interrupted":
        sys.exit(STOPPED)


def report(console: Any, result: Any) -> None:
    """Print the table of metrics, the parity check, the files, and the next command."""
    from dlc.runtime.run_folder import WEIGHTS, epochs_of
    from dlc.runtime.training import progress

    model, folder = os.path.relpath(result.model), os.path.relpath(result.folder)
    exported = result.exported
    parity = f"torch and ONNX Runtime agree to {exported.worst:.1e} on {exported.batches} batches"
    trained = result.trained
    epochs = (
        {n: f" ({trained.described(epoch)})" for n, epoch in epochs_of(trained).items()} if trained else {}
    )
    weights = [os.path.join(folder, name) + of for name, of in (epochs or {WEIGHTS: ""}).items()]
    files = [("model", model), *zip(("weights", ""), weights, strict=False)]
    progress.summary(
        console,
        trained,
        parity=(parity, *exported.excused),
        files=files,
        next=f"dlc predict {shlex.quote(model)} rows.csv",
    )
