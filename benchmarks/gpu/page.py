"""The block of `docs/gpu.md` that the results are told in."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from benchmarks.gpu import PARTS
from benchmarks.gpu.checks import NO_TIME
from dlc.runtime.files import write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.gpu.checks import Row
    from benchmarks.gpu.results import Results

BEGIN, END = "<!-- written by `python -m benchmarks gpu`: begin -->", "<!-- end -->"
NOT_RUN = """\
**Not run yet on a GPU.** `python -m benchmarks gpu` takes at most 8 minutes on a machine with an NVIDIA GPU,
and writes its results here. It would show:"""
OUTCOMES = ("pass", "FAIL", "measured", "not run")


def write_page(path: Path, results: Results | None) -> None:
    write(path, with_block(path.read_text("utf-8"), results).encode())


def with_block(text: str, results: Results | None) -> str:
    """A page with the block of these results. ValueError if it has no place for it."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page has no block between `{BEGIN}` and `{END}`")
    return f"{before}{BEGIN}\n\n{block(results)}\n\n{END}{after}"


def block(results: Results | None) -> str:
    if results is None:
        return "\n".join([NOT_RUN, "", *(f"- **{part.name}**: {part.shows}" for part in PARTS)])
    by_part = {part: [row for row in results.rows if row.part == part.name] for part in PARTS}
    sections = [section(part.name, part.shows, rows) for part, rows in by_part.items() if rows]
    return "\n\n".join([summary(results), totals(results), *sections])


def summary(results: Results) -> str:
    cut = "" if results.complete else " The run was cut off: what follows is not all of it."
    return (f"Run on {results.date} in {results.seconds:.0f} s: {results.device}, driver {results.driver}, "
            f"{results.machine}; {results.versions}.{cut}")  # fmt: skip


def totals(results: Results) -> str:
    lines = [f"| part | {' | '.join(OUTCOMES)} |", "|---|" + "--:|" * len(OUTCOMES)]
    for part in PARTS:
        counts = Counter(row.outcome for row in results.rows if row.part == part.name)
        lines.append(f"| {part.name} | {' | '.join(str(counts[outcome]) for outcome in OUTCOMES)} |")
    return "\n".join(lines)


def section(name: str, shows: str, rows: Sequence[Row]) -> str:
    head = [f"### {name.capitalize()}", "", shows, "", "| what | found | asked | outcome | seconds |",
            "|---|---|---|---|--:|"]  # fmt: skip
    late = sum(row.error == NO_TIME for row in rows)
    left = ["", f"Not run, as {NO_TIME}: {late}."] if late else []
    return "\n".join([*head, *(line(row) for row in rows if row.error != NO_TIME), *left])


def line(row: Row) -> str:
    found = (row.error or row.figure).replace("|", "\\|")
    return f"| {row.what} | {found} | {row.bound} | {row.outcome} | {row.seconds:.1f} |"
