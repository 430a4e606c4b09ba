"""How often the whole state of a training is kept, to resume it."""

from __future__ import annotations

from dlc.compiler.definitions.definition import Definition, setting
from dlc.compiler.definitions.parameter_types import Integer, Number


class Keeping(Definition, family="keeping", what="how often the state of a training is kept"):
    def due(self, seconds: float, steps: int, epochs: int) -> bool:
        """Whether to keep the state, this long after it was kept last."""
        raise NotImplementedError


class MinutesKeeping(Keeping):
    """Every `n` minutes, after the step that is trained then."""

    usage = "minutes(10)"

    n: float = setting("minutes between two states", Number(above=0))

    def due(self, seconds, steps, epochs):
        return seconds >= 60 * self.n


class EpochsKeeping(Keeping):
    """After every `n` epochs."""

    usage = "epochs(5)"

    n: int = setting("epochs between two states", Integer(1))

    def due(self, seconds, steps, epochs):
        return epochs >= self.n


class StepsKeeping(Keeping):
    """After every `n` steps, also within an epoch."""

    usage = "steps(1000)"

    n: int = setting("steps between two states", Integer(1))

    def due(self, seconds, steps, epochs):
        return steps >= self.n
