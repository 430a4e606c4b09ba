"""Lengths of sequences, and padding. The pass `passes/lengths.py` inserts most of these operators."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dlc.compiler.definitions.parameter_types import Integer, Keyword, ListOf, Number, OneOf, Text
from dlc.compiler.dims.dim import evaluate, free, names
from dlc.compiler.operators.base import Operator, setting
from dlc.compiler.operators.operands import DTYPES, WIDER, onnx_cast
from dlc.compiler.operators.padding import (
    APART,
    LENGTHS,
    Fill,
    onnx_column,
    onnx_mask,
    onnx_places,
    onnx_take,
    torch_mask,
    torch_take,
)
from dlc.compiler.operators.recent_steps import StepOfMask
from dlc.compiler.operators.step_order import on_axis
from dlc.compiler.operators.stepwise import Stepwise
from dlc.compiler.operators.validity import torch_ignored
from dlc.compiler.types import Tensor

LENGTH = Tensor("int64")  # one number a row


class LengthOf(Operator):
    """The length of each row along an axis whose size is a formula of free dimensions. Its operands are the
    lengths of `dims`, those of its dimensions that differ between rows."""

    public = False
    takes = "any"
    size: Any = setting("the formula", Integer(symbolic=True))
    dims: Any = setting("the dimensions of its operands", ListOf(Text()))

    def type(self, *lengths: Tensor) -> Tensor:
        return LENGTH

    def torch(self, F, *lengths):
        known = dict(zip(self.dims, lengths, strict=True))
        sizes = {n: known[n] if n in known else F.size(free(n)) for n in sorted(names(self.size))}
        made: Any = evaluate(self.size, sizes)
        return made.clamp(min=0)

    def onnx(self, op, *lengths):
        known = dict(zip(self.dims, lengths, strict=True))
        sizes = {n: op.length(known[n] if n in known else op.size(free(n))) for n in sorted(names(self.size))}
        made: Any = evaluate(self.size, sizes)
        return op.Max(made.value, op.constant(0, "int64"))


class SequenceOperator(Operator, abstract=True):
    """An operator of the axis of a sequence along which the lengths of rows may differ: the first free axis,
    else the first."""

    public = False
    takes = "any"

    def axis(self, x: Tensor) -> int:
        return x.free_axis or 0

    def padding_of(self, place, axis):
        return LENGTHS if axis == self.axis(self.operands[0]) else APART


class SequenceLength(SequenceOperator):
    """The number of steps of each row, `x.length`."""

    def type(self, x: Tensor) -> Tensor:
        return LENGTH

    def torch(self, F, x, lengths=None):
        size = self.operands[0].shape[self.axis(self.operands[0])]
        return F.full_rows(F.size(size)) if lengths is None else lengths

    def onnx(self, op, x, lengths=None):
        if lengths is not None:
            return op.Identity(lengths)
        size = op.size(self.operands[0].shape[self.axis(self.operands[0])])
        return op.Expand(size, op.shape(LENGTH))


class SequenceMask(SequenceOperator):
    """True for the steps of each row before its end, `x.mask`."""

    def stepwise(self, changing, steps):
        x = self.operands[0]
        return Stepwise(StepOfMask()) if on_axis(steps, x, self.axis(x)) else None

    def type(self, x: Tensor) -> Tensor:
        return Tensor("bool", (x.shape[self.axis(x)],))

    def torch(self, F, x, lengths=None):
        steps = F.size(self.results[0].shape[0])
        return torch_mask(F, F.full_rows(steps) if lengths is None else lengths, steps, 0, 1)

    def onnx(self, op, x, lengths=None):
        type = self.results[0]
        if lengths is None:
            return op.Expand(op.constant(True, "bool"), op.shape(type))
        return onnx_mask(op, lengths, type, 0)


class FillPadding(Operator):
    """Replaces the padding of a sample axis by a number, or by copies of the last step of each row
    (torch `where` and `gather`, ONNX `Where` and `GatherElements`)."""

    public = False
    takes = "any"
    keeps = ("axes",)
    fills_padding = True
    sample_axis: int = setting("the axis", Integer())
    value: Any = setting("what it holds", OneOf(Number(), Keyword("lowest", "highest", "last")))

    def type(self, x: Tensor, lengths: Tensor) -> Tensor:
        return x

    def torch(self, F, x, lengths):
        have, axis = self.operands[0], self.sample_axis
        steps = F.size(have.shape[axis])
        if self.value != "last":
            mask = torch_mask(F, lengths, steps, axis, have.rank)
            # in PyTorch, text is the index of a label
            return x.where(mask, -1 if have.element == "string" else Fill(self.value).number(have.element))
        places = (lengths.new_ones((steps,)).cumsum(0) - 1).unsqueeze(0)
        return torch_take(F, x, F.minimum(places, lengths.unsqueeze(1) - 1).clamp(min=0), axis, have.rank)

    def onnx(self, op, x, lengths):
        have, axis = self.operands[0], self.sample_axis
        if self.value == "last":
            return self.onnx_last(op, x, lengths)
        mask = onnx_mask(op, lengths, have, axis)
        if have.element == "bool":
            return op.Or(x, op.Not(mask)) if Fill(self.value).number("bool") else op.And(x, mask)
        if have.element == "string":
            return op.Where(mask, x, op.constant("", "string"))
        wide = WIDER.get(have.element, have.element)
        number = op.constant(Fill(self.value).number(have.element), DTYPES[wide][0])
        return onnx_cast(op, op.Where(mask, onnx_cast(op, x, have.element, wide), number), wide, have.element)

    def onnx_last(self, op, x, lengths):
        have, axis = self.operands[0], self.sample_axis
        end = onnx_column(op, op.Sub(lengths, op.constant(1, "int64")))
        places = op.Max(op.Min(onnx_places(op, have.shape[axis]), end), op.constant(0, "int64"))
        return onnx_take(op, x, places, axis, have)


class MarkPadding(Operator):
    """Marks the padding of a sample axis as ignored entries, for losses: NaN, class -1, or the lowest integer
    (torch `where`)."""

    public = False
    takes = "any"
    training_only = True
    sample_axis: int = setting("the axis", Integer())

    def type(self, x: Tensor, lengths: Tensor) -> Tensor:
        return x if x.element == "class" or x.is_float else x.with_element("int64")

    def with_ignored(self, results):
        (marked,) = results
        return (replace(marked, ignore=marked.ignore or (None,)),)

    def torch(self, F, x, lengths):
        have = self.operands[0]
        mask = torch_mask(F, lengths, F.size(have.shape[self.sample_axis]), self.sample_axis, have.rank)
        x = x if have.element == "class" or have.is_float else x.to(F.int64)
        return x.where(mask, torch_ignored(F, self.results[0]))
