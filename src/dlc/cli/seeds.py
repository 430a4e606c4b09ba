"""`dlc train --seeds`: several trainings, and a table of their figures."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dlc.cli.terminal_text import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dlc.compiler.program import CompiledProgram
    from dlc.program import Program
    from dlc.runtime.expectations import CheckedExpectation
    from dlc.runtime.pipeline import Result
    from dlc.runtime.training.history import Figures


class SeedsType(click.ParamType):
    """A number of seeds, at least two."""

    name = "NUMBER"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        count = click.INT.convert(value, param, ctx)
        if count < 2:
            self.fail(f"{count} is less than 2; one training needs no --seeds", param, ctx)
        return count


option = click.option(
    "--seeds", type=SeedsType(), help="Train so many times, with the seed of `train` and those after it.",
)  # fmt: skip


def train(program: Program, count: int, **settings: Any) -> bool:
    """Train with several seeds, each in a run folder, and print the mean and the deviation of each figure. If
    something stops it, those of the runs that ended. True if it was interrupted."""
    from dlc.runtime import seeds

    seeds.check(program, count)
    first = program.compiled.train.seed
    ended: dict[int, tuple[str, Mapping[str, Figures]]] = {}
    say(f"seed {first}, the first of {count}")
    try:
        for seed, result in seeds.each(program, count, **settings):
            folder = os.path.relpath(result.folder)
            if seeds.was_interrupted(result):
                say(f"seed {seed} was interrupted: its run is {folder}, and it is not counted{go_on(result)}")
                return True
            say(f"run {folder}  {result.exported}")
            ended[seed] = (folder, result.figures)
            if len(ended) < count:
                say(f"\nseed {seed + 1}, {len(ended) + 1} of {count}")
    finally:
        summarize(program, count, ended)
    return False


def go_on(result: Result) -> str:
    """The command that goes on with a run, if it kept a state."""
    from dlc.runtime.run_folder import has_states, how_to_resume

    return f"; {how_to_resume(Path(os.path.relpath(result.folder)))}" if has_states(result.folder) else ""


def summarize(program: Program, count: int, ended: Mapping[int, tuple[str, Mapping[str, Figures]]]) -> None:
    """Print the table of the runs that ended, what the spec expects, and how to train the seeds left."""
    from dlc.runtime.training.progress import aligned

    figures = [of for _, of in ended.values()]
    if figures:
        lines = [*aligned(table(figures)), "", *expected(program.compiled, figures), *runs(ended)]
        say("\n" + "\n".join(lines))
    if 0 < len(ended) < count:
        say(f"{len(ended)} of {count} seeds; for those left, give {left(program, count, len(ended))}")


def table(figures: Sequence[Mapping[str, Figures]]) -> list[list[str]]:
    """A row for each figure of each part of the data."""
    from dlc.runtime.seeds import spreads
    from dlc.runtime.training.progress import number

    rows = [[f"{len(figures)} seeds", "mean", "deviation", "lowest", "highest"]]
    for part, of in spreads(figures).items():
        for name, spread in of.items():
            values = (spread.mean, spread.deviation, min(spread.values), max(spread.values))
            rows.append([f"{part} {name}", *map(number, values)])
    return rows


def expected(program: CompiledProgram, figures: Sequence[Mapping[str, Figures]]) -> Iterator[str]:
    """What the spec expects, and whether it holds. What is expected of one training is checked for each."""
    from dlc.cli.testing import verdict
    from dlc.runtime.expectations import (
        check_expectations,
        spread_measures,
        static_measures,
        trained_measures,
    )

    known, spreads = static_measures(program), spread_measures(program, figures)
    checked = [check_expectations(program, known | trained_measures(of), spreads) for of in figures]
    for judged in zip(*checked, strict=True):
        first = judged[0]
        if first.expectation.seeds > 1 and first.met is None:
            yield f"unknown  {needs_seeds(first.expectation)}"
        elif first.expectation.seeds > 1 or not first.expectation.parts():
            yield verdict(first, "")
        else:
            yield in_each(judged)


def in_each(judged: Sequence[CheckedExpectation]) -> str:
    """`met      test.accuracy >= 0.9   with 5 of 5 seeds`."""
    holds = sum(bool(one.met) for one in judged)
    word = "met" if holds == len(judged) else "NOT MET"
    return f"{word:7}  {judged[0].expectation.text}   with {holds} of {len(judged)} seeds"


def needs_seeds(expectation: Any) -> str:
    """What an expectation about several trainings needs."""
    return f"{expectation.text}   needs `--seeds {expectation.seeds}`"


def runs(ended: Mapping[int, tuple[str, Any]]) -> Iterator[str]:
    for place, (seed, (folder, _)) in enumerate(ended.items()):
        yield f"{'' if place else 'runs':7}  seed {seed}  {folder}"


def left(program: Program, count: int, done: int) -> str:
    """The options that train the seeds that are left."""
    own = [("train.seed", program.compiled.train.seed + done)]
    own += [(f"train.{p.phase}.seed", p.seed + done) for p in program.compiled.train.phases if p.own("seed")]
    several = [f"--seeds {count - done}"] if count - done > 1 else []
    return " ".join(["`" + " ".join([*(f"--set {name}={seed}" for name, seed in own), *several]) + "`"])
