"""Picking: the greatest entries of an axis, and those whose places are given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dlc.compiler.definitions.parameter_types import Integer, Nothing, OneOf
from dlc.compiler.dims.dim import Size, at_least, same
from dlc.compiler.operators.base import Example, Operator, Reject, setting
from dlc.compiler.operators.operands import DTYPES, NAN_IS_GREATEST, WIDER, mismatch, only_axis, onnx_cast
from dlc.compiler.operators.postprocessing import CLOSE
from dlc.compiler.types import Tensor


class Topk(Operator):
    """The `k` greatest values of the last axis, greatest first, and their places (torch `topk`, ONNX `TopK`).

    Makes two tensors, `values, places = x -> topk(3)`; places are `int64`. Of equal values the first comes
    first.
    """

    group = "shape"
    keeps = ("numbers",)
    takes = "number"
    batchless = True
    differs_on_nan = NAN_IS_GREATEST
    usage = """
    input  x: float[8]
    output y: float[3]

    values, places = x -> topk(3)
    values -> y
    """

    k: int = setting("how many", Integer(1))

    def type(self, x: Tensor) -> tuple[Tensor, ...]:
        if not x.rank:
            raise Reject(f"`topk` looks along the last axis, found {x}", at="x")
        size = x.shape[-1]
        if not at_least(size, self.k):
            if isinstance(size, int):
                raise Reject(f"there are no {self.k} values along the last axis of {x}", at="k", code="E0404",
                             help=f"`k` is at most {size}")  # fmt: skip
            raise Reject(f"that the last axis of {x} has {self.k} values cannot be proved", at="k",
                         code="E0204", help=f"its size is `{size}`")  # fmt: skip
        values = x.with_axis(-1, self.k)
        return values, values.with_element("int64")

    def torch(self, F, x):
        ordered = F.sort(x, dim=-1, descending=True, stable=True)
        return ordered[0][..., : self.k], ordered[1][..., : self.k]

    def onnx(self, op, x):
        return op.TopK(x, op.constant([self.k], "int64"), axis=-1, largest=1, sorted=1, outputs=2)

    def slack(self, np):
        """Any will do where the next before or after it is as good as equal."""

        def of(x: Any) -> Any:
            ordered = -np.sort(-x.astype(np.float64), axis=-1)
            with np.errstate(invalid="ignore"):
                tied = ordered[..., :-1] - ordered[..., 1:] <= CLOSE * np.maximum(
                    1, np.abs(ordered[..., :-1])
                )
            apart = np.zeros((*x.shape[:-1], 1), bool)
            tied = np.concatenate([apart, tied], -1) | np.concatenate([tied, apart], -1)
            return np.where(tied, np.inf, 0)[..., : self.k]

        return of

    examples = (
        Example("topk(2)", "float[5]", ("float[2]", "int64[2]")),
        Example("topk(k=4)", "float[4]", ("float[4]", "int64[4]")),
        Example("topk(3)", "float[T, 4]", ("float[T, 3]", "int64[T, 3]")),
        Example("topk(1)", "float[T]", ("float[1]", "int64[1]")),
        Example("topk(3)", "float[2, T + 2]", ("float[2, 3]", "int64[2, 3]")),
        Example("topk(3)", "int64[6]", ("int64[3]", "int64[3]")),
        Example("topk(3)", "bool[6]", ("int64[3]", "int64[3]")),
        Example("topk(6)", "float[5]", rejects="E0404"),
        Example("topk(2)", "float[T]", rejects="E0204"),
        Example("topk(0)", "float[5]", rejects="E0403"),
        Example("topk(1)", "float", rejects="E0201"),
        Example("topk(1)", "class(3)[4]", rejects="E0202"),
    )


class Gather(Operator):
    """The entries of an axis whose places the index says, each sample by its own (torch `gather`, ONNX
    `GatherElements`).

    An index of one place takes one entry, and the axis is gone; one of a single axis takes whole entries, as
    many as it has; one of as many axes as `x` takes one value for each of its own, and all axes but the one
    looked along agree (torch `gather`). Places count from 0. One that is not there, as class -1, which
    is none of the classes, takes 0; class -1 where classes are taken.
    """

    group = "shape"
    keeps = ("numbers",)
    takes = "any"
    usage = """
    input  state: float[4]
    input  action: class(2)
    output worth: float

    state -> dense(2) -> gather(action) -> worth
    """

    axis: int | None = setting(
        "the axis to look along", OneOf(Integer(), Nothing()), None, shown="the only one"
    )

    def type(self, x: Tensor, index: Tensor) -> Tensor:
        if x.element == "string":
            raise self.no_number(x, 0)
        if not x.rank:
            raise Reject(f"`gather` needs an axis to look along, found {x}", at="x")
        if index.classes is None and not index.is_integer:
            raise Reject(f"`gather` takes places, whole numbers or classes, found {index}", at="index",
                         code="E0202", help="write `x -> gather(places, axis=0)`")  # fmt: skip
        axis = only_axis(x, self.axis, "gather")
        if index.rank > 1 and index.rank != x.rank:
            raise Reject(f"`gather` from {x} takes an index of {x.rank} axes, of one or of none, "
                         f"found {index}",
                         at="index", code="E0203")  # fmt: skip
        if index.rank > 1:
            self.check_others(x, index, axis)
        return replace(x, shape=self.made(x, index, axis))

    def check_others(self, x: Tensor, index: Tensor, axis: int) -> None:
        for other in range(x.rank):
            if other != axis and not same(x.shape[other], index.shape[other]):
                raise mismatch((x, index), f"gathered along axis {axis}", x.shape[other], index.shape[other],
                               other)  # fmt: skip

    @staticmethod
    def made(x: Tensor, index: Tensor, axis: int) -> tuple[Size, ...]:
        if index.rank > 1:
            return index.shape
        return (*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])

    def spread(self) -> tuple[Tensor, list[int], int]:
        """The index as it is looked up: a place for each value taken; the axes of the whole tensor that it
        lacks; and the axis looked along."""
        x, index = self.operands
        axis = only_axis(x, self.axis, "gather")
        if index.rank > 1:
            return index, [], axis + 1
        sizes = x.with_axis(axis, index.shape[0] if index.rank else 1).shape
        lacking = [a + 1 for a in range(x.rank) if a != axis or not index.rank]
        return Tensor("int64", sizes), lacking, axis + 1

    def nothing(self) -> int:
        """What is taken from a place that is not there."""
        return -1 if self.operands[0].element == "class" else 0

    def torch(self, F, x, index):
        have = self.operands[0].element
        spread, lacking, axis = self.spread()
        index = index.long()
        for new in lacking:
            index = F.unsqueeze(index, new)
        index = index.expand(-1, *map(F.size, spread.shape)) if lacking else index
        there = (index >= 0) & (index < F.size(self.operands[0].shape[axis - 1]))
        taken = F.gather(x, axis, F.where(there, index, 0))
        taken = taken & there if have == "bool" else F.where(there, taken, self.nothing())
        return taken if self.operands[1].rank else F.squeeze(taken, axis)

    def onnx(self, op, x, index):
        element = self.operands[0].element
        held = WIDER.get(element, element)
        spread, lacking, axis = self.spread()
        have = self.operands[1]
        index = index if have.classes else onnx_cast(op, index, have.element, "int64")
        if lacking:
            index = op.Expand(op.Unsqueeze(index, op.constant(lacking, "int64")), op.shape(spread))
        zero, size = op.constant(0, "int64"), op.size(self.operands[0].shape[axis - 1])
        there = op.And(op.GreaterOrEqual(index, zero), op.Less(index, size))
        taken = op.GatherElements(onnx_cast(op, x, element, held), op.Where(there, index, zero), axis=axis)
        nothing = op.constant(self.nothing(), DTYPES[held][0])
        taken = onnx_cast(op, op.Where(there, taken, nothing), held, element)
        return taken if self.operands[1].rank else op.Squeeze(taken, op.constant([axis], "int64"))

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
