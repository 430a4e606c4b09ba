"""The section `step` of `train`."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.definition import setting
from dlc.compiler.definitions.parameter_types import Integer
from dlc.compiler.training.initial_state import WeightSelection
from dlc.compiler.training.minimization import Minimization

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.ir.graph import Weight


class StepSection(Minimization):
    """One of several updates that take turns within each batch: `step NET { }`, or `step a, b { }`.

    It changes the weights and the running statistics of the nets that it names, and declared weights that it
    names, and no others: no gradient is computed for them, so the loss needs no `detach`. All steps of a
    round use the same batch and the same drawn inputs, each with the weights that the step before it left.
    Its loss is reported as `train.NET.loss`, under the first name, numbered from the second step of that name
    on: `train.NET_2.loss`. Settings that it does not write are those of `train` around it.
    """

    usage = """
    input  x: float[2]
    input  noise: float[4]
    output fake: float[2]

    net generator(z) { return z -> dense(32) -> relu -> dense(2) }
    net critic(x)    { return x -> dense(32) -> leaky_relu -> dense(1) }

    noise -> generator -> fake

    data {
      source = csv("points.csv")
      x      = columns("x0", "x1")
      noise  = normal()
    }

    train {
      optimizer = adam(lr=1e-3, beta1=0.5)
      steps     = 2000

      step critic    { loss = bce(critic(x), 1) + bce(critic(fake), 0) }
      step generator { loss = bce(critic(fake), 1) }
    }
    """

    names: tuple[str, ...] = ()  # of the nets and weights, as written
    title: str = ""  # before its figures: `critic`
    nets: tuple[Any, ...] = ()  # the nets and weights that it names
    frozen: tuple[Any, ...] = ()  # the nets and weights that the section around it freezes

    times: int = setting("updates in each round, each on a batch of its own; steps with fewer updates use "
                         "the last batches", Integer(1), 1)  # fmt: skip

    def trains(self, weight: Weight) -> bool:
        return weight in self._selection and weight not in self._frozen

    @cached_property
    def _selection(self) -> WeightSelection:
        return WeightSelection(self.nets)

    @cached_property
    def _frozen(self) -> WeightSelection:
        return WeightSelection(self.frozen)

    def selected(self) -> Iterator[tuple[Any, Any]]:
        yield from (("step", net) for net in self.nets)
        yield from super().selected()
