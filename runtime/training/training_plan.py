"""The batches and steps of a training, and checks before it begins."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Literal

from dlc.compiler.definitions.parameter_types import Reject
from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.dims.dim import names
from dlc.compiler.training.figures import figures, find_figure
from dlc.compiler.training.train_section import EPOCHS
from dlc.runtime.data import required_fields

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.compiler.ir.graph import Graph
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.metrics import Metric
    from dlc.compiler.training.phases import Phase
    from dlc.compiler.training.train_section import Train
    from dlc.runtime.data.rows.dataset import Dataset

PLAN_ERROR = "E0804"
DRAWN = 100  # steps of an epoch if all inputs are drawn, so that there are no rows to count


@dataclass(frozen=True)
class TrainingPlan:
    """The batch sizes of an epoch, the number of steps of the whole training, and the number of batches that
    a step accumulates (`together`)."""

    sizes: list[int]
    steps: int
    together: int = 1

    @property
    def epochs(self) -> int:
        return ceil(self.steps / ceil(len(self.sizes) / self.together))

    @property
    def rows(self) -> list[int]:
        """The number of rows of every step of an epoch; the last step may have fewer batches."""
        if self.together == 1:
            return self.sizes
        starts = range(0, len(self.sizes), self.together)
        return [sum(self.sizes[start : start + self.together]) for start in starts]

    @property
    def shuffled(self) -> bool:
        """Whether the rows are shuffled; a single batch has all rows, in any order."""
        return len(self.sizes) > 1


def make(program: CompiledProgram, phase: Phase, data: Dataset) -> TrainingPlan:
    """The plan of a phase; `CompileError` if it is not possible with this data."""
    settings, taken, rows = phase.settings, phase.batches, data.train
    if rows is None or rows.count == 0:
        raise plan_error("there are no training rows", program.data)
    if rows.count is not None:
        sizes = sizes_of(rows.count, settings.batch)
    elif settings.batch == "all":
        raise plan_error("`batch` cannot be `all` where every input is drawn", settings, "batch",
                         help="say how many to draw for a step: `batch = 64`")  # fmt: skip
    else:
        sizes = [settings.batch] * taken * min(DRAWN, settings.steps or DRAWN)
    check_times(phase, len(sizes))
    check_watched(program, phase, data)
    check_drawn(program, rows.drawn)
    an_epoch = ceil(len(sizes) / taken)
    return TrainingPlan(sizes, settings.steps or (settings.epochs or EPOCHS) * an_epoch, taken)


def check_times(phase: Phase, batches: int) -> None:
    """Refuse a step that takes more batches in a round than an epoch has."""
    for objective in phase.objectives:
        if objective.times > 1 and objective.times * phase.settings.accumulate > batches:
            taken = objective.times * phase.settings.accumulate
            message = f"the step `{objective.step}` takes {taken} batches a round, and an epoch has {batches}"
            help = "use a smaller `batch`, or fewer `times`"
            raise plan_error(message, objective.settings, "times", help)


def sizes_of(count: int, batch: int | Literal["all"]) -> list[int]:
    """The batch sizes of an epoch. The last batch may be smaller, but never a single row, because `batchnorm`
    cannot compute statistics of one row: that row joins the previous batch."""
    if batch == "all" or batch >= count:
        return [count]
    whole, rest = divmod(count, batch)
    sizes = [batch] * whole
    if rest == 1 and batch > 1:
        sizes[-1] += 1
    elif rest:
        sizes.append(rest)
    return sizes


def check_watched(program: CompiledProgram, phase: Phase, data: Dataset) -> None:
    """Check that the figures that early stopping and `until` watch are measured."""
    settings, until = phase.settings, phase.settings.until
    if until is not None and data.validation is None and "validation" in until.parts():
        raise plan_error(f"`until` compares `{until.text}`, and there are no validation rows", settings,
                         "until", help="give some, or compare a figure of `train`", code="E0408")  # fmt: skip
    watched = [("until", "train")] if until is not None and "train" in until.parts() else []
    stopping = settings.early_stop
    if stopping is not None and stopping.figure not in phase.losses:
        watched.append(("early_stop", stopping.part))
    for key, part in watched:
        if part == "train" and data.train is not None and data.train.count is None:
            raise plan_error(f"`{key}` is measured on the training rows, and every input is drawn", settings,
                             key, "watch a figure of `validation`, or leave it out", "E0408")  # fmt: skip
    try:
        settings.check_watched(known_figures(program, phase), data.validation is not None)
    except Reject as reject:
        raise plan_error(reject.message, settings, str(reject.at), reject.help, reject.code) from None


def check_drawn(program: CompiledProgram, drawn: Iterable[str]) -> None:
    """Refuse drawn inputs with a free dimension that no data determines."""
    fields = required_fields(program)
    known = {n for f in fields if not f.drawn for size in f.declared.shape for n in names(size)}
    for given in program.inputs:
        free = [size for size in given.declared.shape if names(size) - known]
        if given.name in drawn and free:
            raise plan_error(f"`{given.name}` is drawn, and no data says how long `{free[0]}` is",
                             program.data, help="write a number in its type")  # fmt: skip


def check_statistics(graph: Graph, plan: TrainingPlan) -> None:
    """Refuse steps of one row where a normalization needs statistics over the batch."""
    if min(plan.sizes) > 1:
        return
    for node in graph.nodes:
        if node.operator.needs_many_rows and all(size == 1 for size in node.operands[0].type.shape[1:]):
            message = f"`{node.operator.name}` needs more than one row in a step"
            raise CompileError([Diagnostic.at(node.site, PLAN_ERROR, message,
                                              "use a larger `batch`, or `layernorm`",
                                              text="one value of each feature in a step")])  # fmt: skip


def watched(phase: Phase, part: str) -> set[str]:
    """The figures of a part of the data that decide when a phase ends and which epoch is the best."""
    settings = phase.settings
    paths = settings.until.paths() if settings.until is not None else []
    paths += [settings.early_stop.on] if settings.early_stop is not None else []
    return {path.removeprefix(f"{part}.") for path in paths if path.startswith(f"{part}.")}


def lower_is_better(program: CompiledProgram, phase: Phase) -> bool:
    """Whether a lower value of the figure that early stopping watches is better."""
    stopping, known = phase.settings.early_stop, known_figures(program, phase)
    figure = stopping and find_figure(stopping.figure, known)
    metric = known[figure] if figure else None
    return metric is None or metric.better == "lower"


def never_better(settings: Train) -> CompileError:
    """The error of a training in which no epoch was the best."""
    assert settings.early_stop is not None
    return plan_error(settings.early_stop.never_better, settings,
                      "early_stop", "watch another figure, such as `train.loss`, or give the rows that it "
                      "is measured on what it needs: `auroc` needs some of each class",
                      "E0710")  # fmt: skip


def known_figures(program: CompiledProgram, phase: Phase) -> dict[str, Metric | None]:
    """The figures of an epoch by name, each with its metric, None for losses."""
    types = {o.name: o.declared for o in program.outputs}
    return figures(phase.metrics, types, phase.losses)


def plan_error(message: str, section: Any = None, key: str = "", help: str = "",
               code: str = PLAN_ERROR) -> CompileError:  # fmt: skip
    """An error at a setting of a section, or at the section, if the spec has it."""
    span = section and (section.spans.get(key) or section.span)
    return CompileError.of(code, message, span, help=help)
