"""What a program trains: phases one after the other, each with objectives that take turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.ir.graph import Value, Weight
    from dlc.compiler.training.gradient_clipping import GradientClip
    from dlc.compiler.training.optimizers import Optimizer
    from dlc.compiler.training.regularizers import Regularizer
    from dlc.compiler.training.schedules import Schedule
    from dlc.compiler.training.train_section import Train


@record(eq=False)
class Objective:
    """What some weights make small, and how they follow its gradient.

    `losses` are the terms of the loss by the output that they are of, where it is a sum over several outputs.
    `learns` names the weights that change. In each round it takes `times` steps, on batches of their own.
    """

    loss: Value
    losses: Mapping[str, tuple[Value, ...]]
    learns: frozenset[str]
    optimizers: tuple[Optimizer, ...]
    schedule: Schedule
    regularize: tuple[Regularizer, ...]
    clip: GradientClip | None
    times: int = 1

    def learnt(self, weights: tuple[Weight, ...]) -> list[Weight]:
        """Those of the weights that change."""
        return [weight for weight in weights if weight.name in self.learns]

    @property
    def recomputes(self) -> bool:
        """Whether a step computes the loss several times."""
        return any(optimizer.recomputes for optimizer in self.optimizers)


@record(eq=False)
class Phase:
    """One training: its settings, and the objectives that take turns in every round of it."""

    settings: Train
    objectives: tuple[Objective, ...]

    @property
    def batches(self) -> int:
        """The batches that a round takes."""
        return self.settings.accumulate * max(objective.times for objective in self.objectives)
