"""Numbers that change with the steps of training."""

from __future__ import annotations

from typing import Any

from dlc.compiler.definitions.definition import Definition, setting
from dlc.compiler.definitions.parameter_types import Integer, MemberOf, Number
from dlc.compiler.operators.arithmetic import Constant
from dlc.compiler.operators.base import Operator
from dlc.compiler.types import Tensor


class ChangingNumber(Definition, family="number", what="a changing number"):
    """A number that changes with the steps of training."""


class Ramp(ChangingNumber):
    """A number that changes linearly from `from` to `to` over `steps` steps, and then stays at `to`.

    In a loss it is counted in the steps of the phase, and it is `to` in validation and after training.
    """

    usage = """
    input  x: float[8]
    output again: float[8]

    h      = x -> dense(16) -> relu
    center = h -> dense(2)
    spread = h -> dense(2)
    sample_normal(center, exp(spread / 2)) -> dense(16) -> relu -> dense(8) -> again

    train { loss = mse(again, x) + ramp(0, 0.1, 1000) * kl_normal(center, spread) }
    """

    from_: float = setting("the number at the first step", Number())
    to: float = setting("the number after `steps` steps", Number())
    steps: int = setting("the number of steps between them", Integer(1))

    def at(self, step: int) -> float:
        """The number at a step, counted from 0."""
        return self.between(min(step / self.steps, 1.0))

    def between(self, share: Any) -> Any:
        """The number after a share of the steps, from 0 to 1, which may be a tensor."""
        return (1 - share) * self.from_ + share * self.to


class NumberAtStep(Operator):
    """A number that changes with the steps, as a factor in a loss. Outside of training it is the last one."""

    name = "ramp"
    public = False
    batchless = True
    training_only = True
    moves = True

    number: Any = setting("the number", MemberOf("number"))

    def type(self) -> Tensor:
        return Tensor("float", batched=False)

    def torch(self, F):
        return self.number.between((F.step / self.number.steps).clamp(max=1.0))

    def inference(self):
        return Constant(value=self.number.to)


def number_at(value: float | Ramp, step: int) -> float:
    """A setting that is a number or a ramp, at a step counted from 0."""
    return value.at(step) if isinstance(value, Ramp) else value
