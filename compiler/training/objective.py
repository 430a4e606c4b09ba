"""Operators that combine the losses of a spec to the one number that training minimizes."""

from __future__ import annotations

from functools import reduce
from operator import and_
from typing import Any

from dlc.compiler.definitions.definition import setting
from dlc.compiler.definitions.parameter_types import MemberOf, Nothing, OneOf
from dlc.compiler.dims.dim import product
from dlc.compiler.operators.base import Operator
from dlc.compiler.operators.padding import APART, IGNORE, LENGTHS, Fill, torch_within
from dlc.compiler.training.losses import LEAST
from dlc.compiler.types import Tensor


class BatchMean(Operator):
    """The mean over the batch and all remaining axes; of the entries that count in all `masks`."""

    public = False
    training_only = True
    batchless = True
    takes = ("float", "bool")

    @property
    def averages(self) -> bool:
        return self.operands[0].batched

    @property
    def sums(self) -> bool:
        return len(self.operands) == 1

    @property
    def weighs_rows(self) -> bool:
        return self.sums

    def type(self, x: Tensor, *masks: Tensor) -> Tensor:
        return Tensor("float", batched=False)

    def padding_of(self, place, axis):
        return LENGTHS if place == 0 else APART

    def torch(self, F, x, *masks, lengths=None):
        if not masks and lengths is None:
            return x.mean()
        sum, weight = self.sum_and_weight(F, x, *masks, lengths=lengths)
        return sum / weight.clamp(min=LEAST)

    def sum_and_weight(self, F, x, *masks, lengths=None):
        if not masks and lengths is None:
            return x.sum(), F.batch * F.size(product(self.operands[0].shape))
        types = self.positional[1:]
        aligned = [self.aligned(mask, type) for mask, type in zip(masks, types, strict=True)]
        if lengths is not None:
            aligned.append(torch_within(F, self, lengths))
        valid = reduce(and_, aligned).expand_as(x)
        return x.where(valid, 0).sum(), valid.sum().to(F.float32)

    def aligned(self, mask: Any, type: Tensor) -> Any:
        """The mask with the rank of the operand."""
        for _ in range(self.operands[0].rank - type.rank):
            mask = mask.unsqueeze(1)
        return mask


class CountedEntries(Operator):
    """The mask of what counts in an unreduced loss."""

    public = False
    training_only = True
    takes = "any"
    mixes = True
    leaves_out_ignored = True

    of: Any = setting("the loss", MemberOf("operator"))

    def type(self, *operands: Tensor) -> Tensor:
        return self.of.results[0].with_element("bool")

    def padding_of(self, place, axis):
        padding = self.of.padding_of(place, axis)
        return APART if padding == IGNORE else padding

    def torch(self, F, *operands, lengths=None):
        return self.of.valid_entries(F, *operands, *([] if lengths is None else [lengths]))


class Penalty(Operator):
    """A regularizer as an operator of the training graph. Its operands are weights or one tensor."""

    public = False
    training_only = True
    takes = "any"
    batchless = True

    regularizer: Any = setting("the regularizer", MemberOf("regularizer"))

    def type(self, *tensors: Tensor) -> Tensor:
        return Tensor("float", batched=False)

    def padding_of(self, place, axis):
        return Fill(0)

    def torch(self, F, *tensors):
        added = self.regularizer.torch(F, tensors)
        return added / F.batch if self.operands[0].batched else added

    @property
    def averages(self) -> bool:
        return self.operands[0].batched

    def sum_and_weight(self, F, *tensors):
        return self.regularizer.torch(F, tensors), F.batch


class SumAndWeight(Operator):
    """The sum and the total weight of a mean over the batch, for steps and figures of several batches. A
    number of a whole batch that is not a mean is weighted by the number of rows."""

    public = False
    training_only = True
    takes = "any"
    mixes = True

    of: Any = setting("the operator that computes the mean; none for a number of the whole batch",
                      OneOf(MemberOf("operator"), Nothing()), None)  # fmt: skip

    def type(self, *operands: Tensor) -> tuple[Tensor, Tensor]:
        return Tensor("float", batched=False), Tensor("float", batched=False)

    @property
    def weighs_rows(self) -> bool:
        return self.of is None or self.of.weighs_rows

    def torch(self, F, *operands):
        if self.of is not None:
            positional, given = self.of.split(operands)
            return self.of.sum_and_weight(F, *positional, **given)
        (number,) = operands
        return number * F.batch, F.batch
