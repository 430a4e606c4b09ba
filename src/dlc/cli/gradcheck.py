"""`dlc gradcheck`: compare the gradients of a spec with finite differences."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from dlc.cli.options import data_option, set_option
from dlc.cli.terminal_text import say

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dlc.runtime.gradcheck import Check, Checked, ObjectiveCheck

MAX_NAMES = 4  # names of weights that are listed


@click.command(short_help="Check the gradients of a spec.")
@click.argument("spec")
@set_option
@data_option
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31 - 1),
    help="Seed of weights, rows and draws.  [default: that of the spec]",
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True,
              help="A table, or JSON.")  # fmt: skip
def command(
    spec: str, settings: tuple[tuple[str, Any], ...], data: str | None, seed: int | None, form: str
) -> None:
    """Compare the gradients of training with finite differences of the loss, in float64 and weight by
    weight, for each step and each phase. A kink, such as that of `relu` at 0, is not an error."""
    from dlc.cli import command_errors
    from dlc.cli.sources import source_of
    from dlc.cli.specs import open_spec

    program = open_spec(spec, dict(settings))
    from dlc.runtime.gradcheck import Check

    check = Check(program, source_of(data), seed)
    found = list(report(check, form))
    errors = []
    for part in check.parts:
        wrong = [checked for of, checked in found if of is part and checked.wrong]
        errors += [part.diagnose(wrong)] if wrong else []
    if errors:
        command_errors.show(errors, sys.stderr)
    sys.exit(1 if errors else 0)


def report(check: Check, form: str) -> Iterator[tuple[ObjectiveCheck, Checked]]:
    """The result of each weight, printed as soon as it is known."""
    if form == "json":
        found, count = [], sum(len(part.weights) for part in check.parts)
        for part, checked, left in timed(check):
            found.append((part, checked))
            if left:
                click.echo(f"{len(found)} of {count} weights, {left.strip()}", err=True)
        click.echo(json.dumps(record(check, found), indent=2))
        yield from found
        return
    source = f"random rows: {check.lacking}" if check.lacking else "rows of the data"
    say(f"{check.rows} {source}; gradients in float64 against differences")
    weights = [(name, str([*shape])) for part in check.parts for name, shape in part.weights]
    widths = [max(map(len, column)) for column in zip(("weight", "shape"), *weights, strict=True)]
    for part, results in groupby(timed(check), lambda result: result[0]):
        click.echo("".join(f"\n{title}\n" for title in [part.title] if title))
        found = []
        for checked in table(results, *widths):
            found.append(checked)
            yield part, checked
        click.echo()
        for line in summary(found):
            click.echo(line)


def table(
    results: Iterable[tuple[ObjectiveCheck, Checked, str]], name_width: int, shape_width: int
) -> Iterator[Checked]:
    """Each result, printed as a row."""
    click.echo(f"{'weight':{name_width}}  {'shape':{shape_width}}  {'looked at':28}  error")
    for _, checked, left in results:
        click.echo(f"{checked.name:{name_width}}  {[*checked.shape]!s:{shape_width}}  {looked_at(checked):28}"
                   f"  {checked.error:.1e}{verdict(checked)}{left}")  # fmt: skip
        yield checked


def timed(check: Check) -> Iterator[tuple[ObjectiveCheck, Checked, str]]:
    """Each result, from time to time with the remaining time: `  3 min left`."""
    from dlc.runtime.training.progress import QUIET, duration

    began = shown = time.monotonic()
    count = sum(len(part.weights) for part in check.parts)
    results = ((part, checked) for part in check.parts for checked in part.run())
    for done, (part, checked) in enumerate(results, 1):
        now, rest = time.monotonic(), count - done
        quiet = rest == 0 or now - shown < QUIET
        shown = shown if quiet else now
        yield part, checked, "" if quiet else f"  {duration((now - began) / done * rest)} left"


def looked_at(checked: Checked) -> str:
    """`10 entries, 2 directions`."""
    if checked.whole:
        return "every entry"
    parts = ((checked.entries, "entries"), (checked.directions, "directions"))
    return ", ".join(f"{n} {what}" if n > 1 else "1 direction" for n, what in parts if n)


def verdict(checked: Checked) -> str:
    if checked.wrong:
        return "  WRONG"
    if not checked.gradient:
        return "  no gradient"
    return f"  {checked.kinks} near a kink" if checked.kinks else ""


def summary(found: Sequence[Checked]) -> Iterator[str]:
    kinks, probes = sum(c.kinks for c in found), sum(c.entries + c.directions for c in found)
    unchanged = [f"`{c.name}`" for c in found if not c.gradient and not c.wrong]
    if kinks:
        yield (f"{kinks} of {probes} entries and directions are near a kink, such as that of `relu` at 0: "
               "there every value between the slopes of both sides is right")  # fmt: skip
    if unchanged:
        rest = len(unchanged) - MAX_NAMES
        names = ", ".join(unchanged[:MAX_NAMES]) + (f" and {rest} more" if rest > 0 else "")
        yield f"no gradient reaches {names}: training does not change weights without a gradient"
    wrong, count = sum(c.wrong is not None for c in found), len(found)
    if wrong:
        yield f"the gradients of {wrong} of {count} weights are wrong"
    else:
        those = f"gradients of all {count} weights are" if count > 1 else "gradient of the weight is"
        yield f"the {those} right, to {max(c.error for c in found):.1e}"


def record(check: Check, found: list[tuple[ObjectiveCheck, Checked]]) -> dict[str, Any]:
    return {
        "right": not any(c.wrong for _, c in found),
        "rows": check.rows,
        "random": bool(check.lacking),
        "weights": [names(part) | asdict(c) for part, c in found],
    }


def names(part: ObjectiveCheck) -> dict[str, str]:
    """The phase and the step, if the spec has any."""
    return {"phase": part.phase, "step": part.step} if part.title else {}
