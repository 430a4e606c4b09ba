"""`dlc eval`: an artifact's metrics on data."""

from __future__ import annotations

import json

import click

from dlc.cli.saying import say


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
def command(model: str, data: str, form: str) -> None:
    """Measure an ONNX file on rows with targets: a csv, parquet or npz file, an idx folder,
    or a built-in set."""
    from dlc.cli import mistakes
    from dlc.cli.sources import source_of
    from dlc.runtime import evaluate
    from dlc.runtime.artifact import load

    found = evaluate.evaluate(load(model), source_of(data))
    mistakes.note(found.outside)
    if form == "json":
        from dlc.runtime.history import plain
        from dlc.runtime.runs import records

        click.echo(json.dumps({"rows": found.rows, **plain(found.figures), **records(found.tables)}))
        return
    from dlc.runtime.progress import grid, number

    say(f"{found.rows} rows of {data}")
    width = max(map(len, found.figures), default=0)
    for name, value in found.figures.items():
        say(f"{name:{width}}  {number(value)}")
    for name, counts in found.tables.items():
        say("\n".join(["", *grid(name, counts, "`--format json` gives it")]))
