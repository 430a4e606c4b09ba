"""The sections `step` and `phase` of `train`."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.definition import setting
from dlc.compiler.definitions.parameter_types import Integer
from dlc.compiler.training.initial_state import WeightSelection
from dlc.compiler.training.minimization import Minimization
from dlc.compiler.training.train_section import Train

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
    within: Train | None = None  # the `train` or `phase` around it

    times: int = setting("updates in each round, each on a batch of its own; steps with fewer updates use "
                         "the last batches", Integer(1), 1)  # fmt: skip

    def trains(self, weight: Weight) -> bool:
        frozen = self.within is not None and self.within.freezes(weight)
        return not frozen and weight in self._selection

    @cached_property
    def _selection(self) -> WeightSelection:
        return WeightSelection(self.nets)

    def selected(self) -> Iterator[tuple[Any, Any]]:
        yield from (("step", net) for net in self.nets)
        yield from super().selected()


class PhaseSection(Train):
    """One of several trainings, one after the other: `phase NAME { }`.

    It has every setting of `train`, and `step` too; what it does not write is as in `train` around it. It
    begins with the weights of the phase before it: those of its best epoch if it stops early, else the last.
    Its optimizer and its schedule begin anew. `expect` and the artifact are those of the last phase.
    """

    usage = """
    input  x: float[4]
    output code: float[2]
    output kind: class(3)

    net encoder(x) { return x -> dense(16) -> relu -> dense(2) }
    net decoder(h) { return h -> dense(16) -> relu -> dense(4) }

    h = x -> standardize -> encoder
    h -> code
    h -> relu -> dense(3) -> kind

    data { source = builtin("iris") }

    train {
      phase reconstruct { loss = mse(decoder(h), standardize(x)) }
      phase classify    { loss = cross_entropy(kind)
                          freeze = decoder }
    }
    """

    title: str = ""  # its name, as written
