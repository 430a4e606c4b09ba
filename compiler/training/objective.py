"""Nodes between the losses that are written and the one number that training makes small."""

from __future__ import annotations

from typing import Any

from dlc.compiler.definition import setting
from dlc.compiler.kinds import Defined
from dlc.compiler.operators.base import Operator
from dlc.compiler.types import Tensor


class BatchMean(Operator):
    """The mean over the batch and over all axes that are left."""

    public = False
    training_only = True
    batchless = True
    sums = True

    def type(self, x: Tensor) -> Tensor:
        return Tensor("float", batched=False)

    def torch(self, F, x):
        return x.mean()


class Penalty(Operator):
    """A regularizer as a node of the training graph; its operands are weights, or one tensor of the flow."""

    public = False
    training_only = True
    takes = "any"
    batchless = True

    regularizer: Any = setting("the regularizer", Defined("regularizer"))

    def type(self, *tensors: Tensor) -> Tensor:
        return Tensor("float", batched=False)

    def torch(self, F, *tensors):
        added = self.regularizer.torch(F, tensors)
        return added / F.batch if self.operands[0].batched else added
