"""Operands whose rows differ in length: what an operator declares about their padding."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dlc.compiler.definitions.definition import Reject
from dlc.compiler.operators.given_operands import GivenOperands
from dlc.compiler.operators.padding import APART, Fill

if TYPE_CHECKING:
    from dlc.compiler.operators.padding import Padding


class PaddedOperands(GivenOperands, abstract=True):
    """What passes query about the padding of its operands."""

    symbol: ClassVar[str]
    domain: ClassVar[str]
    spatial: ClassVar[bool]
    # True if entries at different places of its operands never meet, so that padding stays where it is. Where
    # it has a `domain`, padding is filled with 1, so that its gradient stays finite.
    elementwise: ClassVar[bool] = False
    # The number of entries that a row needs along an axis whose padding it leaves out, and along all axes
    # if it is `spatial`.
    least: ClassVar[int] | property = 0
    # True if its result holds nothing (0, class -1, `""`) after the end of each row.
    ends_rows: ClassVar[bool] = False
    # True if it changes only the padding of its operand.
    fills_padding: ClassVar[bool] = False

    def padding_of(self, place: int, axis: int) -> Padding:
        """How it treats the padding of operand `place` along a sample axis on which the rows differ in length
        (`operators/padding.py`). `Reject` if padding would change other entries; this is the default."""
        if self.elementwise:
            return Fill(1) if self.domain else APART
        raise Reject(f"`{self.symbol or self.name}` would mix padding into its result", at=place)

    def least_along(self, place: int, axis: int) -> int:
        """The number of entries that a row needs along a sample axis of operand `place`."""
        return self.least if self.spatial or self.padding_of(place, axis) != APART else 0
