"""What an operator says of a weight that it owns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.record import record

if TYPE_CHECKING:
    from dlc.compiler.definitions.initializers import Initializer
    from dlc.compiler.dims.dim import Size


@record
class WeightSpec:
    """A weight that an operator owns, under its leaf name (`weight`, `bias`).

    `initial` none means `auto`: chosen from what follows. `fans` is the number of values that one result
    depends on, and the number of results that one value reaches. See `ir.Weight` for the roles.
    """

    leaf: str
    shape: tuple[Size, ...]
    role: str = "weight"
    initial: Initializer | None = None
    fans: tuple[Size, Size] = (1, 1)
