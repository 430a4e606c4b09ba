"""Reductions over axes of the sample, such as sum, mean and maximum; and cumulative sums."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from dlc.compiler.definitions.parameter_types import Boolean, Integer, ListOf, Nothing, OneOf
from dlc.compiler.dims.dim import has_free, product
from dlc.compiler.operators.base import Example, Operator, Reject, setting
from dlc.compiler.operators.operands import (
    PASSES_NAN_OVER,
    only_axis,
    onnx_cast,
    sample_axis,
)
from dlc.compiler.operators.padding import (
    APART,
    Fill,
    onnx_counts,
    torch_counts,
)
from dlc.compiler.operators.recent_steps import RecentSteps, StepOfSum
from dlc.compiler.operators.step_order import on_axis
from dlc.compiler.operators.stepwise import ALONE, Stepwise
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from dlc.compiler.operators.padding import Named


def keepdims_setting() -> Any:
    return setting("whether reduced axes stay, with size 1", Boolean(), False, keyword=True)


def without_axes(x: Tensor, axes: list[int], keepdims: bool) -> Tensor:
    """The type after the reduction of these sample axes."""
    kept = [1 if axis in axes else size for axis, size in enumerate(x.shape) if keepdims or axis not in axes]
    return x.with_shape(*kept)


class Reduction(Operator, abstract=True):
    batchless = True
    # The number that does not change the result, which padding holds.
    neutral: ClassVar[float | Named] = 0
    axis: int | tuple[int, ...] | None = setting(
        "the axis to reduce, or a list of them",
        OneOf(Integer(), ListOf(Integer()), Nothing()),
        None,
        shown="all axes of the sample",
    )
    keepdims: bool = keepdims_setting()

    def type(self, x: Tensor) -> Tensor:
        return without_axes(x, self.axes(x), self.keepdims)

    def axes(self, x: Tensor) -> list[int]:
        """The sample axes that are reduced."""
        if self.axis is None:
            return list(range(x.rank))
        given = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        axes = [sample_axis(x, axis) for axis in given]
        if len(set(axes)) != len(axes) or not axes:
            found = "no axis" if not axes else f"a repeated axis in {list(given)}"
            raise Reject(f"`{self.name}` needs different axes, found {found}", at="axis")
        return sorted(axes)

    def tensor_axes(self) -> list[int]:
        """The reduced axes of the whole tensor."""
        x = self.operands[0]
        return [axis + x.batched for axis in self.axes(x)]

    def padding_of(self, place, axis):
        return Fill(self.neutral) if axis in self.axes(self.operands[0]) else APART

    def torch(self, F, x):
        if not self.tensor_axes():
            return self.torch_scalar(x)
        return self.torch_reduced(F, x, self.tensor_axes(), {"keepdim": True} if self.keepdims else {})

    def onnx(self, op, x):
        if not self.tensor_axes():
            return self.onnx_scalar(op, x)
        return self.onnx_reduced(op, x, op.constant(self.tensor_axes(), "int64"), int(self.keepdims))

    @abstractmethod
    def torch_reduced(self, F: Any, x: Any, axes: list[int], keep: dict[str, bool]) -> Any:
        """The result for these axes of the tensor; `keep` has the argument that keeps them."""
        raise NotImplementedError

    @abstractmethod
    def onnx_reduced(self, op: Any, x: Any, axes: Any, keepdims: int) -> Any:
        raise NotImplementedError

    def torch_scalar(self, x: Any) -> Any:
        """The result for a sample without axes."""
        return x

    def onnx_scalar(self, op: Any, x: Any) -> Any:
        return op.Identity(x)


class Sum(Reduction):
    """The sum over axes (torch `sum`, ONNX `ReduceSum`)."""

    takes = "number"

    def torch_reduced(self, F, x, axes, keep):
        return x.sum(axes, **keep)

    def onnx_reduced(self, op, x, axes, keepdims):
        return op.ReduceSum(x, axes, keepdims=keepdims)

    examples = (
        Example("sum", "float[3, 4]", "float"),
        Example("sum(axis=0)", "float[3, 4]", "float[4]"),
        Example("sum(axis=[0, -1])", "float[3, 4, 5]", "float[4]"),
        Example("sum(axis=0)", "float[T, 4]", "float[4]"),
        Example("sum(axis=-1, keepdims=true)", "float[T, 4]", "float[T, 1]"),
        Example("sum(keepdims=true)", "float[3, 4]", "float[1, 1]"),
        Example("sum", "float", "float"),
        Example("sum", "int64[3]", "int64"),
        Example("sum(axis=-1)", "bool[2, 3]", "int64[2]"),
        Example("sum(axis=2)", "float[3, 4]", rejects="E0201"),
        Example("sum(axis=[0, 0])", "float[3, 4]", rejects="E0201"),
        Example("sum(axis=0.5)", "float[3, 4]", rejects="E0403"),
    )


class Mean(Reduction):
    """The mean over axes, and 0 over none (torch `mean`, ONNX `ReduceMean`)."""

    keeps = ("range",)

    def padding_of(self, place, axis):
        return Fill(0, lengths=True) if axis in self.axes(self.operands[0]) else APART

    def torch(self, F, x, lengths=None):
        count = product(self.operands[0].shape[axis] for axis in self.axes(self.operands[0]))
        if lengths is None and not has_free(count):
            return super().torch(F, x)
        total = x.sum(self.tensor_axes(), keepdim=self.keepdims)
        if lengths is None:
            steps = F.size(count)
            return total / (steps + 1 // (steps + 1))  # 0 of no steps, where torch's mean is NaN
        return total / torch_counts(F, self, self.axes(self.operands[0]), lengths, self.results[0].rank)

    def onnx(self, op, x, lengths=None):
        if lengths is None:
            return super().onnx(op, x)
        total = op.ReduceSum(x, op.constant(self.tensor_axes(), "int64"), keepdims=int(self.keepdims))
        axes, rank = self.axes(self.operands[0]), self.results[0].rank
        return op.Div(total, onnx_counts(op, self, axes, lengths, rank))

    def torch_reduced(self, F, x, axes, keep):
        return x.mean(axes, **keep)

    def onnx_reduced(self, op, x, axes, keepdims):
        return op.ReduceMean(x, axes, keepdims=keepdims)

    examples = (
        Example("mean", "float[3, 4]", "float"),
        Example("mean(axis=-1)", "float[T, 4]", "float[T]"),
        Example("mean(axis=[1, 2])", "float[3, 4, 5]", "float[3]"),
        Example("mean(axis=-1, keepdims=true)", "float[T, 4]", "float[T, 1]"),
        Example("mean(keepdims=true)", "float[3, 4]", "float[1, 1]"),
        Example("mean", "uint8[3]", "float", low=0, high=9),
        Example("mean(axis=1)", "float[3]", rejects="E0201"),
    )


def onnx_extreme(reduce: Any, op: Any, x: Any, axes: Any, keepdims: int, result: Tensor) -> Any:
    """Maximum or minimum in ONNX. On x86 ONNX Runtime is wrong for int64 above 2 ** 31. It is computed in
    float64 instead, which represents integers up to 2 ** 53."""
    if not result.is_integer:
        return reduce(x, axes, keepdims=keepdims)
    wide = reduce(onnx_cast(op, x, "int64", "float64"), axes, keepdims=keepdims)
    return onnx_cast(op, wide, "float64", "int64")


class Max(Reduction):
    """The maximum over axes (torch `amax`, ONNX `ReduceMax`)."""

    keeps = ("range",)

    takes = "number"
    neutral = "lowest"
    least = 1
    differs_on_nan = PASSES_NAN_OVER

    def torch_reduced(self, F, x, axes, keep):
        return x.amax(axes, **keep)

    def onnx_reduced(self, op, x, axes, keepdims):
        return onnx_extreme(op.ReduceMax, op, x, axes, keepdims, self.results[0])

    examples = (
        Example("max", "float[3, 4]", "float"),
        Example("max(axis=0)", "float[T, 4]", "float[4]"),
        Example("max(axis=[0, 2])", "float[3, 4, 5]", "float[4]"),
        Example("max(axis=-1, keepdims=true)", "float[T, 4]", "float[T, 1]"),
        Example("max(keepdims=true)", "float[3, 4]", "float[1, 1]"),
        Example("max", "int64[3]", "int64"),
        Example("max(axis=1)", "float[3]", rejects="E0201"),
    )


class Min(Reduction):
    """The minimum over axes (torch `amin`, ONNX `ReduceMin`)."""

    keeps = ("range",)

    takes = "number"
    neutral = "highest"
    least = 1
    differs_on_nan = PASSES_NAN_OVER

    def torch_reduced(self, F, x, axes, keep):
        return x.amin(axes, **keep)

    def onnx_reduced(self, op, x, axes, keepdims):
        return onnx_extreme(op.ReduceMin, op, x, axes, keepdims, self.results[0])

    examples = (
        Example("min", "float[3, 4]", "float"),
        Example("min(axis=0)", "float[T, 4]", "float[4]"),
        Example("min(axis=[0, 2])", "float[3, 4, 5]", "float[4]"),
        Example("min(axis=-1, keepdims=true)", "float[T, 4]", "float[T, 1]"),
        Example("min(keepdims=true)", "float[3, 4]", "float[1, 1]"),
        Example("min", "int64[3]", "int64"),
        Example("min(axis=1)", "float[3]", rejects="E0201"),
    )


class Norm(Reduction):
    """The Euclidean norm, `sqrt(sum(x ** 2))` over axes (torch `norm`, ONNX `ReduceL2`)."""

    def torch_reduced(self, F, x, axes, keep):
        return x.norm(p=2, dim=axes, **keep)

    def onnx_reduced(self, op, x, axes, keepdims):
        return op.ReduceL2(x, axes, keepdims=keepdims)

    def torch_scalar(self, x):
        return x.abs()

    def onnx_scalar(self, op, x):
        return op.Abs(x)

    examples = (
        Example("norm", "float[3, 4]", "float"),
        Example("norm(axis=-1)", "float[T, 4]", "float[T]"),
        Example("norm(axis=[0, 1])", "float[3, 4, 5]", "float[5]"),
        Example("norm", "float[2, 3, 4]", "float"),
        Example("norm(axis=-1, keepdims=true)", "float[T, 4]", "float[T, 1]"),
        Example("norm(keepdims=true)", "float[3, 4]", "float[1, 1]"),
        Example("norm", "float", "float"),
        Example("norm(axis=1)", "float[3]", rejects="E0201"),
    )


class Prod(Reduction):
    """The product over axes (torch `prod`, ONNX `ReduceProd`).

    Products of integers are exact up to 2 ** 53: ONNX Runtime computes them in float64.
    """

    takes = "number"
    neutral = 1

    def torch_reduced(self, F, x, axes, keep):
        for axis in reversed(axes):
            x = x.prod(axis, **keep)
        return x

    def onnx_reduced(self, op, x, axes, keepdims):
        return op.ReduceProd(x, axes, keepdims=keepdims)

    def tolerance(self, np):
        axes = tuple(self.tensor_axes())

        def of(x: Any) -> Any:
            with np.errstate(over="ignore", invalid="ignore"):
                products = np.prod(x.astype(np.float64), axis=axes, keepdims=self.keepdims)
            return np.where(np.abs(products) <= 2.0**53, 0, np.inf)

        return of if self.results[0].is_integer else None

    examples = (
        Example("prod", "float[3, 4]", "float"),
        Example("prod(axis=0)", "float[T, 4]", "float[4]"),
        Example("prod(axis=[0, -1])", "float[3, 4, 5]", "float[4]"),
        Example("prod(axis=-1, keepdims=true)", "float[T, 4]", "float[T, 1]"),
        Example("prod(keepdims=true)", "int64[2, 3]", "int64[1, 1]"),
        Example("prod", "float", "float"),
        Example("prod(axis=-1)", "bool[2, 3]", "int64[2]"),
        Example("prod(axis=2)", "float[3, 4]", rejects="E0201"),
    )


class Logsumexp(Reduction):
    """`log(sum(exp(x)))` over axes, without overflow (torch `logsumexp`, ONNX `ReduceMax`, `Exp`,
    `ReduceSum`, `Log`)."""

    neutral = "lowest"
    least = 1

    def torch_reduced(self, F, x, axes, keep):
        return x.logsumexp(axes, **keep)

    def onnx_reduced(self, op, x, axes, keepdims):
        """Engines treat infinite numbers differently in `ReduceLogSumExp`."""
        highest = op.ReduceMax(x, axes, keepdims=1)
        is_finite = op.Less(op.Abs(highest), op.constant(float("inf"), "float32"))
        highest = op.Where(is_finite, highest, op.constant(0.0, "float32"))
        total = op.ReduceSum(op.Exp(op.Sub(x, highest)), axes, keepdims=keepdims)
        return op.Add(op.Log(total), highest if keepdims else op.Squeeze(highest, axes))

    examples = (
        Example("logsumexp", "float[3, 4]", "float"),
        Example("logsumexp(axis=0)", "float[T, 4]", "float[4]", low=-200, high=200),
        Example("logsumexp(axis=[0, -1])", "float[3, 4, 5]", "float[4]"),
        Example("logsumexp(axis=-1, keepdims=true)", "float[T, 4]", "float[T, 1]"),
        Example("logsumexp(keepdims=true)", "float[3, 4]", "float[1, 1]"),
        Example("logsumexp", "float", "float"),
        Example("logsumexp(axis=1)", "float[3]", rejects="E0201"),
    )


class Cumsum(Operator):
    """The cumulative sum along an axis (torch `cumsum`, ONNX `CumSum`)."""

    takes = "number"
    batchless = True
    elementwise = True  # an entry is the sum of those before it
    tells_places = True
    axis: int | None = setting(
        "the axis to sum along", OneOf(Integer(), Nothing()), None, shown="the only one"
    )

    def type(self, x: Tensor) -> Tensor:
        only_axis(x, self.axis, "cumsum")
        return x

    def stepwise(self, changing, steps):
        x = self.operands[0]
        axis = only_axis(x, self.axis, "cumsum")
        if not on_axis(steps, x, axis):
            return ALONE
        one = x.with_axis(axis, 1)
        return Stepwise(
            StepOfSum(), recent=RecentSteps(axis=axis, count=1), of_result=True, states=(one,), carried=(one,)
        )

    def tensor_axis(self) -> int:
        x = self.operands[0]
        return x.axis(only_axis(x, self.axis, "cumsum"))

    def torch(self, F, x):
        return x.cumsum(self.tensor_axis())

    def onnx(self, op, x):
        return op.CumSum(x, op.constant(self.tensor_axis(), "int64"))

    examples = (
        Example("cumsum(axis=0)", "float[T, 4]", "float[T, 4]"),
        Example("cumsum(axis=-1)", "float[3, 4]", "float[3, 4]"),
        Example("cumsum", "int64[5]", "int64[5]"),
        Example("cumsum", "float[3, 4]", rejects="E0405"),
        Example("cumsum(axis=2)", "float[3, 4]", rejects="E0201"),
    )
