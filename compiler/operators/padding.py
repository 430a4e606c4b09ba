"""Sequences of varying length: what operators do with padding, and masks of the steps of each row.

In a batch of rows of different length, an axis has the length of the longest row. The steps after the end
of a row are its padding. `Operator.padding_of` says how an operator treats it, for one axis of one operand:

- `APART`: what stands in the padding never reaches another entry.
- `Fill(value)`: the result is right if the padding holds this number, or a copy of the last step of the row.
- `LENGTHS`: its forms take the lengths of the rows, as the keyword `lengths`.
- `IGNORE`: a loss; padding counts as ignored entries of its operand.
"""

from __future__ import annotations

from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Any, Literal

from dlc.compiler.dims.dim import product
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.compiler.dims.dim import Size
    from dlc.compiler.operators.given_operands import GivenOperands
    from dlc.compiler.types import Tensor

MOST = (2 - 2**-23) * 2.0**127  # the largest finite number of float32
Named = Literal["lowest", "highest", "last"]


@record
class Fill:
    """Padding that holds a number: the lowest or the highest of its element, or a copy of the last step.
    With `lengths` the operator takes the lengths of the rows too."""

    value: float | Named
    lengths: bool = False

    @property
    def is_extreme(self) -> bool:
        """Whether it is so large a number that the padding of results is filled again."""
        return self.value in ("lowest", "highest")

    def number(self, element: str) -> float | int | bool:
        """The number as a value of this element."""
        if not self.is_extreme:
            return {"bool": bool, "float": float}.get(element, int)(self.value)
        if element == "bool":
            return self.value == "highest"
        from dlc.compiler.operators.operands import RANGES

        low, high = RANGES.get(element, (-MOST, MOST))
        return low if self.value == "lowest" else high


APART, LENGTHS, IGNORE = "apart", "lengths", "ignore"
Padding = Literal["apart", "lengths", "ignore"] | Fill


# --- forms ------------------------------------------------------------------------------------------------


def torch_mask(F: Any, lengths: Any, steps: Any, axis: int, rank: int) -> Any:
    """True before the end of each row: a tensor that broadcasts to a batch of samples of this rank, whose
    sample axis `axis` has `steps` entries."""
    places = lengths.new_ones((steps,)).cumsum(0)
    return torch_on_axis(places.unsqueeze(0) <= lengths.unsqueeze(1), axis, rank)


def onnx_mask(op: Any, lengths: Any, type: Tensor, axis: int) -> Any:
    """The same in ONNX, for a batch of samples of this type."""
    places = onnx_places(op, type.shape[axis])
    steps = op.constant([-1, *[1] * (type.rank - axis - 1)], "int64")
    rows = op.constant([-1, *[1] * type.rank], "int64")
    return op.Less(op.Reshape(places, steps), op.Reshape(lengths, rows))


def torch_within(F: Any, operator: GivenOperands, lengths: Any) -> Any:
    """True before the end of each row, along all axes of the first operand that have these lengths: a tensor
    that broadcasts to it."""
    have = operator.operands[0]
    return reduce(and_, [torch_mask(F, lengths, F.size(have.shape[axis]), axis, have.rank)
                         for axis in operator.varying(have)])  # fmt: skip


def torch_zeroed(F: Any, operator: GivenOperands, x: Any, lengths: Any) -> Any:
    """Values in the shape of the first operand, with 0 in their padding."""
    return x.where(torch_within(F, operator, lengths), 0)


def onnx_zeroed(op: Any, operator: GivenOperands, x: Any, lengths: Any) -> Any:
    """The same in ONNX, for floats."""
    have = operator.operands[0]
    for axis in operator.varying(have):
        x = op.Where(onnx_mask(op, lengths, have, axis), x, op.constant(0, "float32"))
    return x


def counted(operator: GivenOperands, axes: Iterable[int]) -> tuple[Size, int]:
    """The number of values of a row in these axes of the first operand: a size, and the power of the length
    by which it is multiplied."""
    have = operator.operands[0]
    varying = [axis for axis in axes if axis in operator.varying(have)]
    return product(have.shape[axis] for axis in axes if axis not in varying), len(varying)


def torch_counts(F: Any, operator: GivenOperands, axes: Iterable[int], lengths: Any, rank: int) -> Any:
    """The number of values of each row in these axes, at least 1, for a batch of results of this rank."""
    size, power = counted(operator, axes)
    counts = (lengths**power * F.size(size)).clamp(min=1)
    for _ in range(rank):
        counts = counts.unsqueeze(-1)
    return counts


def onnx_counts(op: Any, operator: GivenOperands, axes: Iterable[int], lengths: Any, rank: int) -> Any:
    """The same in ONNX, as float32."""
    size, power = counted(operator, axes)
    counts = op.Max(reduce(op.Mul, [lengths] * power, op.size(size)), op.constant(1, "int64"))
    return op.Cast(op.Reshape(counts, op.constant([-1, *[1] * rank], "int64")), to=1)


def torch_take(F: Any, x: Any, places: Any, axis: int, rank: int) -> Any:
    """The entries of a sample axis at the places of each row, int64 [batch, entries]."""
    return F.take_along_dim(x, torch_on_axis(places, axis, rank), axis + 1)


def onnx_take(op: Any, x: Any, places: Any, axis: int, made: Tensor) -> Any:
    """The same in ONNX; `made` is the type of the result."""
    places = op.Expand(onnx_on_axis(op, places, axis, made.rank), op.shape(made))
    return op.GatherElements(x, places, axis=axis + 1)


def torch_on_axis(x: Any, axis: int, rank: int) -> Any:
    """`[batch, entries]` for the entries of a sample axis: with axes of size 1 in place of the other ones."""
    for _ in range(axis):
        x = x.unsqueeze(1)
    for _ in range(rank - axis - 1):
        x = x.unsqueeze(-1)
    return x


def onnx_on_axis(op: Any, x: Any, axis: int, rank: int) -> Any:
    """The same in ONNX."""
    others = [a + 1 for a in range(rank) if a != axis]
    return op.Unsqueeze(x, op.constant(others, "int64")) if others else x


def onnx_column(op: Any, lengths: Any) -> Any:
    """Lengths as a column [batch, 1]."""
    return op.Unsqueeze(lengths, op.constant([1], "int64"))


def onnx_range(op: Any, count: Any) -> Any:
    """0, 1, ... up to an int64 scalar."""
    return op.Range(op.constant(0, "int64"), count, op.constant(1, "int64"))


def onnx_places(op: Any, count: Any) -> Any:
    """0, 1, ... up to a size."""
    return onnx_range(op, op.size(count))
