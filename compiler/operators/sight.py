"""What the steps of attention see of each other, for passes."""

from __future__ import annotations

from dlc.compiler.record import record


@record
class Sight:
    """What a query step sees of the memory steps. `ahead`: also steps after it. `chosen`: a mask or scores
    say which. `placed`: the result depends on where steps stand, apart from that. Each of the `heads`
    compares `width` features."""

    ahead: bool
    chosen: bool
    placed: bool
    heads: int
    width: int
