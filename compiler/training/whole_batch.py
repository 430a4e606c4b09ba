"""The batch as an axis, in losses."""

from __future__ import annotations

from dlc.compiler.dims.dim import BATCH_SIZE
from dlc.compiler.operators.base import Operator, Reject
from dlc.compiler.types import Tensor


class JoinBatch(Operator):
    """`batch(x)`: one value with the batch as its first axis, in place of a value for each sample."""

    name = "batch"
    public = False
    takes = "any"
    batchless = True
    training_only = True
    joins_batch = True

    def type(self, x: Tensor) -> Tensor:
        if not x.batched:
            raise Reject(f"`batch` takes a value of each sample; {x} is the same for all")
        return Tensor(x.element, (BATCH_SIZE, *x.shape), x.classes, batched=False)

    def torch(self, F, x):
        return x
