"""`dlc predict`: the outputs of an artifact for rows."""

from __future__ import annotations

import csv
import io
import json
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dlc.cli import options
from dlc.cli.terminal_text import pass_on

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    import numpy as np

    Rows = np.ndarray | list[np.ndarray]  # of an output; a list if they differ in length


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
@click.option("-o", "--output", metavar="FILE", help="Where to write.  [default: the screen]")
def command(
    model: str, data: str, form: str, keep: tuple[str, ...], seed: int | None, output: str | None
) -> None:
    """Predict the outputs for rows: a csv, parquet or npz file, an idx folder, a built-in set, or `-` for csv
    or JSON (an array or lines of objects) on standard input; a text file, for a model of `text(...)`. The
    rows need no targets. A model of windows answers each window of the rows; one that decodes continues a
    text file as a whole. The number of values that are
    not classes of the model is printed on standard error."""
    from dlc.cli import command_errors
    from dlc.cli.sources import files_of_rows, source_of
    from dlc.compiler.output_kinds import kind_of
    from dlc.runtime.artifact import evaluate, load
    from dlc.runtime.files import spared, writable, write
    from dlc.runtime.run_folder import model_at, parts_of

    if output is not None:
        spared(writable(output), [*files_of_rows(Path(data)), *parts_of(model_at(Path(model)))])
    artifact = load(model)
    predicted = evaluate.predict(artifact, source_of(data, stdin=True), keep, seed)
    kept, answers = predicted.kept, predicted.answers
    command_errors.note([*predicted.notes, *predicted.unknown_values])
    names = {
        answer: type.classes.names
        for output, type in artifact.outputs.items()
        if type.element == "class" and type.classes and type.classes.names
        for answer in kind_of(type).answer_names(output)[1:]
    }
    if form == "csv":
        sequences = [
            answer
            for output, type in artifact.outputs.items()
            if type.free_axis is not None
            for answer in kind_of(type).answer_names(output)
        ]
        answers = columns(answers, names, sequences)
        kept = columns(kept, {})
    if taken := next((name for name in kept if name in answers), ""):
        command_errors.refuse(f'"{taken}" cannot be kept: an output of the model has this name',
                              "give the column another name in the rows")  # fmt: skip
    text = as_json({**kept, **answers}) if form == "json" else as_csv(kept, answers)
    if output is None:
        pass_on(text)
    else:
        write(output, text.encode())


def columns(
    answers: Mapping[str, Rows], names: dict[str, tuple[str, ...]], sequences: Container[str] = ()
) -> dict[str, np.ndarray]:
    """One column for each value of a row: `species`, `species_probabilities.setosa`, `code.3`.
    `names` has the class names of each output of probabilities. A row of one of the `sequences` may have any
    length: it is one cell, a JSON list."""
    import numpy as np

    found: dict[str, np.ndarray] = {}
    for name, rows in answers.items():
        if name in sequences:
            found[name] = np.fromiter(map(as_cell, rows), object)
            continue
        array = np.asarray(rows)
        if array.ndim == 1:
            found[name] = array
            continue
        flat = array.reshape(len(array), prod(array.shape[1:]))
        of = names.get(name) if array.ndim == 2 else None
        labels = of if of and len(of) == flat.shape[1] else range(flat.shape[1])
        found |= {f"{name}.{label}": flat[:, i] for i, label in enumerate(labels)}
    return found


def as_cell(row: Any) -> str:
    """A text as it is, an array as a JSON list."""
    return row if isinstance(row, str) else json.dumps(rounded(row.tolist()))


def rounded(value: Any) -> Any:
    """A number, or nested lists of numbers, with the digits of float32."""
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.7g}") if isinstance(value, float) else value


def as_csv(kept: Mapping[str, np.ndarray], answers: Mapping[str, Any]) -> str:
    """A table with a heading: the columns of the rows, and the answers."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*kept, *answers])
    cells = [map(spelled_exactly, column.tolist()) for column in kept.values()]
    cells += [map(spelled, column.tolist()) for column in answers.values()]
    writer.writerows(zip(*cells, strict=True))
    return text.getvalue()


def spelled(value: Any) -> Any:
    """Floats with the digits of float32."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.7g}" if isinstance(value, float) else value


def spelled_exactly(value: Any) -> Any:
    """Floats with all digits; a missing value is an empty cell."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else value


def listed(rows: Rows) -> list[Any]:
    return [row.tolist() for row in rows] if isinstance(rows, list) else rows.tolist()


def as_json(answers: Mapping[str, Rows]) -> str:
    lists = {name: listed(rows) for name, rows in answers.items()}
    count = len(next(iter(lists.values())))
    return (
        json.dumps([{name: values[i] for name, values in lists.items()} for i in range(count)], indent=1)
        + "\n"
    )
