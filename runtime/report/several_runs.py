"""The page of several runs, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.definition import Definition
from dlc.compiler.definitions.sections import PARTS
from dlc.compiler.differences import differences as compared
from dlc.compiler.passes.cost import spell, summed, weight_size
from dlc.runtime.data.data_errors import counted
from dlc.runtime.errors import ArtifactError
from dlc.runtime.report import course, figures
from dlc.runtime.report.advice import in_short
from dlc.runtime.report.blocks import (
    DrawnFigure,
    Figures,
    LegendKey,
    Numbering,
    Page,
    PageSection,
    Table,
    Words,
    number_in,
    spelled,
    table_in,
)
from dlc.runtime.report.figures import Curve
from dlc.runtime.report.making import plain
from dlc.runtime.report.texts import clipped
from dlc.runtime.run_folder import INFO, LATEST
from dlc.runtime.run_record import read_record
from dlc.runtime.written_settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.report.blocks import Block
    from dlc.runtime.report.one_run import Seen
    from dlc.runtime.run_record import RunRecord

LISTED = 20  # maximum number of differences of a network that are listed
OF_NETWORK = ("input", "output", "net", "layer", "loss", "weight")  # kinds of differences
MOST = 24  # maximum number of runs
NAME = 60  # letters of the name of a run or a setting
COLOURS = 8
PASSING = ("begun", "ended", "seconds", "resumed", "folder")  # facts that differ between any two runs


def records_at(paths: Sequence[Path]) -> list[RunRecord]:
    """The records of the runs at these paths: runs, or folders that hold runs. Each run is there once.
    `ArtifactError` if a path has none, or if they are too many."""
    folders: dict[Path, Path] = {}
    for path in paths:
        for run in runs_at(path):
            folders.setdefault(run.resolve(), run)
    if len(folders) > MOST:
        raise ArtifactError(
            f"{len(folders)} runs are named, and at most {MOST} are put side by side: name fewer"
        )
    return [read_record(run) for run in folders.values()]


def runs_at(path: Path) -> list[Path]:
    """The run at a path, or the runs in a folder and in its folders. `ArtifactError` if there is none."""
    if not path.exists():
        raise ArtifactError(f"there is no run at {path}")
    if not path.is_dir() or (path / INFO).is_file() or path.name == LATEST:
        return [path]
    found = [run for run in folders_in(path) if (run / INFO).is_file()]
    found += [run for name in folders_in(path) for run in folders_in(name) if (run / INFO).is_file()]
    if not found:
        raise ArtifactError(f"{path} is no run and holds none: `dlc train` makes runs, in runs/NAME/TIME")
    return found


def folders_in(folder: Path) -> Iterator[Path]:
    """The folders in a folder, in order of their names, without links."""
    return (path for path in sorted(folder.iterdir()) if path.is_dir() and not path.is_symlink())


def page(seen: Sequence[Seen]) -> Page:
    """The page of several runs."""
    number, names = Numbering(), names_of([of.record for of in seen])
    sections = [
        PageSection("runs", "The runs", [runs_table(seen, names)]),
        PageSection("differences", "What differs", differences(seen, names)),
        PageSection("figures", "Figures", figures_side_by_side(seen, names)),
        PageSection("curves", "Curves", curves(seen, names, number)),
    ]
    specs = list(dict.fromkeys(of.record.name.removesuffix(".dl") for of in seen))
    return Page(f"{counted(len(seen), 'run')} of {clipped(', '.join(specs), 200)}", "", [], sections)


def names_of(records: Sequence[RunRecord]) -> list[str]:
    """The shortest names that tell the runs apart: of the folder, of the two last folders, or the path."""
    paths = [record.folder.resolve() for record in records]
    for parts in (1, 2) if len({path.parent for path in paths}) == 1 else (2,):
        names = [clipped("/".join(path.parts[-parts:]), NAME) for path in paths]
        if len({*names}) == len(names):
            return names
    return [clipped(path, NAME) for path in paths]


def runs_table(seen: Sequence[Seen], names: Sequence[str]) -> Table:
    rows = []
    for of, name in zip(seen, names, strict=True):
        record, best = of.record, course.best_epoch(of.record)
        rows.append((name, clipped(record.name, NAME), course.end_of(record)[0], str(len(record.epochs)),
                     f"{best:.0f}" if best else "-", course.time_of(record) or "-",
                     parameters(of.program), clipped(in_short(record, of.program), 2 * NAME)))  # fmt: skip
    head = ("run", "spec", "end", "epochs", "best", "time", "parameters", "diagnosis")
    return Table("", head, rows, plain=True)


def parameters(program: CompiledProgram | None) -> str:
    if program is None:
        return "-"
    return spell(summed(weight_size(weight) for weight in program.graph.weights if weight.trainable))


# --- differences ------------------------------------------------------------------------------------------


def differences(seen: Sequence[Seen], names: Sequence[str]) -> list[Block]:
    """The params, settings and facts that are not the same for all runs."""
    known = [facts_of(of) for of in seen]
    keys = dict.fromkeys(key for facts in known for key in facts)
    rows = [
        (clipped(key, NAME), *(clipped(facts.get(key, "-"), 2 * NAME) for facts in known))
        for key in keys
        if len({facts.get(key) for facts in known}) > 1
    ]
    if not rows and not layers(seen, names):
        return [Words("The params, the settings, the network and the versions of all runs are the same.")]
    return [Table("", ("what", *names), rows, plain=True), *layers(seen, names)]


def layers(seen: Sequence[Seen], names: Sequence[str]) -> list[Block]:
    """What differs in the networks from that of the first run: a row for each difference, with its runs."""
    first, *others = ((of.program, name) for of, name in zip(seen, names, strict=True))
    runs_of: dict[str, list[str]] = {}
    for program, name in others:
        if program is None or first[0] is None:
            continue
        told = [str(d) for d in compared(first[0], program) if d.kind in OF_NETWORK and not d.implied]
        more = [f"and {len(told) - LISTED} more"] if len(told) > LISTED else []
        for difference in dict.fromkeys([*told[:LISTED], *more]):
            runs_of.setdefault(difference, []).append(name)
    rows = [
        (clipped(difference, 2 * NAME), "all others" if 1 < len(runs) == len(others) else ", ".join(runs))
        for difference, runs in runs_of.items()
    ]
    title = f"The network, compared with {first[1]}"
    return [Table(title, ("difference", "run"), rows, plain=True)] if rows else []


def facts_of(seen: Seen) -> dict[str, str]:
    """The params, settings and facts of a run, as texts by name."""
    record = seen.record
    found = {name: plain(value) for name, value in record.params.items() if "." not in name}
    found |= settings_of(seen.program) if seen.program is not None else {}
    found["parameters"] = parameters(seen.program)
    found["fingerprint of the data"] = str(record.data.get("fingerprint", ""))[:12] or "-"
    for name, value in record.how.items():
        if name == "versions" and isinstance(value, dict):
            found |= {f"version of {package}": plain(version) for package, version in value.items()}
        elif name not in PASSING and not isinstance(value, dict):
            found[name] = plain(value)
    return found


# --- figures and curves -----------------------------------------------------------------------------------


def figures_side_by_side(seen: Sequence[Seen], names: Sequence[str]) -> list[Block]:
    """The figures of the kept weights: a row for each, a column for each run."""
    measured = [of.record.figures for of in seen]
    keys = [
        (part, name)
        for part in PARTS[::-1]
        for name in dict.fromkeys(name for of in measured for name in table_in(of, part))
    ]
    if not keys:
        return [Words("No run has figures of its kept weights.")]
    same_data = len({str(of.record.data.get("fingerprint")) for of in seen}) == 1
    rows, marked = [], False
    for part, name in keys:
        values = [number_in(table_in(of, part), name) for of in measured]
        best = best_of(name, values) if same_data else None
        marked = marked or best is not None
        cells = [f"{spelled(v)}{' *' if v is not None and v == best else ''}" for v in values]
        rows.append((f"{part} {clipped(name, NAME)}", *cells))
    return [Table("", ("figure", *names), rows, "The best of a row has a star." if marked else "")]


def best_of(name: str, values: Sequence[float | None]) -> float | None:
    """The best of some values; None if it is not known which is better, or all are equal."""
    known = [value for value in values if value is not None]
    if len({*known}) < 2:
        return None
    import dlc.compiler.training  # noqa: F401  defines the metrics

    last = name.rpartition(".")[2]
    metric: Any = Definition.families["metric"].get(last)
    if metric is None and last != "loss":
        return None
    return min(known) if metric is None or metric.better == "lower" else max(known)


def curves(seen: Sequence[Seen], names: Sequence[str], number: Numbering) -> list[Block]:
    """The curves of all runs together, a figure for each name and part of the data."""
    lines = [course.lines_of(of.record) for of in seen]
    keys = list(dict.fromkeys((line.name, line.part) for of in lines for line in of))
    keys.sort(key=lambda key: key[1] != "validation")
    made = []
    for name, part in keys[: course.DRAWN]:
        own = [
            (place, line)
            for place, of in enumerate(lines)
            for line in of
            if (line.name, line.part) == (name, part)
        ]
        drawn = [
            Curve(names[place], place, line.epochs, line.values, place >= COLOURS) for place, line in own
        ]
        title = f"{clipped(name, NAME)}, {part} rows"
        alt = f"{title}: " + "; ".join(f"{names[place]}: {course.told(line)}" for place, line in own)
        keys_shown = [LegendKey(curve.name, curve.colour, curve.dashed) for curve in drawn]
        made.append(DrawnFigure(title, figures.curves(drawn, alt, number.next()), keys_shown))
    if not made:
        return [Words("No run has ended its first epoch, so there is no curve.")]
    more = len(keys) - course.DRAWN
    return [Figures(made), *([Words(f"{more} more figures have no curves here.")] if more > 0 else [])]
