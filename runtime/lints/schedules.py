"""Lint of schedules that are longer than the training. The number of steps depends on the rows."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.diagnostics.problems import CompileError
from dlc.runtime.training import training_plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np

    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data import Dataset


def too_long(
    program: CompiledProgram, data: Dataset, weights: Mapping[str, np.ndarray]
) -> Iterator[Diagnostic]:
    """The training ends before a part of the schedule does."""
    for phase in program.phases:
        with suppress(CompileError):  # is reported when training begins
            plan = training_plan.make(program, phase, data)
            for schedule in {
                objective.schedule.span: objective.schedule for objective in phase.objectives
            }.values():
                name = schedule.delay
                waits = getattr(schedule, name) if name else 0
                if schedule.span is not None and waits >= max(plan.steps, 1):
                    place = Label(schedule.spans.get(name, schedule.span))
                    message = f"`{name}` of `{schedule.name}` is {waits} steps, and training has {plan.steps}"
                    help = f"schedules count steps, and an epoch has {len(plan.rows)}"
                    yield Diagnostic("W0710", message, (place,), help=help)
