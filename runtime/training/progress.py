"""The progress display of a training: its epochs while it runs, and a table at the end."""

from __future__ import annotations

import time
from dataclasses import replace
from math import ceil, isnan
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.sections import PARTS
from dlc.compiler.diagnostics.quoting import printable
from dlc.runtime.training.history import Listener, Moment, compared, kept_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rich.console import Console

    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.metrics import CountTable
    from dlc.runtime.training.history import Epoch, Figures, PhaseEnd, Trained
    from dlc.runtime.training.training_plan import TrainingPlan

LINES = 20  # approximate number of epochs that get a line
QUIET = 10.0  # seconds without a line, after which an epoch gets one
LONG = 30.0  # seconds without a line, after which there is one within an epoch
SHARE = 0.01  # maximum part of the time that goes into reading losses for the progress bar
FIGURES = 8  # maximum number of figures in a line
CLASSES = 24  # maximum number of classes of a table that is shown


class Progress(Listener):
    """A listener that shows a progress bar on a terminal, and lines of text elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Any = None

    def begin(
        self, program: CompiledProgram, plans: Sequence[TrainingPlan], history: Sequence[Epoch] = ()
    ) -> None:
        self._waiting = [*zip(program.phases, plans, strict=True)]
        self._epoch, self._step = 1, 0  # the epoch, and the number of steps before it
        self._next_phase()
        self._began = self._printed = self._due = time.monotonic()
        if self._console.is_terminal:
            self._bar = bar(self._console)
            self._task = self._bar.add_task(self._title(), total=self._steps, now="")
            self._bar.start()

    def _next_phase(self) -> None:
        """Enter the next phase."""
        self._steps = self._step + sum(plan.steps for _, plan in self._waiting)
        self._phase, self._plan = self._waiting.pop(0)
        self._epochs, self._steps_before = self._epoch - 1, self._step
        self._entered = time.monotonic()

    def phase(self, phase: PhaseEnd) -> None:
        part, figures = next(((p, phase.figures[p]) for p in PARTS[::-1] if p in phase.figures), ("", {}))
        words = {"done": "done", "met": "`until` holds", "early": "stopped early",
                 "interrupted": "interrupted"}  # fmt: skip
        kept = f"epoch {phase.kept - self._epochs} of {phase.last - self._epochs} is kept"
        parts = [f"{phase.name}: {words[phase.ended]}, {kept}", *listed(figures)]
        self._print("  ".join([*parts[:1], *([part] if part else []), *parts[1:]]))
        if self._waiting:
            self._next_phase()
            if self._bar:
                self._bar.update(self._task, total=self._steps, description=self._title())

    def _title(self) -> str:
        """The phase, if it has a name, and the epoch in it."""
        return "  ".join(filter(None, [self._phase.name, f"epoch {self._epoch - self._epochs}"]))

    def step(self, moment: Moment) -> None:
        now = time.monotonic()
        if self._bar:
            self._bar.update(self._task, completed=moment.step)
            if now >= self._due:
                self._bar.update(self._task, now=self._state(moment))
                self._due = time.monotonic() + (time.monotonic() - now) / SHARE
        elif now - self._printed >= LONG:
            self._printed = now
            rows = f"{self._done(moment.step):_} of {sum(self._plan.rows):_} rows"
            self._print(f"{self._title()}/{self._plan.epochs}  {rows}  {self._state(moment)}")

    def epoch(self, epoch: Epoch, weights: Callable[[], Any]) -> None:
        number, state = epoch.epoch - self._epochs, ""
        if self._bar:
            state = self._state(Moment(epoch.step, epoch.rate, lambda: epoch.train))
        last = epoch.step == self._steps_before + self._plan.steps
        self._epoch, self._step, self._entered = epoch.epoch + (not last), epoch.step, time.monotonic()
        if self._bar:
            self._bar.update(self._task, completed=epoch.step, description=self._title(), now=state)
        self._epoch = epoch.epoch + 1
        every = ceil(self._plan.epochs / LINES)
        if number % every and number > 1 and not last and time.monotonic() - self._printed < QUIET:
            return
        self._printed = time.monotonic()
        left = (self._printed - self._began) / epoch.step * (self._steps - epoch.step)
        ending = "" if epoch.step == self._steps or self._bar else f"  {duration(left)} left"
        self._print(line(replace(epoch, epoch=number), self._plan.epochs) + ending)

    def end(self, trained: Trained) -> None:
        self.close()
        if self._phase.name:  # each phase that ended has had its line
            self._end_of_phases(trained)
            return
        until = self._phase.settings.until
        if trained.ended == "met" and until is not None:
            self._print(f"done: {printable(until.text)} holds")
        words = {"early": "stopped early", "interrupted": "interrupted", "diverged": "stopped"}
        if trained.ended in words:
            self._print(f"{words[trained.ended]}: {kept_weights('', trained.kept)}")
        if trained.best:
            self._print(self._best(trained))

    def _end_of_phases(self, trained: Trained) -> None:
        if trained.ended == "diverged":
            kept = max(trained.kept - self._epochs, 0)
            self._print(f"stopped: {kept_weights(self._phase.name, kept)}")
        left = [phase.name for phase, _ in self._waiting]
        if trained.ended == "interrupted" and trained.phases[-1].name != self._phase.name:
            left = [self._phase.name, *left]
        if left:
            self._print(f"not trained: {', '.join(left)}")

    def close(self) -> None:
        """Remove the progress bar, also after an exception."""
        if self._bar:
            self._bar.stop()
            self._bar = None

    def _done(self, step: int) -> int:
        """The rows of the epoch up to a step."""
        return sum(self._plan.rows[: step - self._step])

    def _state(self, moment: Moment) -> str:
        """`loss 0.4120  rate 0.001  3_300 rows/s`: the mean loss of the epoch so far, the learning rate, and
        the speed in this epoch."""
        read = moment.losses()  # waits for the device, so before the time is read
        losses = [f"{o.figure} {number(read[o.figure])}" for o in self._phase.objectives]
        speed = self._done(moment.step) / max(time.monotonic() - self._entered, 1e-9)
        return "  ".join([*losses, f"rate {moment.rate:.3g}  {speed:_.0f} rows/s"])

    def _best(self, trained: Trained) -> str:
        """`best epoch: 12 of 60, validation loss 0.381`; an interrupted epoch is not validated."""
        best = trained.history[trained.best - 1]
        losses = [objective.figure for objective in self._phase.objectives]
        part, figure = compared(self._phase.settings.early_stop, bool(best.validation), losses)
        figures = best.validation if part == "validation" else best.train
        ending = f", {part} {printable(figure)} {number(figures[figure])}" if figure in figures else ""
        return f"best epoch: {trained.best} of {trained.last}{ending}"

    def _print(self, words: str) -> None:
        self._console.print(words, highlight=False, markup=False, soft_wrap=True)


def bar(console: Console) -> Any:
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar
    from rich.table import Column

    columns = (
        TextColumn("{task.description}"),
        BarColumn(20),
        TimeRemainingColumn(),
        TextColumn("{task.fields[now]}", table_column=Column(no_wrap=True)),
    )
    return Bar(*columns, console=console, transient=True)


def line(epoch: Epoch, epochs: int) -> str:
    """`epoch  3/60  loss 0.412  validation loss 0.381  accuracy 0.932  *`; the star marks the best so far."""
    width = len(str(epochs))
    parts = [*filter(None, [epoch.phase]), f"epoch {epoch.epoch:{width}}/{epochs}", *listed(epoch.train)]
    if epoch.validation:
        parts.append("validation " + "  ".join(listed(epoch.validation)))
    return "  ".join([*parts, "*"] if epoch.best and epoch.compared else parts)


def listed(figures: Figures) -> list[str]:
    """As many figures as fit in a line. The run folder has all of them."""
    shown = [f"{printable(name)} {number(value)}" for name, value in figures.items()]
    return shown if len(shown) <= FIGURES else [*shown[:FIGURES], f"and {len(shown) - FIGURES} more"]


def table(figures: Mapping[str, Figures]) -> list[str]:
    """One line for each part of the data and one column for each figure; transposed for many figures."""
    names = list(dict.fromkeys(name for part in figures.values() for name in part))
    rows = [["", *names]]
    rows += [[part, *(number(of[n]) if n in of else "" for n in names)] for part, of in figures.items()]
    return aligned(rows if len(names) <= FIGURES else [list(column) for column in zip(*rows, strict=True)])


def aligned(rows: list[list[str]]) -> list[str]:
    """Aligned columns: the first one to the left, the others to the right."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def counted(tables: Mapping[str, Mapping[str, CountTable]]) -> Iterator[str]:
    """The tables of the test rows, else of the validation rows, else of the training rows."""
    part = next((p for p in reversed(PARTS) if tables.get(p)), None)
    for name, counts in tables[part].items() if part else ():
        yield from ("", *grid(f"{part} {name}", counts, "`tables.json` of the run has it"))


