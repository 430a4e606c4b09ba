"""The matrix product, `@`."""

from __future__ import annotations

from typing import Any

from dlc.compiler.dims.dim import Size, product, same
from dlc.compiler.operators.base import Example, Operator, Reject
from dlc.compiler.operators.operands import broadcast, mismatch, onnx_repeat, onnx_reshape, onnx_rows
from dlc.compiler.operators.padding import APART, Fill
from dlc.compiler.types import Tensor

VERB = "multiplied as matrices"


class Matmul(Operator):
    """`a @ b`, NumPy's `matmul` on samples (torch `matmul`, ONNX `MatMul`).

    It contracts the last axis of `a` with the second to last of `b`; the axes before them broadcast. A vector
    on the left is a row, a vector on the right a column, and that axis is removed from the result.
    """

    symbol = "@"
    public = False
    takes = "number"
    batchless = True
    mixes = True

    def type(self, a: Tensor, b: Tensor) -> Tensor:
        if not a.rank or not b.rank:
            raise Reject(f"`@` needs at least one axis on both sides, found {a} and {b}",
                         help="`*` multiplies by a single number")  # fmt: skip
        if not same(a.shape[-1], column(b)):
            raise self.unequal(a, b)
        lead = broadcast((a.with_shape(*a.shape[:-2]), b.with_shape(*b.shape[:-2])), VERB)
        rows, columns = a.shape[-2:-1], b.shape[-1:] if b.rank > 1 else ()
        element = "float" if a.is_float or b.is_float else "int64"
        return Tensor(element, (*lead, *rows, *columns), batched=a.batched or b.batched)

    def padding_of(self, place, axis):
        a, b = self.operands
        contracted = a.rank - 1 if place == 0 else max(b.rank - 2, 0)
        return Fill(0) if axis == contracted else APART

    def multiply_adds(self) -> Size:
        return product(self.results[0].shape) * self.operands[0].shape[-1]

    @staticmethod
    def unequal(a: Tensor, b: Tensor) -> Reject:
        found = mismatch((a, b), VERB, a.shape[-1], column(b), a.rank - 1)
        if found.code == "E0203":
            found.help = (
                f"the rows of the first have {a.shape[-1]} entries, the columns of the second {column(b)}"
            )
        if b.rank > 1 and same(a.shape[-1], b.shape[-1]):
            found.help += "; use the `transpose` of the second"
        return found

    @property
    def plain(self) -> bool:
        """True if the whole tensors can be multiplied like the samples: only `a` has a batch axis, or none
        has."""
        a, b = self.operands
        return not b.batched and (b.rank <= 2 or not a.batched)

    def insertions(self) -> tuple[list[int], list[int], list[int]]:
        """The axes to insert into each operand, and those to remove from the result.

        A vector becomes a matrix, so that its batch axis is not taken for rows; then the batch axes of both
        operands are aligned.
        """
        a, b = self.operands
        rank = max(a.rank, b.rank, 2)
        into_a, into_b = (
            [vector] * (x.rank == 1) + [1] * (rank - max(x.rank, 2)) * x.batched
            for x, vector in ((a, -2), (b, -1))
        )
        return into_a, into_b, [axis for x, axis in ((a, -2), (b, -1)) if x.rank == 1]

    def torch(self, F, a, b):
        integer = self.results[0].is_integer  # torch multiplies integer matrices on the CPU only
        if self.plain and not integer:
            return F.matmul(a, b)
        into_a, into_b, drop = self.insertions()
        for axis in into_a:
            a = a.unsqueeze(axis)
        for axis in into_b:
            b = b.unsqueeze(axis)
        y = (a.unsqueeze(-1) * b.unsqueeze(-3)).sum(-2) if integer else F.matmul(a, b)
        for axis in drop:
            y = y.squeeze(axis)
        return y

    def onnx(self, op, a, b):
        left, right = self.operands
        if not (left.batched or right.batched):
            return op.MatMul(a, b)
        if not right.batched and right.rank <= 2:
            return self.onnx_shared(op, a, b)
        if not left.batched and (left.rank, right.rank) == (2, 1) and left.is_float:  # W x = x W^T
            return op.Gemm(b, a, transB=1)
        into_a, into_b, drop = self.insertions()
        for axis in into_a:
            a = op.Unsqueeze(a, op.constant([axis], "int64"))
        for axis in into_b:
            b = op.Unsqueeze(b, op.constant([axis], "int64"))
        rank = max(left.rank, right.rank, 2)
        a = a if left.batched else onnx_repeat(op, a, rank)
        b = b if right.batched else onnx_repeat(op, b, rank)
        y = op.MatMul(a, b)
        return op.Squeeze(y, op.constant(drop, "int64")) if drop else y

    def onnx_shared(self, op: Any, x: Any, matrix: Any) -> Any:
        """The vectors of `x` times a matrix or a vector without a batch axis."""
        have, shared = self.operands
        matrix = op.Unsqueeze(matrix, op.constant([1], "int64")) if shared.rank == 1 else matrix
        if (have.rank, shared.rank) == (1, 2):
            return op.MatMul(x, matrix)
        rows = onnx_rows(op, x, have) if have.rank > 1 else x
        return onnx_reshape(op, op.MatMul(rows, matrix), self.results[0], batch=-1)

    examples = (
        Example("a @ b", ("float[2, 3]", "float[3, 4]"), "float[2, 4]"),
        Example("a @ b", ("float[3]", "float[3]"), "float"),
        Example("a @ b", ("float[3]", "float[3, 4]"), "float[4]"),
        Example("a @ b", ("float[2, 3]", "float[3]"), "float[2]"),
        Example("a @ b", ("float[3]", "float[5, 3, 4]"), "float[5, 4]"),
        Example("a @ b", ("float[5, 2, 3]", "float[3]"), "float[5, 2]"),
        Example("a @ b", ("float[5, 2, 3]", "float[3, 4]"), "float[5, 2, 4]"),
        Example("a @ b", ("float[2, 3]", "float[5, 3, 4]"), "float[5, 2, 4]"),
        Example("a @ b", ("float[5, 1, 2, 3]", "float[4, 3, 2]"), "float[5, 4, 2, 2]"),
        Example("a @ transpose(a)", "float[T, 3]", "float[T, T]"),
        Example("a @ b", ("int64[2, 3]", "bool[3]"), "int64[2]"),
        Example("a @ b", ("float", "float[3]"), rejects="E0201"),
        Example("a @ b", ("float[2, 3]", "float[4, 3]"), rejects="E0203"),
        Example("a @ b", ("float[2, T]", "float[3, 2]"), rejects="E0204"),
        Example("a @ b", ("float[2, 2, 3]", "float[5, 3, 4]"), rejects="E0203"),
    )


def column(b: Tensor) -> Size:
    """The size of the axis that is contracted with the last one of the left operand."""
    return b.shape[-2] if b.rank > 1 else b.shape[0]
