"""Numbers that change with the steps of training."""

from __future__ import annotations

from dlc.compiler.definitions.definition import Definition, setting
from dlc.compiler.definitions.parameter_types import Integer, Number


class ChangingNumber(Definition, family="number", what="a changing number"):
    """A number that changes with the steps of training."""


class Ramp(ChangingNumber):
    """A number that changes linearly from `from` to `to` over `steps` steps, and then stays at `to`."""

    usage = """
    input  x: float[4]
    output kind: class(3)

    net student(x) { return x -> dense(16) -> relu -> dense(3) }
    net teacher = average(student, decay=ramp(0.9, 1, 1000))

    x -> student -> kind

    train { loss = cross_entropy(kind) + mse(kind, detach(teacher(x -> gaussian_noise(0.1)))) }
    """

    from_: float = setting("the number at the first step", Number())
    to: float = setting("the number after `steps` steps", Number())
    steps: int = setting("the number of steps between them", Integer(1))

    def at(self, step: int) -> float:
        """The number at a step, counted from 0."""
        share = min(step / self.steps, 1.0)
        return (1 - share) * self.from_ + share * self.to


def number_at(value: float | Ramp, step: int) -> float:
    """A setting that is a number or a ramp, at a step counted from 0."""
    return value.at(step) if isinstance(value, Ramp) else value
