"""Selection along an axis by an index."""

from __future__ import annotations

from dataclasses import replace

from dlc.compiler.definitions.parameter_types import Integer, Nothing, OneOf
from dlc.compiler.dims.dim import Size, same
from dlc.compiler.operators.base import Example, Operator, Reject, setting
from dlc.compiler.operators.operands import DTYPES, WIDER, mismatch, only_axis, onnx_cast
from dlc.compiler.operators.padding import APART, Fill
from dlc.compiler.types import Tensor


class Gather(Operator):
    """The entries of an axis at the indices of each sample (torch `gather`, ONNX `GatherElements`).

    A scalar index takes one entry and removes the axis. An index with one axis takes whole entries, one per
    index. An index with as many axes as `x` takes one value per index; all axes except the gathered one must
    agree (torch `gather`). Indices count from 0. An index out of range, such as class -1 of an unknown value,
    gives 0, or class -1 if `x` holds classes.
    """

    group = "shape"
    keeps = ("numbers",)
    least = 1
    index_operands = (1,)
    takes = "any"
    batchless = True
    usage = """
    input  state: float[4]
    input  action: class(2)
    output worth: float

    state -> dense(2) -> gather(action) -> worth
    """

    axis: int | None = setting(
        "the axis to gather along", OneOf(Integer(), Nothing()), None, shown="the only one"
    )

    def type(self, x: Tensor, index: Tensor) -> Tensor:
        if x.element == "string":
            raise self.number_required(x, 0)
        if not x.rank:
            raise Reject(f"`gather` needs an axis to gather along, found {x}", at="x")
        if index.classes is None and not index.is_integer:
            raise Reject(f"`gather` takes indices, integers or classes, found {index}", at="index",
                         code="E0202", help="write `x -> gather(index, axis=0)`")  # fmt: skip
        axis = only_axis(x, self.axis, "gather")
        if index.rank > 1 and index.rank != x.rank:
            raise Reject(f"`gather` from {x} takes a scalar index, or one of 1 or {x.rank} axes, "
                         f"found {index}",
                         at="index", code="E0203")  # fmt: skip
        if index.rank > 1:
            self.check_others(x, index, axis)
        return replace(x, shape=self.result_shape(x, index, axis))

    def check_others(self, x: Tensor, index: Tensor, axis: int) -> None:
        for other in range(x.rank):
            if other != axis and not same(x.shape[other], index.shape[other]):
                raise mismatch((x, index), f"gathered along axis {axis}", x.shape[other], index.shape[other],
                               other)  # fmt: skip

    @staticmethod
    def result_shape(x: Tensor, index: Tensor, axis: int) -> tuple[Size, ...]:
        if index.rank > 1:
            return index.shape
        return (*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])

    def expanded_index(self) -> tuple[Tensor, list[int], int]:
        """The type of the index with one entry per gathered value; the axes of the whole tensor that are
        inserted for that; and the gathered axis."""
        x, index = self.operands
        axis = only_axis(x, self.axis, "gather")
        if index.rank > 1:
            return index, [], x.axis(axis)
        sizes = x.with_axis(axis, index.shape[0] if index.rank else 1).shape
        inserted = [x.axis(a) for a in range(x.rank) if a != axis or not index.rank]
        return Tensor("int64", sizes, batched=x.batched), inserted, x.axis(axis)

    def fill_value(self) -> int:
        """The value for an index out of range."""
        return -1 if self.operands[0].element == "class" else 0

    def padding_of(self, place, axis):
        gathered = place == 0 and axis == only_axis(self.operands[0], self.axis, "gather")
        return Fill(self.fill_value()) if gathered else APART

    def torch(self, F, x, index):
        have = self.operands[0]
        expanded, inserted, axis = self.expanded_index()
        index = index.long()
        for new in inserted:
            index = F.unsqueeze(index, new)
        batch = [-1] * have.batched
        index = index.expand(*batch, *map(F.size, expanded.shape)) if inserted else index
        valid = (index >= 0) & (index < F.size(have.shape[axis - have.batched]))
        taken = F.gather(x, axis, F.where(valid, index, 0))
        taken = taken & valid if have.element == "bool" else F.where(valid, taken, self.fill_value())
        return taken if self.operands[1].rank else F.squeeze(taken, axis)

    def onnx(self, op, x, index):
        have, given = self.operands
        element, wide = have.element, WIDER.get(have.element, have.element)
        expanded, inserted, axis = self.expanded_index()
        index = index if given.classes else onnx_cast(op, index, given.element, "int64")
        if inserted:
            index = op.Expand(op.Unsqueeze(index, op.constant(inserted, "int64")), op.shape(expanded))
        zero, size = op.constant(0, "int64"), op.size(have.shape[axis - have.batched])
        valid = op.And(op.GreaterOrEqual(index, zero), op.Less(index, size))
        taken = op.GatherElements(onnx_cast(op, x, element, wide), op.Where(valid, index, zero), axis=axis)
        fill = op.constant(self.fill_value(), DTYPES[wide][0])
        taken = onnx_cast(op, op.Where(valid, taken, fill), wide, element)
        return taken if given.rank else op.Squeeze(taken, op.constant([axis], "int64"))

    examples = (
        Example("gather", ("float[3]", "class(3)"), "float"),
        Example("gather", ("float[3]", "class(3)[T]"), "float[T]"),
        Example("gather(axis=0)", ("float[3, 4]", "int64"), "float[4]"),
        Example("gather(0)", ("float[T, 4]", "int64[2]"), "float[2, 4]", low=-3, high=12),
        Example("gather(axis=0)", ("float[T, 4]", "int32[N]"), "float[N, 4]"),
        Example("gather(axis=1)", ("float[2, 5, 3]", "uint8[4]"), "float[2, 4, 3]", low=0, high=6),
        Example("gather(axis=-1)", ("float[T, 4]", "int64[T, 2]"), "float[T, 2]"),
        Example("gather(axis=0)", ("float[3, 4]", "int64[5, 4]"), "float[5, 4]"),
        Example("gather(axis=0)", ("class(3)[T]", "int64[2]"), "class[2]"),
        Example("gather(axis=0)", ("bool[4, 2]", "int64[3]"), "bool[3, 2]"),
        Example("gather", ("int8[4]", "int64[3]"), "int8[3]"),
        Example("gather", ("float[3, 4]", "int64[2]"), rejects="E0405"),
        Example("gather(axis=2)", ("float[3, 4]", "int64[2]"), rejects="E0201"),
        Example("gather", ("float[3]", "float[2]"), rejects="E0202"),
        Example("gather", ("float[3]", "bool[2]"), rejects="E0202"),
        Example("gather", ("string[3]", "int64"), rejects="E0202"),
        Example("gather", ("float", "int64"), rejects="E0201"),
        Example("gather(axis=0)", ("float[3, 4]", "int64[2, 5]"), rejects="E0203"),
        Example("gather(axis=0)", ("float[3, T]", "int64[2, 5]"), rejects="E0204"),
        Example("gather(axis=0)", ("float[3]", "int64[2, 5]"), rejects="E0203"),
    )
