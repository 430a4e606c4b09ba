"""`dlc check`: every error and warning of specs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from dlc.cli.options import set_option
from dlc.cli.terminal_text import say

if TYPE_CHECKING:
    from dlc.compiler.diagnostics.diagnostic import Diagnostic


@click.command(short_help="Find every error in specs.")
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True,
              help="Text for people, or one JSON array for tools.")  # fmt: skip
@set_option
def command(specs: tuple[str, ...], form: str, settings: tuple[tuple[str, Any], ...]) -> None:
    """Find every error in specs, without reading data."""
    sys.exit(1 if check_all(specs, form, dict(settings)) else 0)


def check_all(specs: tuple[str, ...], form: str, params: dict[str, Any]) -> bool:
    """Tell what is wrong with each spec; true if there is an error in one."""
    from dlc.cli import command_errors

    found: list[Diagnostic] = []
    for spec in specs:
        diagnostics, summary = check(spec, params)
        found += diagnostics
        if form == "text":
            command_errors.show(diagnostics, sys.stdout)
            say(summary)
    if form == "json":
        import json

        from dlc.compiler.diagnostics.render import to_json

        click.echo(json.dumps([to_json(d) for d in found], indent=2, ensure_ascii=False))
    elif found:
        click.echo(f"`dlc explain {found[0].code}` explains it, with a corrected spec")
    return any(d.severity == "error" for d in found)


def check(spec: str, params: dict[str, Any]) -> tuple[tuple[Diagnostic, ...], str]:
    """What is wrong with a spec, and one line that sums it up."""
    from dlc.cli.specs import compile_here
    from dlc.compiler.diagnostics.problems import CompileError
    from dlc.compiler.passes.cost import parameters

    try:
        program = compile_here(spec, params)
    except CompileError as error:
        return error.diagnostics, f"{told(error.diagnostics)} in {spec}"
    words = told(program.warnings, "no errors")
    return program.warnings, f"{words} in {spec}: {plural(parameters(program.graph), 'parameter')}"


def told(diagnostics: tuple[Diagnostic, ...], nothing: str = "") -> str:
    """`2 errors and 1 warning`."""
    errors = sum(d.severity == "error" for d in diagnostics)
    warnings = len(diagnostics) - errors
    parts = [plural(errors, "error")] if errors else [nothing] if nothing else []
    return " and ".join([*parts, *([plural(warnings, "warning")] if warnings else [])])


def plural(count: Any, word: str) -> str:
    from dlc.compiler.passes.cost import spell

    return f"{spell(count)} {word}" if count == 1 else f"{spell(count)} {word}s"
