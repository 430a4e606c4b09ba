"""Sequences of varying length: what operators do with padding, and masks of the steps of each row.

In a batch of rows of different length, an axis has the length of the longest row. The steps after the end
of a row are its padding. `Operator.padding_of` says how an operator treats it, for one axis of one operand:

- `APART`: what stands in the padding never reaches another entry.
- `Fill(value)`: the result is right if the padding holds this number, or a copy of the last step of the row.
- `LENGTHS`: its forms take the lengths of the rows, as the keyword `lengths`.
- `IGNORE`: a loss; padding counts as ignored entries of its operand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from dlc.compiler.definitions.parameter_types import LARGEST_FLOAT
from dlc.compiler.record import record

if TYPE_CHECKING:
    from dlc.compiler.types import Tensor

Named = Literal["lowest", "highest", "last"]


@record
class Fill:
    """Padding that holds a number: the lowest or the highest of its element, or a copy of the last step.
    With `lengths` the operator takes the lengths of the rows too."""

    value: float | Named
    lengths: bool = False

    def number(self, element: str) -> float | int | bool:
        """The number as a value of this element."""
        if self.value not in ("lowest", "highest"):
            return {"bool": bool, "float": float}.get(element, int)(self.value)
        if element == "bool":
            return self.value == "highest"
        from dlc.compiler.operators.operands import RANGES

        low, high = RANGES.get(element, (-LARGEST_FLOAT, LARGEST_FLOAT))
        return low if self.value == "lowest" else high


APART, LENGTHS, IGNORE = "apart", "lengths", "ignore"
Padding = Literal["apart", "lengths", "ignore"] | Fill


def torch_mask(F: Any, lengths: Any, steps: Any, axis: int, rank: int) -> Any:
    """True before the end of each row: a tensor that broadcasts to a batch of samples of this rank, whose
    sample axis `axis` has `steps` entries."""
    places = lengths.new_ones((steps,)).cumsum(0)
    mask = places.unsqueeze(0) <= lengths.unsqueeze(1)
    for _ in range(axis):
        mask = mask.unsqueeze(1)
    for _ in range(rank - axis - 1):
        mask = mask.unsqueeze(-1)
    return mask


def onnx_mask(op: Any, lengths: Any, type: Tensor, axis: int) -> Any:
    """The same in ONNX, for a batch of samples of this type."""
    places = op.Range(op.constant(0, "int64"), op.size(type.shape[axis]), op.constant(1, "int64"))
    steps = op.constant([-1, *[1] * (type.rank - axis - 1)], "int64")
    rows = op.constant([-1, *[1] * type.rank], "int64")
    return op.Less(op.Reshape(places, steps), op.Reshape(lengths, rows))
