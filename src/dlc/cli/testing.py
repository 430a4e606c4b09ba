"""`dlc test`: train specs and check every `expect`."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dlc.cli.options import device_option

if TYPE_CHECKING:
    from dlc.program import Program as Face
    from dlc.runtime.expectations import Judged


@click.command()
@click.argument("specs", nargs=-1, required=True, metavar="SPEC_OR_FOLDER...")
@device_option
def command(specs: tuple[str, ...], device: str) -> None:
    """Train each spec and check what it expects; without its data, what is known without training."""
    paths = [path for given in specs for path in found(given)]
    failed = sum(not test(path, device) for path in paths)
    passed = len(paths) - failed
    click.echo(f"{passed} of {len(paths)} specs are what they expect" if failed else f"all {passed} specs are what they expect")
    sys.exit(1 if failed else 0)


def found(given: str) -> list[str]:
    """The specs in a folder, those in folders within it too; or the one given."""
    if not os.path.isdir(given):
        return [given]
    paths = sorted(str(p) for p in Path(given).rglob("*.dl"))
    if not paths:
        raise FileNotFoundError(2, "no specs in the folder", given)
    return paths


def test(path: str, device: str) -> bool:
    """Judge one spec and tell it; false if an expectation is not met or the spec is wrong."""
    from dlc.cli import mistakes
    from dlc.cli.specs import open_spec
    from dlc.compiler.diagnostics import CompileError
    from dlc.runtime.expectations import judge

    try:
        face = open_spec(path, {})
        measured, note = measure(face, device)
    except CompileError as error:
        click.echo(f"{path}: {'mistakes' if len(error.diagnostics) > 1 else 'a mistake'}")
        mistakes.show(error.diagnostics, sys.stdout)
        return False
    judged = judge(face.compiled, measured)
    click.echo(f"{path}{': ' + note if note else ''}")
    for one in judged:
        click.echo(f"  {word(one)}  {one.expectation.text}{told(one)}")
    return all(one.met is not False for one in judged)


def measure(face: Face, device: str) -> tuple[dict[str, Any], str]:
    """What is known of the spec, and in words why not all of it is."""
    from dlc.compiler.diagnostics import CompileError
    from dlc.runtime.data import mistakes as of_data
    from dlc.runtime.expectations import needs_training, static_measures, trained_measures

    measured = static_measures(face.compiled)
    if not needs_training(face.compiled):
        return measured, ""
    from dlc.runtime import job

    with tempfile.TemporaryDirectory() as folder:
        try:
            return measured | trained_measures(job.train(face, out=folder, device=device).figures), ""
        except CompileError as error:
            if all(d.code in (of_data.NO_FILE, of_data.NO_SOURCE) for d in error.diagnostics):
                return measured, f"its data is not here ({error.diagnostics[0].message}); only what is known without training is checked"
            raise


def word(one: Judged) -> str:
    return {True: "met    ", False: "NOT MET", None: "unknown"}[one.met]


def told(one: Judged) -> str:
    """The figures found, where they say more than the expectation."""
    if not one.found:
        return ""
    return "   found " + ", ".join(f"{value:.4f}" if isinstance(value, float) else f"{value}" for value in one.found.values())
