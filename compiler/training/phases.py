"""Training of a program: a sequence of phases, each with objectives that take turns."""

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
    """A loss, the weights that minimize it, and their optimizers.

    `losses` are reported beside the whole loss: for each figure, the terms of its sum. `learns` are the names
    of the trained weights. In each round it takes `times` steps, each on its own batch.
    """

    loss: Value
    losses: Mapping[str, tuple[Value, ...]]
    learns: frozenset[str]
    optimizers: tuple[Optimizer, ...]
    schedule: Schedule
    regularize: tuple[Regularizer, ...]
    clip: GradientClip | None
    times: int = 1

    def trained(self, weights: tuple[Weight, ...]) -> list[Weight]:
        """The weights that it trains."""
        return [weight for weight in weights if weight.name in self.learns]

    @property
    def recomputes(self) -> bool:
        """Whether a step evaluates the loss several times."""
        return any(optimizer.recomputes for optimizer in self.optimizers)


@record(eq=False)
class Phase:
    """A phase of training: its settings, and the objectives that take turns in each round."""

    settings: Train
    objectives: tuple[Objective, ...]

    @property
    def batches(self) -> int:
        """The number of batches per round."""
        return self.settings.accumulate * max(objective.times for objective in self.objectives)
