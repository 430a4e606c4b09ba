"""The runs of a spec as a table: when and how they ran, their figures, and what differs between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.definition import family, spell_value
from dlc.show.columns import columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.run_list import ListedRun, SpecRuns

ENDED = {"done": "done", "early": "early stop", "met": "met `until`", "running": "not ended"}
MAX_FIGURES, MAX_PARAMS, MAX_CHANGES = 6, 6, 10  # columns, columns, lines
MAX_TEXT = 28  # characters of a value
PARTS = ("test", "validation", "train")


def text(groups: Sequence[SpecRuns]) -> str:
    return "\n\n".join(f"{group.name}\n\n{of_spec(group)}" for group in groups) + "\n"


def of_spec(group: SpecRuns) -> str:
    """The runs of a spec. The best of a figure has a star."""
    names, params = figure_names(group), group.params()[:MAX_PARAMS]
    best = {name: best_of(name, group.runs) for name in names}
    several = len(group.versions) > 1
    head = ("run", "begun", "ended", "epochs", "time", *names, *(["spec"] if several else []), *params)
    rows = [
        (
            run.title, begun(run), ended(run), epochs(run), duration(run.seconds),
            *(figure(run, name, best[name]) for name in names),
            *([str(group.version(run))] if several else []),
            *(value(group.value(run, name)) for name in params),
        )
        for run in group.runs
    ]  # fmt: skip
    return "\n\n".join([columns(head, rows, range(4, 5 + len(names))), *changes(group)])


def figure_names(group: SpecRuns) -> list[str]:
    """The figures of most interest: those of the last part that any run measured, and its validation."""
    known = dict.fromkeys(name for run in group.runs for name in run.figures)
    by_part = [[name for name in known if name.startswith(f"{part}.")] for part in PARTS]
    shown = [names for names in by_part if names][:2]
    return [name for names in shown for name in names[: MAX_FIGURES // max(len(shown), 1)]]


def best_of(name: str, runs: Sequence[ListedRun]) -> float | None:
    """The best value of a figure, if several runs have different ones."""
    found = [run.figures[name] for run in runs if name in run.figures]
    if len(set(found)) < 2:
        return None
    return max(found) if higher_is_better(name) else min(found)


def higher_is_better(name: str) -> bool:
    import dlc.compiler.training  # noqa: F401  defines the metrics

    known: dict[str, Any] = family("metric")
    words = [word.split("(")[0].split("[")[0] for word in name.split(".")[1:]]
    return next((known[w].better == "higher" for w in words if w in known), False)


def figure(run: ListedRun, name: str, best: float | None) -> str:
    found = run.figures.get(name)
    return "" if found is None else f"{found:.4g}{'*' if best == found else ' ' if best is not None else ''}"


def begun(run: ListedRun) -> str:
    """When it began, unless its name says the day."""
    day = run.begun[:10]
    return "" if day and run.title.startswith(day) else run.begun


def ended(run: ListedRun) -> str:
    return ENDED.get(run.record.ended, run.record.ended)


def epochs(run: ListedRun) -> str:
    """`12, best 9`."""
    count = len(run.record.epochs)
    best = run.best.get("epoch") if run.best.get("best") else None
    return f"{count}, best {best}" if best and best != count else str(count)


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def value(given: Any) -> str:
    shown = given if isinstance(given, str) else spell_value(given)
    return shown if len(shown) <= MAX_TEXT else f"{shown[: MAX_TEXT - 3]}..."


def changes(group: SpecRuns) -> list[str]:
    """What the versions of the spec changed."""
    told = []
    for number, found in group.changes():
        lines = [found] if isinstance(found, str) else [str(d) for d in found]
        more = [f"and {len(lines) - MAX_CHANGES} more"] if len(lines) > MAX_CHANGES else []
        shown = [f"  {line}" for line in [*lines[:MAX_CHANGES], *more]]
        told.append("\n".join([f"spec {number} after spec {number - 1}:", *shown]))
    return told
