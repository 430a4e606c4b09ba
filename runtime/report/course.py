"""The sections of a page about how a training went: its end, its figures, and the curves of its epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from dlc.compiler.definitions.sections import PARTS
from dlc.runtime.data.data_errors import counted
from dlc.runtime.diagnosis import checked
from dlc.runtime.memory import format_size
from dlc.runtime.report import figures
from dlc.runtime.report.blocks import (
    DrawnFigure,
    Figures,
    LegendKey,
    PageSection,
    Table,
    Words,
    number_in,
    spelled,
    table_in,
)
from dlc.runtime.report.figures import Curve
from dlc.runtime.report.texts import clipped
from dlc.runtime.training.progress import duration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dlc.runtime.report.blocks import Block, Numbering
    from dlc.runtime.run_record import RunRecord

    Record = Mapping[str, Any]

DRAWN = 16  # maximum number of figures that have curves
LAYERS = 8  # maximum number of weights whose gradients have curves
RATES = 8  # maximum number of learning rates
LISTED = 24  # maximum number of epochs of a table
NAME = 60  # letters of the name of a figure
# How a run ended: a text and its tone.
ENDS = {
    "done": ("done", "good"),
    "early": ("stopped early", "good"),
    "met": ("done: the condition of `until` holds", "good"),
    "interrupted": ("interrupted", "warn"),
    "diverged": ("diverged: the loss was not finite", "warn"),
    "running": ("has not ended: it runs, or it was killed", "warn"),
}
UNKNOWN_END = "it is not known how it ended", ""


class Line(NamedTuple):
    """A figure of epochs: its name, the part of the data, and its values by epoch."""

    name: str
    part: str
    epochs: list[float]
    values: list[float | None]


def end_of(record: RunRecord) -> tuple[str, str]:
    """How a run ended: a text, and its tone. A run without this fact has ended if it has figures."""
    if record.ended in ENDS:
        return ENDS[record.ended]
    return ("done", "good") if record.figures else UNKNOWN_END


def epoch_of(record: Record, place: int) -> float:
    return number_in(record, "epoch") or place + 1.0


def best_epoch(record: RunRecord) -> float | None:
    """The best epoch, None if nothing compares epochs."""
    return next(
        (epoch_of(e, i) for i, e in reversed([*enumerate(record.epochs)]) if e.get("best") is True), None
    )


def lines_of(record: RunRecord) -> list[Line]:
    """All figures of the epochs, in order of their names, those of training rows first."""
    found: dict[tuple[str, str], Line] = {}
    for place, epoch in enumerate(record.epochs):
        for part in ("train", "validation"):
            for name in table_in(epoch, part):
                line = found.setdefault((name, part), Line(name, part, [], []))
                line.epochs.append(epoch_of(epoch, place))
                line.values.append(number_in(table_in(epoch, part), name))
    names = list(dict.fromkeys(name for name, _ in found))
    return sorted(found.values(), key=lambda line: names.index(line.name))


# --- the summary ------------------------------------------------------------------------------------------


def badges(record: RunRecord) -> list[tuple[str, str]]:
    """The end of a run, its length, and its time."""
    found = [end_of(record), (counted(len(record.epochs), "epoch"), "")]
    if time := time_of(record):
        found.append((f"{time} of training", ""))
    device = record.how.get("device")
    if isinstance(device, str) and device != "auto":
        found.append((f"on {clipped(device, NAME)}", ""))
    return found


def time_of(record: RunRecord) -> str:
    """How long a run took; empty if that is not known."""
    seconds = number_in(record.how, "seconds") or sum(number_in(e, "seconds") or 0 for e in record.epochs)
    if not 0 < seconds < 1e9:
        return ""
    return f"{seconds:.1f} s" if seconds < 60 else duration(seconds)


def summary(record: RunRecord) -> PageSection:
    """The figures of the kept weights, by part of the data."""
    return PageSection("figures", "Figures", [*figures_table(record), *phases(record)])


def figures_table(record: RunRecord) -> list[Block]:
    parts = [part for part in PARTS if table_in(record.figures, part)]
    if not parts:
        why = "The run has no figures of its kept weights" + (
            ", because it has not ended." if record.ended in ("running", "") else "."
        )
        return [Words(why)]
    names = list(dict.fromkeys(name for part in parts for name in table_in(record.figures, part)))
    rows = [
        (clipped(name, NAME), *(spelled(number_in(table_in(record.figures, part), name)) for part in parts))
        for name in names
    ]
    best = best_epoch(record)
    note = "Measured with the kept weights, in the form that the artifact has."
    note += f" The best epoch was {best:.0f} of {len(record.epochs)}." if best else ""
    return [Table("", ("figure", *parts), rows, note)]


def phases(record: RunRecord) -> list[Block]:
    """What each phase was trained for and how it ended."""
    rows = []
    for phase in record.phases:
        first, last, kept = (number_in(phase, name) for name in ("first", "last", "kept"))
        measured = table_in(phase, "figures")
        part = next((p for p in PARTS[::-1] if table_in(measured, p)), "")
        told = [f"{clipped(name, NAME)} {spelled(number_in(table_in(measured, part), name))}"
                for name in table_in(measured, part)]  # fmt: skip
        end = ENDS.get(str(phase.get("ended")), ("", ""))[0]
        rows.append((clipped(phase.get("name", ""), NAME), f"{first or 0:.0f} to {last or 0:.0f}",
                     f"{kept or 0:.0f}", end, ", ".join([part, *told]) if part else "-"))  # fmt: skip
    head = ("phase", "epochs", "kept", "end", "figures")
    return [Table("Phases", head, rows, plain=True)] if rows else []


# --- curves -----------------------------------------------------------------------------------------------


def curves(record: RunRecord, number: Numbering) -> PageSection:
    """The curves of losses and metrics, of rates and of gradients, and a table of them."""
    lines = lines_of(record)
    if not lines:
        return PageSection(
            "curves", "Curves", [Words("The run has not ended its first epoch, so there is no curve.")]
        )
    best, made = best_epoch(record), []
    names = list(dict.fromkeys(line.name for line in lines))
    for name in names[:DRAWN]:
        made.append(curve_figure(name, [line for line in lines if line.name == name], best, number))
    made += [*other_curves(record, number), *layer_curves(record, number)]
    told: list[Block] = [Figures(made)]
    if len(names) > DRAWN:
        told.append(Words(f"{len(names) - DRAWN} more figures are in the table alone."))
    if best is not None:
        told.append(Words(f"The dotted line is the best epoch, {best:.0f}."))
    return PageSection("curves", "Curves", [*told, epoch_table(record, lines)])


def curve_figure(name: str, lines: Sequence[Line], best: float | None, number: Numbering) -> DrawnFigure:
    """A figure by part of the data."""
    colours = {"train": 0, "validation": 1}
    drawn = [Curve(line.part, colours[line.part], line.epochs, line.values) for line in lines]
    alt = f"{clipped(name, NAME)}: {'; '.join(map(told, lines))}"
    keys = [LegendKey(curve.name, curve.colour, curve.dashed) for curve in drawn]
    return DrawnFigure(clipped(name, NAME), figures.curves(drawn, alt, number.next(), best=best), keys)


def told(line: Line) -> str:
    """A curve in words."""
    some = [(e, v) for e, v in zip(line.epochs, line.values, strict=True) if v is not None]
    if not some:
        return f"{line.part} has no finite value"
    (first, begin), (last, end) = some[0], some[-1]
    lost = len(line.values) - len(some)
    gaps = f", {counted(lost, 'value')} not finite" if lost else ""
    return f"{line.part} {spelled(begin)} in epoch {first:.0f}, {spelled(end)} in epoch {last:.0f}{gaps}"


def other_curves(record: RunRecord, number: Numbering) -> list[DrawnFigure]:
    """The learning rates, and the norm of the gradients."""
    epochs = [epoch_of(e, i) for i, e in enumerate(record.epochs)]
    rates = [[number_in(e, "rate")] if not isinstance(e.get("rates"), list) else
             [number_in({"rate": r}, "rate") for r in e["rates"][:RATES]] for e in record.epochs]  # fmt: skip
    count = max(map(len, rates), default=0)
    drawn = [
        Curve(f"optimizer {n + 1}", n, epochs, [of[n] if n < len(of) else None for of in rates])
        for n in range(count)
    ]
    found = []
    if any(value is not None for curve in drawn for value in curve.y):
        keys = [LegendKey(curve.name, curve.colour) for curve in drawn] if count > 1 else []
        found.append(DrawnFigure("Learning rate", figures.curves(drawn, one_told("learning rate", drawn[0]),
                                                            number.next()), keys))  # fmt: skip
    norms = Curve("gradient norm", 2, epochs, [number_in(e, "gradient_norm") for e in record.epochs])
    if any(value is not None for value in norms.y):
        alt = one_told("norm of the gradient", norms)
        note = "Of the last step of each epoch, after clipping."
        found.append(DrawnFigure("Gradient norm", figures.curves([norms], alt, number.next()), note=note))
    return found


def layer_curves(record: RunRecord, number: Numbering) -> list[DrawnFigure]:
    """The norms of the gradients of layers; of many layers some at equal distances."""
    records = checked.statistics(record.statistics)
    names = list(dict.fromkeys(weight["name"] for of in records for weight in of["weights"]))
    kept = names[:: max(-(-len(names) // LAYERS), 1)]
    known = [{w["name"]: number_in(w, "gradient") for w in of["weights"]} for of in records]
    epochs = [float(of["epoch"]) for of in records]
    drawn = [
        Curve(clipped(name, NAME), place, epochs, [of.get(name) for of in known])
        for place, name in enumerate(kept)
    ]
    drawn = [curve for curve in drawn if any(value is not None for value in curve.y)]
    if not drawn:
        return []
    alt = f"norms of the gradients of weights: {'; '.join(one_told(curve.name, curve) for curve in drawn)}"
    keys = [LegendKey(curve.name, curve.colour) for curve in drawn]
    note = "The norm of the gradient of each weight, at the ends of some epochs."
    note += f" {len(kept)} of {len(names)} weights are drawn." if len(kept) < len(names) else ""
    return [DrawnFigure("Gradients of layers", figures.curves(drawn, alt, number.next()), keys, note)]


def one_told(name: str, curve: Curve) -> str:
    return f"{name}: {told(Line(name, '', [*curve.x], [*curve.y])).strip()}"


def epoch_table(record: RunRecord, lines: Sequence[Line]) -> Table:
    """The figures of epochs; of many epochs some at equal distances, and the last."""
    step = -(-len(record.epochs) // LISTED)
    kept = sorted({*range(0, len(record.epochs), max(step, 1)), len(record.epochs) - 1})
    heads = [f"{line.part} {clipped(line.name, NAME)}" for line in lines[: 2 * DRAWN]]
    rows = []
    for place in kept:
        epoch = record.epochs[place]
        cells = [spelled(number_in(table_in(epoch, line.part), line.name)) for line in lines[: 2 * DRAWN]]
        speed, size = number_in(epoch, "rows_per_second"), number_in(epoch, "memory")
        rows.append((f"{epoch_of(epoch, place):.0f}", *cells, spelled(number_in(epoch, "rate")),
                     f"{speed:_.0f}" if speed else "-", format_size(int(size)) if size else "-"))  # fmt: skip
    head = ("epoch", *heads, "rate", "rows a second", "memory")
    note = f"One epoch in {step}, and the last." if step > 1 else ""
    return Table("The epochs as a table", head, rows, note, folded=True)
