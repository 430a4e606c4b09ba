"""The batch as an axis, in losses."""

from __future__ import annotations

from dlc.compiler.definitions.parameter_types import Integer
from dlc.compiler.dims.dim import BATCH_SIZE, Dim
from dlc.compiler.operators.base import Operator, Reject, setting
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


class BatchNumber(Operator):
    """The size of the batch in arithmetic, such as `B - 1`."""

    public = False
    batchless = True
    training_only = True
    reads_batch_size = True

    size: Dim = setting("the size", Integer(symbolic=True))

    def type(self) -> Tensor:
        return Tensor("float", batched=False)

    def torch(self, F):
        return F.size_number(F.size(self.size))
