"""Training of a program: a sequence of phases, each with objectives that take turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.ir.graph import Value, Weight
    from dlc.compiler.training.gradient_clipping import GradientClip
    from dlc.compiler.training.metrics import Metric
    from dlc.compiler.training.minimization import Minimization
    from dlc.compiler.training.optimizers import Optimizer
    from dlc.compiler.training.regularizers import Regularizer
    from dlc.compiler.training.schedules import Schedule
    from dlc.compiler.training.train_section import Train


@record(eq=False)
class Objective:
    """A loss, the weights that minimize it, and their optimizers.

    `losses` are reported beside the loss: for each figure, the terms of its sum. `learns` are the names of
    the trained weights, and `updates` those of the running statistics that its steps update; `freezes` those
    of statistics that are used in place of those of the batch.
    """

    settings: Minimization
    loss: Value
    losses: Mapping[str, tuple[Value, ...]]
    learns: frozenset[str]
    updates: frozenset[str]
    freezes: frozenset[str]

    @property
    def step(self) -> str:
        """The title of its step; empty without `step` sections."""
        return self.settings.step

    @property
    def times(self) -> int:
        """The updates in each round, each on its own batch."""
        return self.settings.times

    @property
    def figure(self) -> str:
        """The name under which the loss is reported: `loss`, or `critic.loss`."""
        return loss_figure(self.step)

    @property
    def optimizers(self) -> tuple[Optimizer, ...]:
        return self.settings.optimizer

    @property
    def schedule(self) -> Schedule:
        return self.settings.schedule

    @property
    def regularize(self) -> tuple[Regularizer, ...]:
        return self.settings.regularize

    @property
    def clip(self) -> GradientClip | None:
        return self.settings.clip

    def trained(self, weights: tuple[Weight, ...]) -> list[Weight]:
        """The weights that it trains."""
        return [weight for weight in weights if weight.name in self.learns]

    @property
    def recomputes(self) -> bool:
        """Whether a step evaluates the loss several times."""
        return any(optimizer.recomputes for optimizer in self.optimizers)


@record(eq=False)
class Phase:
    """A phase of training: its settings, the objectives that take turns in each round, and the metrics, as
    pairs of an output name and a metric in display order. Without `phase` sections it has no name."""

    name: str
    settings: Train
    objectives: tuple[Objective, ...]
    metrics: tuple[tuple[str, Metric], ...]

    @property
    def losses(self) -> list[str]:
        """The names of the losses that it reports."""
        return [figure for o in self.objectives for figure in (o.figure, *o.losses)]

    @property
    def batches(self) -> int:
        """The number of batches per round."""
        return self.settings.accumulate * max(objective.times for objective in self.objectives)


def loss_figure(step: str) -> str:
    """The name under which the loss of a step is reported; `step` is empty without steps."""
    return f"{step}.loss" if step else "loss"


def title_of(phase: str, step: str) -> str:
    """`phase classify, step encoder`, of the names of a phase and of a step, which may be empty."""
    return ", ".join(f"{what} {name}" for what, name in (("phase", phase), ("step", step)) if name)
