"""`dlc test`: train specs and check their `expect` sections."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dlc.cli.options import device_option, memory_option, set_option
from dlc.cli.terminal_text import say
from dlc.compiler.passes.cost import spell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.program import Program
    from dlc.runtime.expectations import CheckedExpectation, SeedSpread
    from dlc.runtime.training.history import Figures


@click.command(short_help="Check the expectations of specs.")
@click.argument("specs", nargs=-1, required=True, metavar="SPEC_OR_FOLDER...")
@set_option
@device_option
@memory_option
def command(
    specs: tuple[str, ...], settings: tuple[tuple[str, Any], ...], device: str, memory: int | None
) -> None:
    """Train each spec and check its `expect` section. Without its data, check only expectations that need no
    training. A run folder is tested as it was trained."""
    paths = [path for given in specs for path in specs_at(given)]
    failed = sum(not test(path, dict(settings), device, memory) for path in paths)
    if len(paths) == 1:
        say(f"the spec {'does not meet' if failed else 'meets'} its expectations")
    else:
        passed = f"{len(paths) - failed} of {len(paths)}" if failed else f"all {len(paths)}"
        say(f"{passed} specs meet their expectations")
    sys.exit(1 if failed else 0)


def specs_at(given: str) -> list[str]:
    """The spec or the run at a path, or all specs in a folder and its subfolders, without run folders."""
    from dlc.cli.command_errors import refuse
    from dlc.cli.specs import run_named

    if run_named(given) or not os.path.isdir(given):
        return [given]
    paths = sorted(str(p) for p in Path(given).rglob("*.dl") if not in_run(p, Path(given)))
    if not paths:
        refuse(f"there are no specs in the folder {given}")
    return paths


def in_run(path: Path, folder: Path) -> bool:
    """Whether a file in the folder belongs to a run folder, which has copies of its specs."""
    from dlc.runtime.run_folder import INFO

    return any((p / INFO).is_file() for p in path.parents if p != folder and p.is_relative_to(folder))


def test(path: str, params: dict[str, Any], device: str, memory: int | None = None) -> bool:
    """Check one spec and print the results; false if an expectation is not met or the spec has errors."""
    from dlc.cli import command_errors
    from dlc.cli.specs import open_run, open_spec, refuse_set, run_named
    from dlc.compiler.diagnostics.problems import CompileError

    run = run_named(path)
    refuse_set(params if run else ())
    trained = open_run(run) if run else None
    say(path, newline=False)  # before the training, which may take long
    try:
        program = trained or open_spec(path, params)
        judged, lacking = checked(program, device, memory)
    except CompileError as error:
        say()
        command_errors.show(error.diagnostics, sys.stdout)
        return False
    say(f": {lacking}; only expectations that need no training are checked" if lacking else "")
    for one in judged:
        say(f"  {verdict(one, lacking)}")
    return all(one.met or (one.met is None and lacking) for one in judged)


def checked(program: Program, device: str, memory: int | None = None) -> tuple[list[CheckedExpectation], str]:
    """The expectations of the spec, checked, and the reason why those of training are not, if its data is
    absent. It is trained with as many seeds as they need."""
    from dlc.compiler.diagnostics.problems import CompileError
    from dlc.runtime.data import data_errors as of_data
    from dlc.runtime.expectations import (
        check_expectations,
        needs_training,
        spread_measures,
        static_measures,
        trained_measures,
    )

    figures, lacking = [{}], ""
    if needs_training(program.compiled):
        try:
            figures = trained_figures(program, device, memory)
        except CompileError as error:
            if not all(d.code in of_data.ABSENT for d in error.diagnostics):
                raise
            lacking = error.diagnostics[0].message
    measured = static_measures(program.compiled) | trained_measures(figures[0])
    spreads = spread_measures(program.compiled, figures)
    return check_expectations(program.compiled, measured, spreads), lacking


def trained_figures(program: Program, device: str, memory: int | None) -> list[Mapping[str, Figures]]:
    """The figures of one training, or of several with the seeds that the expectations need."""
    from dlc.runtime import pipeline, seeds
    from dlc.runtime.expectations import seeds_needed

    count = seeds_needed(program.compiled)
    with tempfile.TemporaryDirectory() as folder:
        given: dict[str, Any] = {"out": folder, "device": device, "memory": memory}
        try:
            if count == 1:
                return [pipeline.train(program, **given).figures]
            runs = [run for _, run in seeds.each(program, count, **given)]
            if seeds.was_interrupted(runs[-1]):
                raise KeyboardInterrupt  # a mean of fewer trainings is not what the spec expects
            return [run.figures for run in runs]
        except OSError as error:
            error.__notes__ = []  # they name files in the temporary folder
            raise


def verdict(one: CheckedExpectation, lacking: str) -> str:
    """`met  test.accuracy >= 0.9   found 0.9545`."""
    word = {True: "met", False: "NOT MET", None: "unknown" if lacking else "NOT MET"}[one.met]
    if one.met is None:
        found = "" if lacking else "   there is no such value: this split of the data has no rows"
    else:
        values = [spelled(value, one.spreads.get(name)) for name, value in one.found.items()]
        found = f"   found {', '.join(values)}" if values else ""
    return f"{word:7}  {one.expectation.text}{found}"


def spelled(value: Any, spread: SeedSpread | None) -> str:
    """`0.9545`, or `0.9545 (deviation 0.0203)` for a mean."""
    number = f"{value:.4f}" if isinstance(value, float) else spell(value)
    return number if spread is None else f"{number} (deviation {spread.deviation:.4f})"
