"""The section `step` of `train`."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.definition import setting
from dlc.compiler.definitions.parameter_types import Integer, Reject
from dlc.compiler.diagnostics.quoting import listed
from dlc.compiler.training.initial_state import WeightSelection
from dlc.compiler.training.minimization import Minimization

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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

    # `step` is its title, before its figures: `critic`. `named` are the nets and weights that it names.
    is_taken: bool = False  # by a phase without steps, from the `train` around it
    frozen: tuple[Any, ...] = ()  # the nets and weights that the section around it freezes

    times: int = setting(
        "updates in each round, each on a batch of its own; steps with fewer updates use the last batches. "
        "The last round of an epoch may have fewer",
        Integer(1), 1,
    )  # fmt: skip

    def trains(self, weight: Weight) -> bool:
        return weight in self._selection and weight not in self._frozen

    @cached_property
    def _selection(self) -> WeightSelection:
        return WeightSelection(self.named.values())

    @cached_property
    def _frozen(self) -> WeightSelection:
        return WeightSelection(self.frozen)

    def selected(self) -> Iterator[tuple[Any, Any]]:
        yield from ((place_of(name), net) for name, net in self.named.items())
        yield from super().selected()

    def takes(self, key: Any) -> str:
        return "a step names nets and" if isinstance(key, str) else super().takes(key)

    def check_shares(self, free: Sequence[Weight], minimizes: bool) -> None:
        """Reject a step whose nets are frozen, and optimizers of nets that it does not train."""
        for name, net in self.named.items():
            frozen = getattr(net, "net", None) in self._frozen.nets or net in self._frozen.values
            if not free or (frozen and not self.is_taken):
                why = "`freeze` names it" if frozen else "it has no trainable weights"
                raise Reject(f"this step cannot train `{name}`: {why}", at=place_of(name), code="E0408",
                             help="leave it out of the step, or out of `freeze`")  # fmt: skip
        if self.is_taken:
            return
        for optimizer in self.optimizer if self.own("optimizer") else ():
            for on in optimizer.on:
                if not any(w in WeightSelection((on,)) for w in free):
                    name = getattr(on, "net", None) or on.name
                    raise Reject(f"the step trains {listed(self.named)}, and not `{name}`", at=optimizer,
                                 code="E0408", help="leave `on=` out, or name it: "
                                                    f"`step {', '.join(self.named)}, {name}`")  # fmt: skip
        super().check_shares(free, minimizes)


def place_of(name: str) -> str:
    """The key of a name of a step among the spans of its settings."""
    return f"step {name}"
