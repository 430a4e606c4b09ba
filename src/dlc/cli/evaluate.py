"""`dlc eval`: the metrics of an artifact on rows."""

from __future__ import annotations

import json

import click

from dlc.cli import options
from dlc.cli.terminal_text import say


@click.command(short_help="Measure an ONNX file on data.")
@click.argument("model", metavar="MODEL_OR_RUN")
@click.argument("data")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="A table, or JSON.",
)
@options.seed
@options.memory_option
def command(model: str, data: str, form: str, seed: int | None, memory: int | None) -> None:
    """Compute the metrics of an ONNX file on rows with targets: a csv, parquet or npz file, a folder of
    pictures, an idx folder, a built-in set, or `-` for csv or JSON on standard input."""
    from dlc.cli import command_errors
    from dlc.cli.sources import source_of
    from dlc.compiler.urls import without_secrets
    from dlc.runtime.artifact import evaluate, load

    found = evaluate.evaluate(load(model), source_of(data, stdin=True), seed, memory)
    command_errors.note([*found.notes, *found.unknown_values])
    if form == "json":
        from dlc.runtime.run_folder import records
        from dlc.runtime.training.history import plain

        click.echo(json.dumps({"rows": found.rows, **plain(found.figures), **records(found.tables)}))
        return
    from dlc.runtime.data.data_errors import counted
    from dlc.runtime.training.progress import grid, number

    say(f"{counted(found.rows, found.what)} of {'standard input' if data == '-' else without_secrets(data)}")
    width = max(map(len, found.figures), default=0)
    for name, value in found.figures.items():
        say(f"{name:{width}}  {number(value)}")
    for name, counts in found.tables.items():
        say("\n".join(["", *grid(name, counts, "`--format json` gives it")]))
