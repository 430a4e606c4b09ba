"""Steps that are computed from a few steps before them, which are carried: windows, shifts and sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.parameter_types import FromPasses, Integer, Number, Text
from dlc.compiler.operators.base import Operator, Reject, setting
from dlc.compiler.operators.operands import DTYPES, END, WIDER, onnx_cast, torch_cast
from dlc.compiler.operators.padding import (
    APART,
    LENGTHS,
    onnx_column,
    onnx_places,
    onnx_take,
    torch_take,
)
from dlc.compiler.operators.step_order import on_axis
from dlc.compiler.operators.stepwise import ALONE, Stepwise
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from dlc.compiler.dims.dim import Size


def over_recent(of: Operator, x: Tensor, axis: int, count: int, start: float = 0) -> Stepwise:
    """How an operator is computed that reads a step of `x` and the `count` steps before it on an axis. `of`
    is bound to so many steps; before the first step there are steps of the number `start`."""
    state = x.with_axis(axis, count)
    return Stepwise(
        StepOverRecent(of=of, axis=axis),
        recent=RecentSteps(axis=axis, count=count, start=start),
        states=(state,),
        carried=(state,),
        start=start,
    )


def over_windows(whole: Any, plain: Operator, steps: Size, help: str) -> Stepwise | None:
    """The same for an operator with sliding windows, whose space axes follow the channels. `plain` is the one
    without padding before the steps."""
    x = whole.operands[0]
    axis = next(axis for axis in range(x.rank) if on_axis(steps, x, axis))
    if not axis:
        return None
    extent, stride = whole.extents()[axis - 1], whole.axes("stride")[axis - 1]
    before, after = whole.pads()[axis - 1]
    if stride != 1:
        raise Reject(
            "it makes fewer steps than it reads", at="stride", help="steps are made one by one, at `stride=1`"
        )
    if extent == 1 and before == after == 0:
        return ALONE
    if after != 0:
        raise Reject("its windows reach later steps", at="padding", help=help)
    return over_recent(plain.bind(x.with_axis(axis, extent)), x, axis, extent - 1)


class StepOverRecent(Operator):
    """The result of an operator for a step and those before it, which are a state."""

    public = False
    takes = "any"
    of: Any = setting("the operator, bound to as many steps as it reads", FromPasses())
    axis: int = setting("the axis of the steps", Integer(0))

    def weights(self, *operands: Tensor):
        return self.of.weights(*self.of.positional)

    def type(self, x: Tensor, recent: Tensor):
        return (*self.of.results, recent)

    def multiply_adds(self):
        return self.of.multiply_adds()

    def torch(self, F, x, recent, **weights):
        joined = F.cat((recent, x), self.axis + 1)
        count = self.operands[1].shape[self.axis]
        return self.of.torch(F, joined, **weights), joined.narrow(self.axis + 1, 1, count)

    def onnx(self, op, x, recent, **weights):
        element = self.operands[0].element
        wide = WIDER.get(element, element)
        joined = op.Concat(*(onnx_cast(op, part, element, wide) for part in (recent, x)), axis=self.axis + 1)
        later = op.Slice(joined, *(op.constant([n], "int64") for n in (1, END, self.axis + 1)))
        joined, later = (onnx_cast(op, part, wide, element) for part in (joined, later))
        return self.of.onnx(op, joined, **weights), later


class FirstStep(Operator):
    """The first of some steps."""

    public = False
    takes = "any"

    def type(self, x: Tensor) -> Tensor:
        return x.with_axis(0, 1)

    def torch(self, F, x):
        return x[:, :1]

    def onnx(self, op, x):
        return op.Slice(x, *(op.constant([n], "int64") for n in (0, 1, 1)))


class RecentSteps(Operator):
    """The last steps of each row; where there are fewer, steps of the number `start` before them. A row has
    `more` steps than its length."""

    public = False
    takes = "any"
    axis: int = setting("the axis of the steps", Integer(0))
    count: int = setting("their number", Integer(0))
    start: float = setting("what stands before the first step", Number(keeps_whole=True), 0)
    more: int = setting("steps beyond the length", Integer(), 0)

    def type(self, x: Tensor) -> Tensor:
        return x.with_axis(self.axis, self.count)

    def padding_of(self, place, axis):
        return LENGTHS if axis == self.axis else APART

    def torch(self, F, x, lengths=None):
        have, axis = self.operands[0], self.axis
        pads = [0, 0] * (have.rank - 1 - axis) + [self.count, 0]
        x = F.pad(x, pads, value=bool(self.start) if have.element == "bool" else self.start)
        if lengths is None:
            return x.narrow(axis + 1, F.size(have.shape[axis]), self.count)
        places = lengths.unsqueeze(1) + self.more + F.arange(self.count, device=x.device)
        return torch_take(F, x, places, axis, have.rank)

    def onnx(self, op, x, lengths=None):
        have, axis = self.operands[0], self.axis
        wide = WIDER.get(have.element, have.element)
        number = op.constant(self.start, DTYPES[wide][0])
        before = op.Expand(number, op.shape(have.with_axis(axis, self.count)))
        x = op.Concat(before, onnx_cast(op, x, have.element, wide), axis=axis + 1)
        if lengths is None:
            first = op.Unsqueeze(op.size(have.shape[axis]), op.constant([0], "int64"))
            x = op.Slice(x, first, *(op.constant([n], "int64") for n in (END, axis + 1)))
        else:
            ends = op.Add(onnx_column(op, lengths), op.constant(self.more, "int64"))
            places = op.Add(ends, onnx_places(op, self.count))
            x = onnx_take(op, x, places, axis, self.results[0])
        return onnx_cast(op, x, wide, have.element)


class LongerSteps(Operator):
    """The steps so far, with one more."""

    public = False
    takes = "any"
    axis: int = setting("the axis of the steps", Integer(0))

    def type(self, steps: Tensor, x: Tensor) -> Tensor:
        return steps.with_axis(self.axis, steps.shape[self.axis] + 1)

    def torch(self, F, steps, x):
        return F.cat((steps, x), self.axis + 1)

    def onnx(self, op, steps, x):
        return op.Concat(steps, x, axis=self.axis + 1)


class SameStep(Operator):
    """The step itself, of another element where the first operand is cast to it. The other operands stand
    before the first step."""

    public = False
    takes = "any"
    element: str = setting("the element", Text())

    def type(self, x: Tensor, *before: Tensor) -> Tensor:
        return x if x.element == self.element else x.with_element(self.element)

    def torch(self, F, x, *before):
        return torch_cast(F, x, self.operands[0].element, self.element)

    def onnx(self, op, x, *before):
        have = self.operands[0].element
        return op.Identity(x) if have == self.element else onnx_cast(op, x, have, self.element)


class StepsBefore(Operator):
    """Some steps of a number, and those of the operand behind them, of which there may be none."""

    public = False
    takes = "any"
    axis: int = setting("the axis of the steps", Integer(0))
    count: int = setting("their number", Integer(1))
    value: float = setting("the number", Number(keeps_whole=True))

    def type(self, x: Tensor) -> Tensor:
        return x.with_axis(self.axis, x.shape[self.axis] + self.count)

    def torch(self, F, x):
        pads = [0, 0] * (self.operands[0].rank - 1 - self.axis) + [self.count, 0]
        return F.pad(x, pads, value=self.value)

    def onnx(self, op, x):
        have = self.operands[0]
        number = op.constant(self.value, DTYPES[have.element][0])
        return op.Concat(
            op.Expand(number, op.shape(have.with_axis(self.axis, self.count))), x, axis=self.axis + 1
        )


class StepOfSum(Operator):
    """The sum of a step and of those before it, which is the state too."""

    public = False
    takes = "number"

    def type(self, x: Tensor, before: Tensor):
        return x, x

    def torch(self, F, x, before):
        made = before + x
        return made, made

    def onnx(self, op, x, before):
        made = op.Add(before, x)
        return made, made


class StepOfMask(Operator):
    """True: a step that is made belongs to its row."""

    public = False
    takes = "any"

    def type(self, x: Tensor) -> Tensor:
        return Tensor("bool", (1,))

    def torch(self, F, x):
        return F.ones((x.shape[0], 1), dtype=F.bool, device=x.device)

    def onnx(self, op, x):
        return op.Expand(op.constant(True, "bool"), op.shape(self.results[0]))


def alone(of: Any, steps: Size, settings: tuple[int, ...]) -> Stepwise | None:
    """A transposed convolution treats each step alone if its kernel, stride, padding and output padding on
    the axis of the steps are these."""
    x = of.operands[0]
    axis = next((axis for axis in range(1, x.rank) if on_axis(steps, x, axis)), 0)
    names = ("kernel", "stride", "padding", "output_padding")
    return ALONE if axis and tuple(of.axes(name)[axis - 1] for name in names) == settings else None
