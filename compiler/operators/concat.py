"""Concatenation, stacking and splitting of tensors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dlc.compiler.definitions.parameter_types import Integer, ListOf, Nothing, OneOf
from dlc.compiler.dims.dim import Dim, Size, has_free, same, total
from dlc.compiler.operators.base import Example, Reject, setting
from dlc.compiler.operators.operands import mismatch, only_axis, onnx_cast, promote_types, torch_cast
from dlc.compiler.operators.padding import APART
from dlc.compiler.operators.recent_steps import SameStep
from dlc.compiler.operators.shape import ShapeOperator
from dlc.compiler.operators.step_order import on_axis
from dlc.compiler.operators.stepwise import Stepwise
from dlc.compiler.types import Tensor


class JoinOperator(ShapeOperator, abstract=True):
    def element(self) -> str:
        return self.results[0].element

    def torch_operands(self, F: Any, xs: tuple[Any, ...]) -> list[Any]:
        return [
            torch_cast(F, x, have.element, self.element()) for x, have in zip(xs, self.operands, strict=True)
        ]

    def onnx_operands(self, op: Any, xs: tuple[Any, ...]) -> list[Any]:
        return [
            onnx_cast(op, x, have.element, self.element()) for x, have in zip(xs, self.operands, strict=True)
        ]


class Concat(JoinOperator):
    """Tensors joined along an axis (torch `cat`, ONNX `Concat`).

    Scalars count as vectors of one entry. The axis can be omitted if there is only one.
    """

    keeps = ("numbers", "axes", "missing")

    axis: int | None = setting(
        "the axis to join along", OneOf(Integer(), Nothing()), None, shown="the only one"
    )

    def type(self, *tensors: Tensor) -> Tensor:
        vectors = tuple(x if x.rank else x.with_shape(1) for x in tensors)
        first = max(vectors, key=lambda x: x.rank)
        axis = only_axis(first, self.axis, "concat")
        for x in vectors:
            self.check(x, first, axis)
        return replace(promote_types(tensors, "joined"), shape=first.shape).with_axis(
            axis, total(x.shape[axis] for x in vectors)
        )

    def check(self, x: Tensor, first: Tensor, axis: int) -> None:
        if x.rank != first.rank:
            help = "`flatten` turns them into vectors, `stack` adds a new axis"
            if x.rank == first.rank - 1 and sum(map(has_free, x.shape)) <= 1:
                sizes = ["-1" if has_free(size) else str(size) for size in x.shape]
                help = (
                    f"`reshape({', '.join([*sizes[:axis], '1', *sizes[axis:]])})` gives {x} an axis of size 1"
                )
            raise Reject(f"only tensors with the same number of axes can be joined, found {x} and {first}",
                         code="E0203", help=help)  # fmt: skip
        for other in range(x.rank):
            if other != axis and not same(x.shape[other], first.shape[other]):
                found = mismatch(
                    (first, x), f"joined along axis {axis}", first.shape[other], x.shape[other], other
                )
                if found.code == "E0203":
                    sizes = f"{first.shape[other]} and {x.shape[other]}"
                    found.help = f"all axes but axis {axis} must agree; axis {other} is {sizes}"
                raise found

    def tensor_axis(self) -> int:
        return self.results[0].axis(only_axis(self.results[0], self.axis, "concat"))

    def padding_of(self, place, axis):
        joined = axis == only_axis(self.results[0], self.axis, "concat")
        if joined and place < len(self.operands) - 1:
            raise Reject(f"`concat` along axis {axis} puts values behind its padding", at=place,
                         help="only the last tensor may differ in length; features are joined along "
                              "another axis")  # fmt: skip
        return APART

    def stepwise(self, changing, steps):
        axis = only_axis(self.results[0], self.axis, "concat")
        last = len(self.operands) - 1
        if not any(on_axis(steps, self.operands[i], axis) for i in changing):
            return None
        if tuple(changing) != (last,):
            raise Reject("it puts other values behind the steps", at=changing[0],
                         help="steps can be the last ones of what is joined")  # fmt: skip
        return Stepwise(SameStep(element=self.element()))

    def torch(self, F, *xs):
        xs = self.torch_operands(F, xs)
        if not any(have.rank for have in self.operands):
            return F.stack(xs, self.tensor_axis())
        xs = [x if have.rank else x.unsqueeze(-1) for x, have in zip(xs, self.operands, strict=True)]
        return F.cat(xs, self.tensor_axis())

    def onnx(self, op, *xs):
        xs = self.onnx_operands(op, xs)
        last = op.constant([-1], "int64") if any(not x.rank for x in self.operands) else None
        xs = [x if have.rank else op.Unsqueeze(x, last) for x, have in zip(xs, self.operands, strict=True)]
        return op.Concat(*xs, axis=self.tensor_axis())

    examples = (
        Example("concat", ("float[3]", "float[2]"), "float[5]"),
        Example("concat", ("float", "float", "float"), "float[3]"),
        Example("concat", ("float", "float[3]"), "float[4]"),
        Example("concat(axis=0)", ("float[3, 4]", "float[2, 4]"), "float[5, 4]"),
        Example("concat(-1)", ("float[3, 4]", "float[3, 1]"), "float[3, 5]"),
        Example("concat(axis=0)", ("float[T, 4]", "float[1, 4]"), "float[T + 1, 4]"),
        Example("concat(axis=1)", ("float[2, 3, 4]", "float[2, 1, 4]"), "float[2, 4, 4]"),
        Example("concat", ("bool[3]", "float[2]"), "float[5]"),
        Example("concat", ("uint8[3]", "int32[2]"), "int64[5]", low=0, high=9),
        Example("concat", ("float[3, 4]", "float[3, 4]"), rejects="E0405"),
        Example("concat(axis=0)", ("float[3, 4]", "float[3, 5]"), rejects="E0203"),
        Example("concat(axis=0)", ("float[3, 4]", "float[4]"), rejects="E0203"),
        Example("concat(axis=0)", ("float[3, T]", "float[3, 4]"), rejects="E0204"),
        Example("concat(axis=2)", ("float[3, 4]", "float[3, 4]"), rejects="E0201"),
    )


class Stack(JoinOperator):
    """Tensors of the same shape joined along a new axis (torch `stack`, ONNX `Unsqueeze` and `Concat`)."""

    elementwise = True
    axis: int = setting("the index of the new axis in the result", Integer(), 0)

    def type(self, *tensors: Tensor) -> Tensor:
        first = tensors[0]
        for x in tensors[1:]:
            if x.rank != first.rank:
                raise Reject(
                    f"only tensors of the same shape can be stacked, found {x} and {first}", code="E0203"
                )
            for axis, (a, b) in enumerate(zip(first.shape, x.shape, strict=True)):
                if not same(a, b):
                    raise mismatch((first, x), "stacked", a, b, axis)
        shape = list(first.shape)
        shape.insert(self.new_axis(first), len(tensors))
        return replace(promote_types(tensors, "stacked"), shape=tuple(shape))

    def new_axis(self, x: Tensor) -> int:
        """The new axis as an index from 0 among the sample axes of the result."""
        if not -x.rank - 1 <= self.axis <= x.rank:
            raise Reject(f"the result of `stack` has axes 0 to {x.rank}, found {self.axis}", at="axis")
        return self.axis % (x.rank + 1)

    def torch(self, F, *xs):
        x = self.operands[0]
        return F.stack(self.torch_operands(F, xs), self.new_axis(x) + x.batched)

    def onnx(self, op, *xs):
        x = self.operands[0]
        axis = self.new_axis(x) + x.batched
        new = op.constant([axis], "int64")
        return op.Concat(*(op.Unsqueeze(x, new) for x in self.onnx_operands(op, xs)), axis=axis)

    examples = (
        Example("stack", ("float", "float"), "float[2]"),
        Example("stack", ("float[3]", "float[3]", "float[3]"), "float[3, 3]"),
        Example("stack(axis=-1)", ("float[3, 4]", "float[3, 4]"), "float[3, 4, 2]"),
        Example("stack(1)", ("float[T, 4]", "float[T, 4]"), "float[T, 2, 4]"),
        Example("stack", ("bool[3]", "float[3]"), "float[2, 3]"),
        Example("stack", ("float[3]", "float[4]"), rejects="E0203"),
        Example("stack", ("float[3]", "float"), rejects="E0203"),
        Example("stack", ("float[T]", "float[3]"), rejects="E0204"),
        Example("stack(axis=2)", ("float[3]", "float[3]"), rejects="E0201"),
    )


class Split(ShapeOperator):
    """A tuple of pieces along an axis (torch `split`, ONNX `Split`)."""

    keeps = ("numbers", "axes", "missing")
    usage = """
    input  x: float[6]
    output y: float

    left, right = x -> split(2)
    left * right -> dense(1) -> y
    """

    parts: Any = setting(
        "number of equal pieces, or a list of their sizes",
        OneOf(Integer(1, 1000), ListOf(Integer(1, symbolic=True))),
    )
    axis: int | None = setting("the axis to split", OneOf(Integer(), Nothing()), None, shown="the only one")

    def type(self, x: Tensor) -> tuple[Tensor, ...]:
        axis = only_axis(x, self.axis, "split")
        return tuple(x.with_axis(axis, size) for size in self.sizes(x, x.shape[axis], axis))

    def padding_of(self, place, axis):
        parts = [y.shape[axis] for y in self.results]
        if axis == only_axis(self.operands[0], self.axis, "split") and any(map(has_free, parts[:-1])):
            raise Reject("a part of `split` begins at a place that differs between rows", at=place,
                         help="parts before the last one need a fixed size")  # fmt: skip
        return APART

    def sizes(self, x: Tensor, size: Size, axis: int) -> tuple[Size, ...]:
        if isinstance(self.parts, int):
            each = size // self.parts
            if same(each * self.parts, size) and each != 0:
                return (each,) * self.parts
            raise self.uneven(x, axis, size, f"into {self.parts} equal parts")
        if not same(total(self.parts), size):
            listed = ", ".join(map(str, self.parts))
            raise self.uneven(x, axis, size, f"into parts of {listed}, which sum to {total(self.parts)}")
        return self.parts

    @staticmethod
    def uneven(x: Tensor, axis: int, size: Size, into: str) -> Reject:
        proved = "" if isinstance(size, int) else "be proved to "
        message = (
            f"axis {axis} of {x}, of size {size}, cannot {proved}{'split' if proved else 'be split'} {into}"
        )
        return Reject(message, at="parts", code="E0204" if proved else "E0203")

    def torch(self, F, x):
        results, axis = self.results, only_axis(self.operands[0], self.axis, "split")
        pieces = x.split([F.size(y.shape[axis]) for y in results], self.operands[0].axis(axis))
        return tuple(pieces[i] for i in range(len(results)))

    def onnx(self, op, x):
        results, axis = self.results, only_axis(self.operands[0], self.axis, "split")
        if len(results) == 1:
            return (op.Identity(x),)
        sizes = tuple(y.shape[axis] for y in results)
        vector = op.shape(Tensor("float", sizes, batched=False)) if any(isinstance(s, Dim) for s in sizes) \
            else op.constant(list(sizes), "int64")  # fmt: skip
        return op.Split(x, vector, axis=self.operands[0].axis(axis), outputs=len(results))

    examples = (
        Example("split(2)", "float[6]", ("float[3]", "float[3]")),
        Example("split(3, axis=0)", "float[6, 4]", ("float[2, 4]",) * 3),
        Example("split([1, 3], axis=-1)", "float[T, 4]", ("float[T, 1]", "float[T, 3]")),
        Example("split([T, 1], axis=0)", "float[T + 1, 4]", ("float[T, 4]", "float[1, 4]")),
        Example("split(2, axis=0)", "float[2 * T, 4]", ("float[T, 4]", "float[T, 4]")),
        Example("split(1)", "float[3]", "float[3]"),
        Example("split(4)", "float[6]", rejects="E0203"),
        Example("split([2, 3])", "float[6]", rejects="E0203"),
        Example("split(2, axis=0)", "float[T, 4]", rejects="E0204"),
        Example("split(2)", "float[4, 6]", rejects="E0405"),
        Example("split(2, axis=3)", "float[4, 6]", rejects="E0201"),
    )
