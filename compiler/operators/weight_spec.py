"""The declaration of a weight that an operator owns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.record import record

if TYPE_CHECKING:
    from dlc.compiler.definitions.initializers import Initializer
    from dlc.compiler.dims.dim import Size


@record
class WeightSpec:
    """A weight that an operator owns, under its leaf name (`weight`, `bias`).

    If `initial` is none, the initializer is `auto`: the activation that follows decides. `fans` are fan-in
    and fan-out: the number of operand values per result, and the number of results per operand value. See
    `ir.Weight` for the roles.
    """

    leaf: str
    shape: tuple[Size, ...]
    role: str = "weight"
    initial: Initializer | None = None
    fans: tuple[Size, Size] = (1, 1)
