"""What each step and each phase trains: in the table below the network, and as marks in the picture."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dlc.compiler.definitions.definition import spell_value
from dlc.compiler.diagnostics.quoting import listed
from dlc.compiler.passes.cost import spell, summed, weight_size
from dlc.compiler.passes.learners import in_words
from dlc.compiler.passes.specialize import changed
from dlc.compiler.record import record
from dlc.compiler.training.phases import title_of
from dlc.compiler.training.schedules import ConstantSchedule
from dlc.show.columns import columns

if TYPE_CHECKING:
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.phases import Objective, Phase

HEAD = ("phase", "step", "trains", "parameters", "freezes", "loss", "optimizer")
PARAMETERS = 3
MAX_LOSS = 70  # characters of a loss


@record(eq=False)
class TrainedPart:
    """One step or phase, as it is shown. `weights` are the names of the weights that it trains."""

    title: str
    phase: str
    step: str
    trains: str
    parameters: str
    freezes: str
    loss: str
    optimizer: str
    weights: frozenset[str]

    @property
    def row(self) -> tuple[str, ...]:
        return (self.phase, self.step, self.trains, self.parameters, self.freezes, self.loss,
                self.optimizer)  # fmt: skip

    @property
    def words(self) -> str:
        """`trains dense, freezes encoder: cross_entropy(kind)`."""
        freezes = f", freezes {self.freezes}" if self.freezes else ""
        return f"trains {self.trains}{freezes}: {self.loss}"


def trained_parts(program: CompiledProgram) -> list[TrainedPart]:
    """The steps and phases in the order of training; none if the file has one loss without them."""
    pairs = [(phase, objective) for phase in program.phases for objective in phase.objectives]
    return [trained_part(program, *pair) for pair in pairs if pair[0].name or pair[1].step]


def trained_part(program: CompiledProgram, phase: Phase, objective: Objective) -> TrainedPart:
    weights = changed(program, objective)
    frozen = dict.fromkeys(getattr(each, "net", None) or each.name for each in phase.settings.freeze)
    times = f" (\u00d7 {objective.times})" if objective.times > 1 else ""
    return TrainedPart(
        title=title_of(phase.name, objective.step), phase=phase.name, step=f"{objective.step}{times}",
        trains=in_words(program, objective, "{}"), parameters=spell(summed(map(weight_size, weights))),
        freezes=listed(frozen, "{}"), loss=written_loss(program, phase, objective),
        optimizer=optimizer_of(objective), weights=frozenset(weight.name for weight in weights),
    )  # fmt: skip


def written_loss(program: CompiledProgram, phase: Phase, objective: Objective) -> str:
    """The loss as written, on one line."""
    spans = (each.spans.get("loss") for each in (objective.settings, phase.settings, program.train))
    span = next(filter(None, spans), None)
    if span is None:
        return "as the outputs imply"
    written = " ".join(re.sub(r"#.*", "", span.text).split())
    return written if len(written) <= MAX_LOSS else f"{written[: MAX_LOSS - 4]} ..."


def optimizer_of(objective: Objective) -> str:
    shown = ", ".join(map(spell_value, objective.optimizers))
    shown = f"[{shown}]" if len(objective.optimizers) > 1 else shown
    is_constant = isinstance(objective.schedule, ConstantSchedule)
    return shown if is_constant else f"{shown}, {spell_value(objective.schedule)}"


def objectives_table(program: CompiledProgram) -> str:
    """A row for each step and phase; empty without them."""
    rows = [part.row for part in trained_parts(program)]
    return columns(HEAD, rows, (PARAMETERS,)) if rows else ""
