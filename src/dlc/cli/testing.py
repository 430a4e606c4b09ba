"""`dlc test`: train specs and check every `expect`."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dlc.cli.options import device_option
from dlc.cli.terminal_text import say
from dlc.compiler.passes.cost import spell

if TYPE_CHECKING:
    from dlc.program import Program as Face
    from dlc.runtime.expectations import CheckedExpectation


@click.command(short_help="Check what specs expect.")
@click.argument("specs", nargs=-1, required=True, metavar="SPEC_OR_FOLDER...")
@device_option
def command(specs: tuple[str, ...], device: str) -> None:
    """Train each spec and check what it expects; without its data, what is known without training."""
    paths = [path for given in specs for path in found(given)]
    failed = sum(not test(path, device) for path in paths)
    if len(paths) == 1:
        say(f"the spec {'is not' if failed else 'is'} what it expects")
    else:
        passed = f"{len(paths) - failed} of {len(paths)}" if failed else f"all {len(paths)}"
        say(f"{passed} specs are what they expect")
    sys.exit(1 if failed else 0)


def found(given: str) -> list[str]:
    """The specs in a folder, those in folders within it too but for the folders of runs; or the one given."""
    from dlc.cli.command_errors import refuse

    if not os.path.isdir(given):
        return [given]
    paths = sorted(str(p) for p in Path(given).rglob("*.dl") if not in_run(p, Path(given)))
    if not paths:
        refuse(f"there are no specs in the folder {given}")
    return paths


def in_run(path: Path, folder: Path) -> bool:
    """Whether a file below the folder belongs to a run, which keeps the specs that it was made from."""
    from dlc.runtime.run_folder import INFO

    return any((p / INFO).is_file() for p in path.parents if p != folder and p.is_relative_to(folder))


def test(path: str, device: str) -> bool:
    """Judge one spec and tell it; false if an expectation is not met or the spec is wrong."""
    from dlc.cli import command_errors
    from dlc.cli.specs import open_spec
    from dlc.compiler.diagnostics.problems import CompileError
    from dlc.runtime.expectations import check_expectations

    say(path, newline=False)  # training takes its time
    try:
        face = open_spec(path, {})
        measured, lacking = measure(face, device)
    except CompileError as error:
        say()
        command_errors.show(error.diagnostics, sys.stdout)
        return False
    say(f": {lacking}, so only what is known without training is checked" if lacking else "")
    judged = check_expectations(face.compiled, measured)
    for one in judged:
        say(f"  {verdict(one, lacking)}")
    return all(one.met or (one.met is None and lacking) for one in judged)


def measure(face: Face, device: str) -> tuple[dict[str, Any], str]:
    """What is known of the spec, and why not more is, if its data is not there."""
    from dlc.compiler.diagnostics.problems import CompileError
    from dlc.runtime import pipeline
    from dlc.runtime.data import data_errors as of_data
    from dlc.runtime.expectations import needs_training, static_measures, trained_measures

    measured = static_measures(face.compiled)
    if not needs_training(face.compiled):
        return measured, ""
    with tempfile.TemporaryDirectory() as folder:
        try:
            trained = trained_measures(pipeline.train(face, out=folder, device=device).figures)
            return static_measures(face.compiled) | trained, ""
        except CompileError as error:
            if all(d.code in of_data.ABSENT for d in error.diagnostics):
                return measured, error.diagnostics[0].message
            raise
        except OSError as error:
            error.__notes__ = []  # what it left goes with the folder
            raise


def verdict(one: CheckedExpectation, lacking: str) -> str:
    """`met  test.accuracy >= 0.9   found 0.9545`."""
    word = {True: "met", False: "NOT MET", None: "unknown" if lacking else "NOT MET"}[one.met]
    if one.met is None:
        found = "" if lacking else "   there is no such figure: the part of the data has no rows"
    else:
        values = (f"{v:.4f}" if isinstance(v, float) else spell(v) for v in one.found.values())
        found = f"   found {', '.join(values)}" if one.found else ""
    return f"{word:7}  {one.expectation.text}{found}"
