"""Nodes between the losses that are written and the one number that training makes small."""

from __future__ import annotations

from typing import Any

from dlc.compiler.definitions.definition import setting
from dlc.compiler.definitions.parameter_types import MemberOf, Nothing, OneOf
from dlc.compiler.dims.dim import product
from dlc.compiler.operators.base import Operator
from dlc.compiler.types import Tensor


class BatchMean(Operator):
    """The mean over the batch and over all axes that are left."""

    public = False
    training_only = True
    batchless = True
    sums = True

    @property
    def averages(self) -> bool:
        return self.operands[0].batched

    def type(self, x: Tensor) -> Tensor:
        return Tensor("float", batched=False)

    def torch(self, F, x):
        return x.mean()

    def sum_and_weight(self, F, x):
        return x.sum(), F.batch * F.size(product(self.operands[0].shape))


class Penalty(Operator):
    """A regularizer as a node of the training graph; its operands are weights, or one tensor of the flow."""

    public = False
    training_only = True
    takes = "any"
    batchless = True

    regularizer: Any = setting("the regularizer", MemberOf("regularizer"))

    def type(self, *tensors: Tensor) -> Tensor:
        return Tensor("float", batched=False)

    def torch(self, F, *tensors):
        added = self.regularizer.torch(F, tensors)
        return added / F.batch if self.operands[0].batched else added

    @property
    def averages(self) -> bool:
        return self.operands[0].batched

    def sum_and_weight(self, F, *tensors):
        return self.regularizer.torch(F, tensors), F.batch


class SumAndWeight(Operator):
    """The two parts of a mean over the batch, for steps and figures of several batches; of what is one number
    of each batch as a whole, that number for each of its rows."""

    public = False
    training_only = True
    takes = "any"
    mixes = True

    of: Any = setting("what makes the mean; none for a number of the whole batch",
                      OneOf(MemberOf("operator"), Nothing()), None)  # fmt: skip

    def type(self, *operands: Tensor) -> tuple[Tensor, Tensor]:
        return Tensor("float", batched=False), Tensor("float", batched=False)

    @property
    def weighs_rows(self) -> bool:
        return self.of is None or self.of.weighs_rows

    def torch(self, F, *operands):
        if self.of is not None:
            return self.of.sum_and_weight(F, *operands)
        (number,) = operands
        return number * F.batch, F.batch
