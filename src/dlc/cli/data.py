"""`dlc data`: what the rows look like to a spec, before it is trained."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from dlc.cli.options import data_option, memory_option, set_option
from dlc.cli.terminal_text import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.diagnostics.diagnostic import Diagnostic
    from dlc.program import Program
    from dlc.runtime.data import Dataset
    from dlc.runtime.data_summary import Summary

PARTS = ("train", "validation", "test")
# Figures that each field has, also if they are 0.
KEPT = ("name", "role", "type", "values", "missing", "min", "max", "mean", "std")
KEYS = {"low": "min", "high": "max", "deviation": "std"}


@click.command(short_help="Show what the data looks like to a spec.")
@click.argument("spec")
@set_option
@data_option
@memory_option
@click.option("--part", type=click.Choice(PARTS), help="Only the rows of one part of the split.")
@click.option("--columns", "each_column", is_flag=True, help="List each column of a vector too.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True,
              help="A table, or JSON.")  # fmt: skip
def command(spec: str, settings: tuple[tuple[str, Any], ...], data: str | None, memory: int | None,
            part: str | None, each_column: bool, form: str) -> None:  # fmt: skip
    """Read the data as training does, and show for each input and target its range, mean, missing and
    distinct values, classes and lengths, how the rows are split, and what is suspicious. Nothing is
    trained."""
    from dlc.cli import command_errors
    from dlc.cli.sources import source_of
    from dlc.cli.specs import open_spec
    from dlc.runtime.data import bounds
    from dlc.runtime.data_summary import summaries
    from dlc.runtime.open_rows import rows_of_run, unknown_value_notes

    program = open_spec(spec, dict(settings))
    with bounds.allowed(memory):
        dataset = rows_of_run(program, source_of(data))
    if dataset is None:
        command_errors.refuse(f"{spec} has no data", "`dlc data f.dl --data rows.csv` reads a file")
    parts = [rows for name, rows in dataset.parts() if part in (None, name)]
    if not parts:
        command_errors.refuse(f"there are no {part} rows", f"`{part} = 0.2` in `data` keeps some")
    found = [*summaries(program.compiled, parts, dataset.columns, each_column=each_column)]
    command_errors.note([*dataset.notes, *unknown_value_notes(dataset)])
    report = print_json if form == "json" else print_text
    report(program, dataset, found, part)


def print_text(program: Program, dataset: Dataset, found: Sequence[Summary], part: str | None) -> None:
    """The rows of each part, the table, and the warnings."""
    from rich.console import Console

    from dlc.cli import command_errors
    from dlc.compiler.diagnostics.quoting import printable
    from dlc.show.data_table import lines, rows_of_parts

    for line in rows_of_parts(dataset, part):
        say(line)
    say()
    console = Console()
    for place, line in enumerate(lines(found, console.width if console.is_terminal else None)):
        style = None if place else "bold"
        console.print(printable(line), style=style, highlight=False, markup=False, soft_wrap=True)
    warned = warnings(program, dataset)
    if warned:
        say()
        command_errors.show(warned, sys.stdout)
        say(f"`dlc explain {warned[0].code}` explains it, with a corrected spec")


def print_json(program: Program, dataset: Dataset, found: Sequence[Summary], part: str | None) -> None:
    """Everything as one JSON object."""
    from dlc.compiler.diagnostics.render import to_json
    from dlc.runtime.lints.overlap import overlaps

    repeated = {f"{one.part} in {one.other}": one.equal for one in overlaps(dataset)}
    made = {
        "rows": {name: rows.count for name, rows in dataset.parts()},
        "repeated": repeated,
        "part": part or "all",
        "fields": [record(one) for one in found],
        "notes": [*dataset.notes],
        "warnings": [to_json(d) for d in warnings(program, dataset)],
    }
    click.echo(json.dumps(made, indent=2, ensure_ascii=False, allow_nan=False))


def warnings(program: Program, dataset: Dataset) -> list[Diagnostic]:
    """The warnings that training gives too, without those that need torch."""
    from dlc.runtime.lints import run_lints

    return run_lints(program.compiled, dataset)


def record(one: Summary) -> dict[str, Any]:
    """The figures that a field has."""
    figures = {KEYS.get(name, name): value for name, value in vars(one).items() if value is not None}
    made = {name: value for name, value in figures.items() if value or name in KEPT}
    if one.many:
        made["more_than"] = made.pop("distinct")
        del made["many"]
    if one.classes:
        made["classes"] = [
            {"class": label, "count": count, "share": count / sum(one.classes.values())}
            for label, count in one.classes.items()
        ]
    if one.lengths is not None:
        made["lengths"] = vars(one.lengths)
    if one.columns:
        made["columns"] = [record(column) for column in one.columns]
    return made
