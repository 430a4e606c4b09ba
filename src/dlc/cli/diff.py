"""`dlc diff`: what differs between two specs, runs or artifacts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from dlc.cli.options import form_option
from dlc.cli.terminal_text import pass_on

if TYPE_CHECKING:
    from dlc.compared import SideBySide
    from dlc.compiler.program import CompiledProgram, Facts


@click.command(short_help="Show what differs between two specs, runs or models.")
@click.argument("before", metavar="SPEC|MODEL_OR_RUN")
@click.argument("after", metavar="SPEC|MODEL_OR_RUN")
@click.option("--all", "whole", is_flag=True, help="Show layers too whose shapes alone differ.")
@form_option
def command(before: str, after: str, whole: bool, form: str) -> None:
    """Compare two specs, runs or ONNX files, in any mix: layers, shapes, parameters, inputs and outputs,
    params and settings, and the figures where both have some. Lines and names of values do not count."""
    from dlc.compared import compare

    comparison = compare(before, after, read_spec)
    if form == "json":
        import json

        click.echo(json.dumps(as_json(comparison), indent=2, ensure_ascii=False))
        return
    from dlc.show.comparison import text

    pass_on(text(comparison, whole=whole))


def read_spec(path: str, facts: Facts | None) -> CompiledProgram:
    from dlc.cli.specs import compile_at, unreadable

    if os.path.isdir(path):
        help = "name a spec, an ONNX file, or a run such as runs/NAME/latest"
        raise unreadable(path, "is a folder and no run", help)
    return compile_at(path, os.path.basename(path), os.path.dirname(path), facts=facts)


def as_json(comparison: SideBySide) -> dict[str, Any]:
    from dataclasses import asdict

    before, after = comparison.before, comparison.after
    sizes = {
        name: [getattr(side, name) for side in (before, after)] for name in ("parameters", "multiply_adds")
    }
    return {
        "before": before.title,
        "after": after.title,
        "differences": [asdict(difference) for difference in comparison.differences],
        **{name: [n if isinstance(n, int) else str(n) for n in both] for name, both in sizes.items()},
        "training": comparison.facts(),
        "figures": comparison.figures(),
    }