def grid(name: str, counts: CountTable, elsewhere: str) -> list[str]:
    """A table with a line for each true class and a column for each predicted class. For very many classes
    one line says where the table is."""
    if len(counts.labels) > CLASSES:
        return [f"{printable(name)}: {len(counts.labels)} classes; {elsewhere}"]
    rows = [["", *counts.labels]]
    rows += [[n, *map(str, row)] for n, row in zip(counts.labels, counts.counts, strict=True)]
    return [f"{printable(name)}: true classes down, predicted classes across", *aligned(rows)]


def summary(console: Console, trained: Trained | None, *, parity: Sequence[str] = (),
            files: Sequence[tuple[str, str]] = (), next: str = "") -> None:  # fmt: skip
    """Print the end of a run: the table of figures, the lines of the parity check, the files (label, path),
    and the next command. `trained` is None for a spec without trainable weights. It has no table, and neither
    have rows that are drawn."""
    rows = table(trained.figures) if trained is not None and trained.figures else []
    if rows:
        console.print()
    for n, row in enumerate(rows):
        console.print(row, style="bold" if n == 0 else None, highlight=False, markup=False, soft_wrap=True)
    for row in counted(trained.tables) if trained is not None else ():
        console.print(row, highlight=False, markup=False, soft_wrap=True)
    facts = [("parity" if n == 0 else "", words) for n, words in enumerate(parity)]
    facts += [*files, *([("next", next)] if next else [])]
    if facts:
        console.print()
    width = max((len(what) for what, _ in facts), default=0)
    for what, words in facts:
        console.print(f"{what:{width}}  {printable(words)}", highlight=False, markup=False, soft_wrap=True)


def number(value: float) -> str:
    """A figure in four significant digits or decimals; a dash for NaN."""
    if isnan(value):
        return "-"
    plain = value == 0 or 1e-3 <= abs(value) < 1000
    return f"{value:.4f}" if plain else f"{value:.3g}"


def duration(seconds: float) -> str:
    """`0:04`, `12:30`, `1:02:03`."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
