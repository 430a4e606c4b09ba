"""Where a function is flat: what operators declare about it."""

from __future__ import annotations

from typing import ClassVar


class FlatEnds:
    """What passes query about the flat parts of a function of one number."""

    # True if it is flat far from 0 on both sides, so that gradients vanish through a deep stack of it.
    saturates: ClassVar[bool] | property = False
    # The values of its results at and below the first of which, and at and above the second, it is flat, so
    # that no gradient flows back. The second is none if it is flat on one side only.
    flat_at: ClassVar[tuple[float, float | None] | None] | property = None
