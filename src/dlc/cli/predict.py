"""`dlc predict`: the outputs of an artifact for rows."""

from __future__ import annotations

from pathlib import Path

import click

from dlc.cli import options
from dlc.cli.terminal_text import pass_on


@click.command(short_help="Predict with an ONNX file.")
@click.argument("model", metavar="MODEL_OR_RUN")
@click.argument("data")
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "json"]),
    default="csv",
    show_default=True,
    help="A table with a heading, or a JSON array.",
)
@click.option("--keep", multiple=True, metavar="COLUMN",
              help="Copy a column of the rows in front of the outputs; may be repeated.")  # fmt: skip
@options.seed
@options.memory_option
@click.option("-o", "--output", metavar="FILE", help="Where to write.  [default: the screen]")
def command(
    model: str, data: str, form: str, keep: tuple[str, ...], seed: int | None, memory: int | None,
    output: str | None,
) -> None:  # fmt: skip
    """Predict the outputs for rows: a csv, parquet or npz file, a picture, a recording or a folder of them,
    an idx folder, a built-in set, or `-` for csv or JSON (an array or lines of objects) on standard input;
    a text file, for a model of `text(...)`. The rows need no targets. A model of windows answers each window
    of the rows; one that decodes continues a text file as a whole. Answers are written as they are computed.
    At the end, the number of values that are not classes of the model is printed on standard error."""
    from dlc.cli import command_errors
    from dlc.cli.answer_texts import as_csv, as_json
    from dlc.cli.sources import files_of_rows, source_of
    from dlc.runtime.artifact import evaluate, load
    from dlc.runtime.artifact.answer_columns import AnswerColumns
    from dlc.runtime.files import spared, writable, writing
    from dlc.runtime.run_folder import model_at, parts_of

    if output is not None:
        spared(writable(output), [*files_of_rows(data), *parts_of(model_at(Path(model)))])
    artifact = load(model)
    found = evaluate.Answers(artifact, source_of(data, stdin=True), keep, seed, memory)
    texts = as_csv(found, AnswerColumns.of(artifact)) if form == "csv" else as_json(found)
    if output is None:
        for text in texts:
            pass_on(text)
    else:
        with writing(output) as file:
            for text in texts:
                file.write(text.encode())
    command_errors.note([*found.notes, *found.rows.unknown_values])
