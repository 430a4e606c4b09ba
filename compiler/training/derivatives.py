"""Derivatives in losses, of one tensor with respect to another one it depends on."""

from __future__ import annotations

from typing import Any

from dlc.compiler.dims.dim import product
from dlc.compiler.operators.base import Example, Reject
from dlc.compiler.training.losses import InLosses
from dlc.compiler.types import Tensor


class Derivative(InLosses, abstract=True):
    """A derivative per sample. Samples are assumed to be independent of each other."""

    takes = "any"
    wrt = 1
    elementwise = True  # derivatives with respect to padding are 0

    def check(self, of: Tensor, wrt: Tensor) -> None:
        for x, at in ((of, "of"), (wrt, "wrt")):
            if not x.is_float:
                help = "integers, booleans and classes have no derivatives"
                raise Reject(f"`{self.name}` takes floats, found {x}", at=at, help=help)


class Gradient(Derivative):
    """The derivatives of one value per sample with respect to each entry of a tensor it depends on, in the
    shape of that tensor (torch `autograd.grad`).

    The result can be differentiated again: `mse(norm(gradient(score, mixed)), 1)` is the penalty of Gulrajani
    et al. (2017).
    """

    usage = """
    # Exponential decay from 1: u' = -u, trained on the equation only.
    input  t: float
    output u: float

    slope = t -> dense(16) -> tanh -> dense(1)
    1 + t * slope[0] -> u

    train { loss = mse(gradient(u, t) + u, 0) }
    """

    def type(self, of: Tensor, wrt: Tensor) -> Tensor:
        self.check(of, wrt)
        if of.shape not in ((), (1,)):
            raise Reject(f"`gradient` takes one value per sample, found {of}", at="of",
                         help="`sum` adds up several values; `jacobian` differentiates each")  # fmt: skip
        if of.batched and not wrt.batched:
            raise Reject(f"`gradient` of a value per sample cannot be with respect to {wrt}, which is the "
                         "same for all samples", at="wrt",
                         help="differentiate a loss, which is one number")  # fmt: skip
        return wrt

    def torch(self, F, of, wrt):
        return F.derivative(of, wrt)

    examples = (
        Example("gradient", ("float", "float[3]"), "float[3]"),
        Example("gradient", ("float[1]", "float[T, 4]"), "float[T, 4]"),
        Example("gradient", ("float[2]", "float[3]"), rejects="E0201"),
        Example("gradient", ("float", "int64[3]"), rejects="E0201"),
    )


class Jacobian(Derivative):
    """The derivatives of each entry of one tensor with respect to each entry of another one it depends on,
    the axes of the first before those of the second (torch `autograd.functional.jacobian`, per sample)."""

    usage = """
    input  x: float[8]
    output y: float[8]

    code = x -> dense(3) -> tanh
    code -> dense(8) -> y

    train { loss = mse(y) + 0.01 * mse(jacobian(code, x), 0) }
    """

    def type(self, of: Tensor, wrt: Tensor) -> Tensor:
        self.check(of, wrt)
        if not (of.batched and wrt.batched):
            shared, at = (of, "of") if not of.batched else (wrt, "wrt")
            raise Reject(f"`jacobian` takes two tensors with values per sample, and {shared} is the same for "
                         "all samples", at=at, help="`gradient` can differentiate a loss")  # fmt: skip
        if not all(isinstance(size, int) for size in of.shape):
            raise Reject(f"`jacobian` differentiates a known number of values, found {of}", at="of",
                         help="reduce the free dimension first: `mean(axis=0)`")  # fmt: skip
        return wrt.with_shape(*of.shape, *wrt.shape)

    def torch(self, F, of, wrt):
        flat = F.reshape(of, (F.batch, -1))
        rows = [F.derivative(flat[:, i], wrt) for i in range(self.count())]
        return F.stack(rows, 1).reshape(F.batch, *(F.size(size) for size in self.results[0].shape))

    def count(self) -> Any:
        return product(self.operands[0].shape)

    examples = (
        Example("jacobian", ("float[2]", "float[3]"), "float[2, 3]"),
        Example("jacobian", ("float", "float[T, 4]"), "float[T, 4]"),
        Example("jacobian", ("float[2, 2]", "float"), "float[2, 2]"),
        Example("jacobian", ("float[T]", "float[3]"), rejects="E0201"),
        Example("jacobian", ("float[2]", "int64[3]"), rejects="E0201"),
    )
