"""Operators on sequences, with the steps on the first axis of the sample."""

from __future__ import annotations

from dataclasses import replace

from dlc.compiler.definitions.parameter_types import Integer
from dlc.compiler.dims.dim import number
from dlc.compiler.operators.base import Example, Reject, setting
from dlc.compiler.operators.indexing import END
from dlc.compiler.operators.operands import DTYPES, WIDER, onnx_cast
from dlc.compiler.operators.padding import APART, Fill
from dlc.compiler.operators.recent_steps import FirstStep, over_recent
from dlc.compiler.operators.shape import ShapeOperator
from dlc.compiler.operators.step_order import on_axis
from dlc.compiler.operators.stepwise import ALONE
from dlc.compiler.types import Classes, Tensor

FARTHEST = 10**6


def need_steps(x: Tensor, what: str) -> None:
    if not x.rank:
        raise Reject(f"`{what}` needs a sequence, with its steps on axis 0, found {x}", at="x")


class Last(ShapeOperator):
    """The last step, on axis 0 of the sample (torch `select`, ONNX `Gather`)."""

    group = "shape"
    least = 1

    def type(self, x: Tensor) -> Tensor:
        need_steps(x, self.name)
        return x.with_shape(*x.shape[1:])

    def padding_of(self, place, axis):
        return Fill("last") if axis == 0 else APART

    def torch(self, F, x):
        return F.select(x, self.operands[0].axis(0), -1)

    def onnx(self, op, x):
        return op.Gather(x, op.constant(-1, "int64"), axis=self.operands[0].axis(0))

    examples = (
        Example("last", "float[5, 4]", "float[4]"),
        Example("last", "float[T, 4]", "float[4]"),
        Example("last", "float[T]", "float"),
        Example("last", "float[T, 2, 3]", "float[2, 3]"),
        Example("last", "class(3)[T]", "class"),
        Example("last", "bool[4]", "bool"),
        Example("last", "float", rejects="E0201"),
    )


class Shift(ShapeOperator):
    """Moves each step `by` steps later along axis 0, or earlier if `by` is negative (torch `pad` and
    indexing, ONNX `Concat` and `Slice`).

    The number of steps stays the same: steps moved past the end are dropped, and new steps are 0 (false for
    booleans). For class values new steps are a start symbol, an additional class with the last index.
    """

    keeps = ("numbers", "axes", "missing")
    group = "shape"
    tells_places = True
    by: int = setting("number of steps", Integer(-FARTHEST, FARTHEST), 1)

    def type(self, x: Tensor) -> Tensor:
        need_steps(x, self.name)
        if x.element == "string":
            raise self.number_required(x, 0)
        steps = x.shape[0]
        if isinstance(steps, int) and abs(self.by) >= steps:
            raise Reject(f"a shift by {self.by} drops all of {x}, which has {steps} steps", at="by",
                         code="E0209", help="shift by fewer steps")  # fmt: skip
        if x.classes is None:
            return x
        return replace(x, classes=Classes(x.classes.count + 1))

    @property
    def delays(self) -> bool:
        return self.by > 0

    def stepwise(self, changing, steps):
        if not self.by or not on_axis(steps, self.operands[0], 0):
            return ALONE
        if self.by < 0:
            raise Reject("it reads later steps", at="by", help="a positive number shifts to later steps")
        first = FirstStep().bind(self.operands[0].with_axis(0, self.by + 1))
        return over_recent(first, self.operands[0], 0, self.by, self.start())

    def start(self) -> int:
        """The value of new steps."""
        classes = self.operands[0].classes
        return 0 if classes is None else number(classes.count)

    def padding_of(self, place, axis):
        return Fill(self.start()) if axis == 0 and self.by < 0 else APART

    def kept(self) -> tuple[int, int]:
        """The start and the end of the result in the padded operand."""
        return (0, -self.by) if self.by > 0 else (-self.by, END)

    def torch(self, F, x):
        have, pads = self.operands[0], [max(self.by, 0), max(-self.by, 0)]
        padded = F.pad(x, [0, 0] * (have.rank - 1) + pads, value=self.start())
        kept = slice(*self.kept())
        return padded[:, kept] if have.batched else padded[kept]

    def onnx(self, op, x):
        if not self.by:
            return op.Identity(x)
        have = self.operands[0]
        wide = WIDER.get(have.element, have.element)
        start = op.constant(self.start(), DTYPES[wide][0])
        new = op.Expand(start, op.shape(have.with_axis(0, abs(self.by))))
        new = onnx_cast(op, new, wide, have.element)
        padded = op.Concat(*((new, x) if self.by > 0 else (x, new)), axis=have.axis(0))
        return op.Slice(padded, *(op.constant([n], "int64") for n in (*self.kept(), have.axis(0))))

    examples = (
        Example("shift", "float[5, 4]", "float[5, 4]"),
        Example("shift", "float[T, 4]", "float[T, 4]"),
        Example("shift(3)", "float[T]", "float[T]"),
        Example("shift(by=8)", "float[T, 2]", "float[T, 2]"),
        Example("shift(by=-2)", "float[T, 2, 3]", "float[T, 2, 3]"),
        Example("shift(-1)", "float[4]", "float[4]"),
        Example("shift(0)", "float[3, 2]", "float[3, 2]"),
        Example("shift", "int16[4]", "int16[4]"),
        Example("shift(2)", "uint8[T]", "uint8[T]", low=0, high=255),
        Example("shift", "bool[T, 2]", "bool[T, 2]"),
        Example("shift", "class(3)[T]", "class[T]"),
        Example("shift(by=-1)", "class(a, b)[4]", "class[4]"),
        Example("shift", "float", rejects="E0201"),
        Example("shift(4)", "float[4]", rejects="E0209"),
        Example("shift(by=-5)", "float[4, 2]", rejects="E0209"),
        Example("shift(0.5)", "float[4]", rejects="E0403"),
        Example("shift", "string[T]", rejects="E0202"),
    )
