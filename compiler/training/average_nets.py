"""Nets whose weights are moving averages of the weights of other nets."""

from __future__ import annotations

from typing import Any

from dlc.compiler.definitions.definition import Definition, Reject, setting
from dlc.compiler.definitions.parameter_types import MemberOf, Number, OneOf
from dlc.compiler.training.initial_state import Net
from dlc.compiler.training.ramp import Ramp


class Decay(OneOf):
    """A number from 0 to 1, or a ramp between two such numbers."""

    def __init__(self) -> None:
        super().__init__(Number(minimum=0, maximum=1), MemberOf("number", "a `ramp` between two of them"))

    def accept(self, value: Any) -> Any:
        accepted = super().accept(value)
        for end in (accepted.from_, accepted.to) if isinstance(accepted, Ramp) else ():
            if not 0 <= end <= 1:
                raise Reject(f"a decay is between 0 and 1, and this ramp reaches {end:g}", code="E0403")
        return accepted


class DerivedNet(Definition, family="net", what="an average net"):
    """A net that is made of another net."""


class Average(DerivedNet):
    """A net with the layers of another net, and with moving averages of its weights.

    It starts as the net does, after `weights` are loaded. After each optimizer step that changes the net,
    `average = decay * average + (1 - decay) * weight`, and running statistics and fitted values are copied
    (torch `AveragedModel`). No optimizer trains the averages, and `ema` does not change them; gradients pass
    through to what flows in. In training, its norms use the batch and its dropout is active. The nets and the
    declared weights that the net uses are averaged for it too.
    """

    usage = """
    input  x: float[4]
    output kind: class(3)

    net student(x) { return x -> dense(16) -> relu -> dense(3) }
    net teacher = average(student, decay=0.99)

    noisy = x -> gaussian_noise(0.1)
    noisy -> student -> kind

    train { loss = cross_entropy(kind) + mse(softmax(student(noisy)), detach(softmax(teacher(x)))) }
    """

    net: Any = setting("the net whose weights are averaged", Net())
    decay: float | Ramp = setting("the share of the average that is kept in each step", Decay(), 0.99,
                                  usual=(0.5, 1))  # fmt: skip
