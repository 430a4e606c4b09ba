"""The unit matrix."""

from __future__ import annotations

from dlc.compiler.definitions.initializers import MAX_EYE
from dlc.compiler.definitions.parameter_types import Integer
from dlc.compiler.dims.dim import BATCH, Dim, names
from dlc.compiler.operators.base import Operator, Reject, setting
from dlc.compiler.types import Tensor


class Eye(Operator):
    """The unit matrix, 1 on the diagonal and 0 elsewhere (torch `eye`), a constant in ONNX. In losses its
    size may be that of the batch, `eye(B)`."""

    public = False
    batchless = True
    size: int | Dim = setting("number of rows and columns", Integer(1, MAX_EYE, symbolic=True))

    @property
    def reads_batch_size(self) -> bool:
        return isinstance(self.size, Dim)

    def type(self) -> Tensor:
        if isinstance(self.size, Dim) and names(self.size) != {BATCH}:
            raise Reject(f"`eye` takes a known size, or `B` in losses, found `{self.size}`", at="size",
                         code="E0403")  # fmt: skip
        return Tensor("float", (self.size, self.size), batched=False)

    def torch(self, F):
        return F.unit_matrix(F.size(self.size)) if isinstance(self.size, Dim) else F.eye(self.size)

    def onnx(self, op):
        if isinstance(self.size, Dim):
            raise TypeError("a matrix of the size of the batch is allowed in losses only")
        rows = range(self.size)
        return op.constant([[1.0 if i == j else 0.0 for j in rows] for i in rows], "float32")
