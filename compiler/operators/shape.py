"""Operators that change the shape of a sample but not its values."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.parameter_types import Integer, Keyword, ListOf, Nothing, Number, OneOf
from dlc.compiler.dims.dim import Dim, DimError, Size, product, same
from dlc.compiler.operators.base import Example, Operator, Reject, setting
from dlc.compiler.operators.operands import DTYPES, check_representable, only_axis, onnx_reshape, sample_axis
from dlc.compiler.operators.padding import APART, LENGTHS, Fill, onnx_column, onnx_take, torch_take
from dlc.compiler.operators.recent_steps import SameStep, StepsBefore
from dlc.compiler.operators.step_order import on_axis
from dlc.compiler.operators.stepwise import ALONE, Stepwise
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from dlc.compiler.operators.padding import Padding


class ShapeOperator(Operator, abstract=True):
    keeps = ("numbers", "missing")
    takes = "any"
    batchless = True


class Flatten(ShapeOperator):
    """All axes of the sample as one (torch `flatten`, ONNX `Flatten`)."""

    def type(self, x: Tensor) -> Tensor:
        return x.with_shape(product(x.shape))

    def padding_of(self, place, axis):
        return own_axis(self, axis)

    def torch(self, F, x):
        if self.operands[0].rank == 0:
            return x.unsqueeze(-1)
        return x.flatten(int(self.operands[0].batched))

    def onnx(self, op, x):
        if self.operands[0].batched:
            return op.Flatten(x, axis=1)
        return op.Reshape(x, op.constant([-1], "int64"))

    examples = (
        Example("flatten", "float[2, 3, 4]", "float[24]"),
        Example("flatten", "float[5]", "float[5]"),
        Example("flatten", "float", "float[1]"),
        Example("flatten", "float[T, 4]", "float[4 * T]"),
        Example("flatten", "bool[2, 3]", "bool[6]"),
    )


class Reshape(ShapeOperator):
    """The same values in another shape; one size may be -1 and is inferred from the others
    (torch `reshape`, ONNX `Reshape`)."""

    sizes: tuple[Any, ...] = setting(
        "sizes of the result's axes, or a list of them; -1 is inferred",
        OneOf(Integer(-1, symbolic=True), ListOf(Integer(-1, symbolic=True))),
        rest=True,
    )

    @property
    def wanted(self) -> tuple[Size, ...]:
        return one_list(self.sizes)

    def type(self, x: Tensor) -> Tensor:
        if any(size == 0 for size in self.wanted):
            raise Reject(
                "`reshape` cannot make an axis of size 0", at="sizes", help="-1 infers a size from the others"
            )
        if self.wanted.count(-1) > 1:
            raise Reject(
                f"`reshape` can infer only one size, found -1 {self.wanted.count(-1)} times", at="sizes"
            )
        have, known = product(x.shape), product(size for size in self.wanted if size != -1)
        if -1 in self.wanted:
            return x.with_shape(
                *(self.inferred(x, have, known) if size == -1 else size for size in self.wanted)
            )
        if not same(have, known):
            raise self.unequal(x, have, known)
        return x.with_shape(*self.wanted)

    def inferred(self, x: Tensor, have: Size, known: Size) -> Size:
        """The size that -1 stands for, or `Reject`."""
        try:
            size = have // known
        except DimError:
            raise self.unequal(x, have, known) from None
        if not same(size * known, have):
            raise self.unequal(x, have, known)
        return size

    def unequal(self, x: Tensor, have: Size, known: Size) -> Reject:
        to = x.with_shape(*self.wanted)
        if isinstance(have, Dim) or isinstance(known, Dim):
            return Reject(f"{x} cannot be proved to fit into {to}", code="E0204",
                          help=f"a sample has `{have}` values, the given sizes have `{known}`")  # fmt: skip
        relation = "is not a multiple of" if -1 in self.wanted else "is not"
        return Reject(f"{x} cannot be reshaped to {to}", code="E0203",
                      help=f"a sample has {have} values, which {relation} {known}")  # fmt: skip

    def padding_of(self, place, axis):
        return own_axis(self, axis)

    def torch(self, F, x):
        shape = self.results[0].shape
        free = any(isinstance(size, Dim) for size in shape)
        batch = [F.batch if free else -1] if self.results[0].batched else []
        return x.reshape(*batch, *map(F.size, shape)) if batch or shape else x.reshape(())

    def onnx(self, op, x):
        return onnx_reshape(op, x, self.results[0])

    examples = (
        Example("reshape(2, 6)", "float[3, 4]", "float[2, 6]"),
        Example("reshape(2, -1, 3)", "float[12]", "float[2, 2, 3]"),
        Example("reshape(12)", "float[3, 4]", "float[12]"),
        Example("reshape([2, 6])", "float[3, 4]", "float[2, 6]"),
        Example("reshape(-1)", "float", "float[1]"),
        Example("reshape(T, 2, 3)", "float[T, 6]", "float[T, 2, 3]"),
        Example("reshape(-1, 3)", "float[T, 6]", "float[2 * T, 3]"),
        Example("reshape(H * W, 4)", "float[H, W, 4]", "float[H * W, 4]"),
        Example("reshape(H, 2, W, 2)", "float[H, W, 4]", "float[H, 2, W, 2]"),
        Example("reshape(5, 2)", "float[3, 4]", rejects="E0203"),
        Example("reshape(5, -1)", "float[3, 4]", rejects="E0203"),
        Example("reshape(-1, 3)", "float[T, 4]", rejects="E0204"),
        Example("reshape(-1, -1)", "float[4]", rejects="E0201"),
        Example("reshape(0, 4)", "float[4]", rejects="E0201"),
        Example("reshape(-2, 4)", "float[4]", rejects="E0403"),
    )


def own_axis(operator: Operator, axis: int) -> Padding:
    """`Reject` if the result does not have an axis of the operand as an axis of its own."""
    (have,), (made,) = operator.operands, operator.results
    before = product(have.shape[:axis])
    starts = (product(made.shape[:k]) for k, size in enumerate(made.shape) if same(size, have.shape[axis]))
    if any(same(start, before) for start in starts):
        return APART
    raise Reject(f"`{operator.name}` would join that axis with others", at=0,
                 help="reduce it first, by `last`, `mean(axis=...)` or a recurrent layer with `final=true`; "
                      "or work on each step, as `dense` does")  # fmt: skip


class Transpose(ShapeOperator):
    """The axes of the sample in another order; without arguments the last two are swapped (torch `permute`,
    ONNX `Transpose`)."""

    elementwise = True
    usage = """
    input  pixels: uint8[28, 28, 3]
    output kind: class(10)

    pixels / 255 -> transpose(2, 0, 1) -> conv(16, 3) -> relu -> global_avgpool -> dense(10) -> kind
    """

    axes: tuple[Any, ...] = setting(
        "all axes of the sample in their new order, or a list of them",
        OneOf(Integer(), ListOf(Integer())),
        (),
        rest=True,
        shown="the last two are swapped",
    )

    def type(self, x: Tensor) -> Tensor:
        return x.with_shape(*(x.shape[axis] for axis in self.order(x)))

    def order(self, x: Tensor) -> list[int]:
        axes = one_list(self.axes)
        if not axes and x.rank < 2:
            raise Reject(f"`transpose` needs two axes to swap, found {x}", at="x")
        if not axes:
            return [*range(x.rank - 2), x.rank - 1, x.rank - 2]
        order = [sample_axis(x, axis, "axes") for axis in axes]
        if sorted(order) != list(range(x.rank)):
            raise Reject(f"`transpose` needs all axes of {x}, each once, found {list(axes)}", at="axes",
                         help="for example "
                              f"`transpose({', '.join(map(str, reversed(range(x.rank))))})`")  # fmt: skip
        return order

    def permutation(self) -> list[int]:
        """The order of the axes of the whole tensor."""
        x = self.operands[0]
        return [0] * x.batched + [axis + x.batched for axis in self.order(x)]

    def torch(self, F, x):
        return x.permute(*self.permutation())

    def onnx(self, op, x):
        return op.Transpose(x, perm=self.permutation())

    examples = (
        Example("transpose", "float[3, 4]", "float[4, 3]"),
        Example("transpose", "float[2, T, 4]", "float[2, 4, T]"),
        Example("transpose(2, 0, 1)", "float[3, 4, 5]", "float[5, 3, 4]"),
        Example("transpose(-1, 0)", "float[T, 4]", "float[4, T]"),
        Example("transpose([1, 0, 2])", "float[3, 4, 5]", "float[4, 3, 5]"),
        Example("transpose(0)", "float[3]", "float[3]"),
        Example("transpose", "float[3]", rejects="E0201"),
        Example("transpose(0, 1)", "float[3, 4, 5]", rejects="E0201"),
        Example("transpose(0, 0)", "float[3, 4]", rejects="E0201"),
        Example("transpose(0, 2)", "float[3, 4]", rejects="E0201"),
    )


class Pad(ShapeOperator):
    """Adds entries before and after an axis (torch `pad`, ONNX `Pad`).

    `constant` adds `value`. `edge` repeats the first and the last entry (torch `replicate`). `reflect`
    mirrors the entries at the first and the last one, which are not repeated; it adds fewer entries than
    there are. A free size that is too small at run time is mirrored again at the other end, as in NumPy's
    `pad`; a single entry is repeated.
    """

    keeps = ("numbers", "axes", "missing")
    takes = "number"
    before: int = setting("number of entries before", Integer(0))
    after: int = setting("number of entries after", Integer(0))
    axis: int | None = setting("the axis to pad", OneOf(Integer(), Nothing()), None, shown="the only one")
    value: float = setting("value of the new entries", Number(keeps_whole=True), 0)
    mode: str = setting("what is added", Keyword("constant", "reflect", "edge"), "constant")

    def type(self, x: Tensor) -> Tensor:
        axis = only_axis(x, self.axis, "pad")
        if x.is_integer and self.value != int(self.value):
            raise Reject(f"{x} holds integers and cannot be padded with {self.value}", at="value")
        if x.is_integer:
            check_representable(self.value, "int64", "value")
        if self.mode != "constant" and self.value:
            raise Reject(f"`mode={self.mode}` adds entries of the tensor, not a value", at="value",
                         code="E0403", help="leave it out")  # fmt: skip
        size = x.shape[axis]
        if self.mode == "reflect" and isinstance(size, int) and max(self.before, self.after) >= size:
            raise Reject(f"`reflect` adds at most {size - 1} entries to an axis of size {size}, found {x}",
                         at="before" if self.before >= size else "after", code="E0403",
                         help="`mode=edge` adds any number")  # fmt: skip
        return x.with_axis(axis, size + self.before + self.after)

    def stepwise(self, changing, steps):
        x = self.operands[0]
        axis = only_axis(x, self.axis, "pad")
        if not on_axis(steps, x, axis):
            return None
        if self.after:
            raise Reject(
                "it adds later steps", at="after", help="`pad(n, 0, ...)` adds steps before the first"
            )
        if self.mode != "constant":
            raise Reject("it repeats steps that come later", at="mode", help="`mode=constant` adds a number")
        early = StepsBefore(axis=axis, count=self.before, value=self.value)
        return Stepwise(SameStep(element=x.element), early=early) if self.before else ALONE

    @property
    def padded(self) -> tuple[int, Size]:
        """The padded axis of the whole tensor, and its size."""
        x = self.operands[0]
        axis = only_axis(x, self.axis, "pad")
        return x.axis(axis), x.shape[axis]

    def padding_of(self, place, axis):
        if axis != only_axis(self.operands[0], self.axis, "pad"):
            return APART
        return {"constant": Fill(self.value), "edge": Fill("last"), "reflect": LENGTHS}[self.mode]

    @property
    def least(self) -> int:
        return int(self.mode != "constant")

    def torch(self, F, x, lengths=None):
        axis, size = self.padded
        if lengths is not None:
            return self.torch_reflected(F, x, lengths)
        if self.mode == "constant":
            axes_after = self.operands[0].axis(-1) - axis
            return F.pad(x, [0, 0] * axes_after + [self.before, self.after], value=self.value)
        last = F.size(size) - 1
        entries = F.arange(-self.before, last + self.after + 1, device=x.device)
        if self.mode == "edge":
            return x.index_select(axis, entries.clamp(0, last))
        period = 2 * last + 1 // (last + 1)  # 1 for a single entry
        return x.index_select(axis, last - (entries % period - last).abs())

    def torch_reflected(self, F: Any, x: Any, lengths: Any) -> Any:
        """The entries of each row mirrored at its own last one."""
        axis, size = self.padded
        last = (lengths - 1).clamp(min=0).unsqueeze(1)
        entries = F.arange(-self.before, F.size(size) + self.after, device=x.device)
        places = last - (entries % (2 * last).clamp(min=1) - last).abs()
        return torch_take(F, x, places, axis - 1, self.operands[0].rank)

    def onnx(self, op, x, lengths=None):
        axis, size = self.padded
        if lengths is not None:
            last = onnx_column(op, op.Max(op.Sub(lengths, op.constant(1, "int64")), op.constant(0, "int64")))
            return onnx_take(op, x, self.reflected(op, last, size), axis - 1, self.results[0])
        if self.mode == "reflect" and not isinstance(size, int):
            return op.Gather(x, self.reflected(op, op.size(size - 1), size), axis=axis)
        have = self.operands[0]
        number = int(self.value) if have.is_integer else float(self.value)
        value = op.constant(number, DTYPES[have.element][0]) if self.mode == "constant" else None
        every = range(have.axis(-1) + 1)
        pads = [count if at == axis else 0 for count in (self.before, self.after) for at in every]
        # ONNX Runtime (1.31) moves a `Transpose` over a `Pad` of some `axes` wrongly, and without `axes` it
        # joins it with a `MaxPool`, whose padding is no number.
        axes = op.constant([*every], "int64")
        return op.Pad(x, op.constant(pads, "int64"), value, axes, mode=self.mode)

    def reflected(self, op: Any, last: Any, size: Size) -> Any:
        """The indices of the entries of the result along an axis of free size. `last` is the entry at which
        they are mirrored. ONNX `Pad` reflects once."""
        one, two = op.constant(1, "int64"), op.constant(2, "int64")
        end = op.size(size + self.after)
        entries = op.Range(op.constant(-self.before, "int64"), end, one)
        period = op.Max(op.Mul(last, two), one)
        return op.Sub(last, op.Abs(op.Sub(op.Mod(entries, period), last)))

    examples = (
        Example("pad(1, 2)", "float[3]", "float[6]"),
        Example("pad(1, 0, axis=0)", "float[3, 4]", "float[4, 4]"),
        Example("pad(0, 2, -1, value=-1.5)", "float[2, 3, 4]", "float[2, 3, 6]"),
        Example("pad(2, 1, axis=0)", "float[T, 4]", "float[T + 3, 4]"),
        Example("pad(1, 1, value=7)", "int64[3]", "int64[5]"),
        Example("pad(2, 1, mode=reflect)", "float[3]", "float[6]"),
        Example("pad(1, 2, axis=0, mode=reflect)", "int64[4, 2]", "int64[7, 2]"),
        Example("pad(1, 1, axis=-1, mode=reflect)", "float[3, H, W]", "float[3, H, W + 2]"),
        Example("pad(6, 20, axis=1, mode=reflect)", "float[3, T, 2]", "float[3, T + 26, 2]"),
        Example("pad(4, 2, mode=edge)", "float[3]", "float[9]"),
        Example("pad(0, 3, axis=1, mode=edge)", "uint8[2, H, 3]", "int64[2, H + 3, 3]", low=0, high=255),
        Example("pad(1, 1)", "float[3, 4]", rejects="E0405"),
        Example("pad(1, 1, axis=2)", "float[3, 4]", rejects="E0201"),
        Example("pad(-1, 1, axis=0)", "float[3, 4]", rejects="E0403"),
        Example("pad(1, 1, value=0.5)", "int64[3]", rejects="E0201"),
        Example("pad(1, 1, value=9223372036854775808)", "int64[3]", rejects="E0201"),
        Example("pad(1, 1, value=1e39)", "float[3]", rejects="E0403"),
        Example("pad(1, 1, value=2, mode=edge)", "float[3]", rejects="E0403"),
        Example("pad(3, 1, mode=reflect)", "float[3]", rejects="E0403"),
        Example("pad(0, 1, mode=reflect)", "float[1]", rejects="E0403"),
        Example("pad(1, 1, mode=wrap)", "float[3]", rejects="E0403"),
    )


# --- inserted by the compiler -----------------------------------------------------------------------------


class Unsqueeze(ShapeOperator):
    """Axes of size 1 between the batch axis and the sample axes (torch `unsqueeze`, ONNX `Unsqueeze`)."""

    elementwise = True
    public = False
    glue = True
    axes: int = setting("number of axes", Integer(1))

    def type(self, x: Tensor) -> Tensor:
        return x.with_shape(*[1] * self.axes, *x.shape)

    def torch(self, F, x):
        for _ in range(self.axes):
            x = x.unsqueeze(int(self.operands[0].batched))
        return x

    def onnx(self, op, x):
        first = int(self.operands[0].batched)
        return op.Unsqueeze(x, op.constant(list(range(first, first + self.axes)), "int64"))


class ExpandBatch(ShapeOperator):
    """The same value for every sample of the batch (torch `expand`, ONNX `Expand`)."""

    elementwise = True
    public = False
    glue = True

    def type(self, x: Tensor) -> Tensor:
        return replace(x, batched=True)

    def torch(self, F, x):
        return F.expand(x.unsqueeze(0), F.batch, *[-1] * self.operands[0].rank)

    def onnx(self, op, x):
        return op.Expand(x, op.shape(self.results[0]))


def one_list(given: tuple[Any, ...]) -> tuple[Any, ...]:
    """The numbers of arguments that are given one by one or as a list."""
    return tuple(n for entry in given for n in (entry if isinstance(entry, tuple) else (entry,)))
