"""The order of values along an axis: `argmax`, `argmin`, `topk` and `sort`."""

from __future__ import annotations

from abc import abstractmethod
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

from dlc.compiler.definitions.parameter_types import Integer, Nothing, OneOf
from dlc.compiler.dims.dim import at_least
from dlc.compiler.operators.base import Example, Operator, Reject, setting
from dlc.compiler.operators.operands import (
    CLOSE,
    NAN_IS_GREATEST,
    only_axis,
    onnx_cast,
    onnx_reshape,
    sample_axis,
)
from dlc.compiler.operators.padding import APART, Fill
from dlc.compiler.operators.postprocessing import near_maximum
from dlc.compiler.operators.reductions import keepdims_setting, without_axes
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable


class _Position(Operator, abstract=True):
    """The index of the largest or the smallest value along an axis, or in the flattened sample."""

    group = "reductions"
    takes = "number"
    least = 1
    batchless = True
    sign: ClassVar[int]  # 1 for the largest, -1 for the smallest

    axis: int | None = setting("the axis to search along", OneOf(Integer(), Nothing()), None,
                               shown="all axes of the sample")  # fmt: skip
    keepdims: bool = keepdims_setting()

    def type(self, x: Tensor) -> Tensor:
        axes = list(range(x.rank)) if self.axis is None else [sample_axis(x, self.axis)]
        return without_axes(x, axes, self.keepdims).with_element("int64")

    def padding_of(self, place, axis):
        x = self.operands[0]
        if self.axis is not None and axis != sample_axis(x, self.axis):
            return APART
        if self.axis is None and any(size != 1 for size in x.shape[:axis]):
            raise Reject(f"the index of `{self.name}` in the flattened sample would count padding", at=place,
                         help=f"`{self.name}(axis=...)` is the index along an axis")  # fmt: skip
        return Fill("lowest" if self.sign > 0 else "highest")

    def torch(self, F, x):
        have = self.operands[0]
        if self.axis is not None:
            return self.torch_along(x, have.axis(self.axis), {"keepdim": True} if self.keepdims else {})
        y = self.torch_along(x.flatten(have.axis(0)) if have.rank else x.unsqueeze(-1), -1, {})
        return y.reshape(*[-1] * have.batched, *self.results[0].shape) if self.keepdims else y

    def onnx(self, op, x):
        have = self.operands[0]
        if have.is_integer:
            x = onnx_cast(op, x, "int64", "float64")  # ONNX Runtime has no ArgMax for int64
        if self.axis is not None:
            return self.onnx_along(op, x, have.axis(self.axis), int(self.keepdims))
        flat = op.Flatten(x, axis=1) if have.batched else op.Reshape(x, op.constant([-1], "int64"))
        y = self.onnx_along(op, flat, int(have.batched), 0)
        return onnx_reshape(op, y, self.results[0]) if self.keepdims else y

    @abstractmethod
    def torch_along(self, x: Any, axis: int, keep: dict[str, bool]) -> Any:
        raise NotImplementedError

    @abstractmethod
    def onnx_along(self, op: Any, x: Any, axis: int, keepdims: int) -> Any:
        raise NotImplementedError

    def tolerance(self, np):
        have = self.operands[0]
        searched = range(have.batched, have.batched + have.rank)

        def of(x: Any) -> Any:
            values = self.sign * x.astype(np.float64)
            if self.axis is not None:
                axis = have.axis(self.axis)
                near = near_maximum(np, axis)(values)
                return np.expand_dims(near, axis) if self.keepdims else near
            near = near_maximum(np, -1)(
                values.reshape(*x.shape[: have.batched], prod(x.shape[have.batched :]))
            )
            return np.expand_dims(near, tuple(searched)) if self.keepdims else near

        return of


def position_examples(name: str) -> tuple[Example, ...]:
    return (
        Example(name, "float[5]", "int64"),
        Example(name, "float[3, 4]", "int64"),
        Example(name, "float", "int64"),
        Example(f"{name}(axis=0)", "float[3, T]", "int64[T]"),
        Example(f"{name}(axis=-1)", "float[T, 4]", "int64[T]"),
        Example(f"{name}(axis=-1, keepdims=true)", "float[T, 4]", "int64[T, 1]"),
        Example(f"{name}(keepdims=true)", "float[3, 4]", "int64[1, 1]"),
        Example(name, "int64[5]", "int64"),
        Example(f"{name}(axis=1)", "float[5]", rejects="E0201"),
        Example(f"{name}(axis=0, keepdims=1)", "float[5]", rejects="E0403"),
    )


class Argmax(_Position):
    """The index of the maximum, the first of equal ones (torch `argmax`, ONNX `ArgMax`).

    Over all axes it is the index into the flattened sample (row-major order).
    """

    differs_on_nan = NAN_IS_GREATEST
    sign = 1

    def torch_along(self, x, axis, keep):
        return x.argmax(axis, **keep)

    def onnx_along(self, op, x, axis, keepdims):
        return op.ArgMax(x, axis=axis, keepdims=keepdims)

    examples = position_examples("argmax")


class Argmin(_Position):
    """The index of the minimum, the first of equal ones (torch `argmin`, ONNX `ArgMin`).

    Over all axes it is the index into the flattened sample (row-major order).
    """

    differs_on_nan = "PyTorch treats NaN as the minimum, and ONNX Runtime may ignore it."
    sign = -1

    def torch_along(self, x, axis, keep):
        return x.argmin(axis, **keep)

    def onnx_along(self, op, x, axis, keepdims):
        return op.ArgMin(x, axis=axis, keepdims=keepdims)

    examples = position_examples("argmin")


class _Ordered(Operator, abstract=True):
    """Returns the values of an axis in order, and their former indices."""

    group = "shape"
    keeps = ("numbers",)
    takes = "number"
    batchless = True
    differs_on_nan = NAN_IS_GREATEST


class Topk(_Ordered):
    """The `k` largest values of the last axis, largest first, and their indices (torch `topk`, ONNX `TopK`).

    Returns two tensors, `values, places = x -> topk(3)`; the indices are `int64`. Equal values keep their
    order.
    """

    usage = """
    input  x: float[8]
    output y: float[3]

    values, places = x -> topk(3)
    values -> y
    """

    k: int = setting("number of values", Integer(1))

    @property
    def least(self) -> int:
        return self.k

    def type(self, x: Tensor) -> tuple[Tensor, ...]:
        if not x.rank:
            raise Reject(f"`topk` works along the last axis and needs at least one, found {x}", at="x")
        size = x.shape[-1]
        if not at_least(size, self.k):
            if isinstance(size, int):
                raise Reject(f"the last axis of {x} has fewer than {self.k} values", at="k", code="E0404",
                             help=f"`k` is at most {size}")  # fmt: skip
            raise Reject(f"it cannot be proved that the last axis of {x} has {self.k} values", at="k",
                         code="E0204", help=f"its size is `{size}`")  # fmt: skip
        values = x.with_axis(-1, self.k)
        return values, values.with_element("int64")

    def padding_of(self, place, axis):
        return Fill("lowest") if axis == self.operands[0].rank - 1 else APART

    def torch(self, F, x):
        ordered = F.sort(x, dim=-1, descending=True, stable=True)
        return ordered[0][..., : self.k], ordered[1][..., : self.k]

    def onnx(self, op, x):
        return op.TopK(x, op.constant([self.k], "int64"), axis=-1, largest=1, sorted=1, outputs=2)

    def tolerance(self, np):
        return near_neighbours(np, -1, descending=True, count=self.k)

    examples = (
        Example("topk(2)", "float[5]", ("float[2]", "int64[2]")),
        Example("topk(k=4)", "float[4]", ("float[4]", "int64[4]")),
        Example("topk(3)", "float[T, 4]", ("float[T, 3]", "int64[T, 3]")),
        Example("topk(1)", "float[T]", ("float[1]", "int64[1]")),
        Example("topk(3)", "float[2, T + 2]", ("float[2, 3]", "int64[2, 3]")),
        Example("topk(3)", "int64[6]", ("int64[3]", "int64[3]")),
        Example("topk(3)", "bool[6]", ("int64[3]", "int64[3]")),
        Example("topk(6)", "float[5]", rejects="E0404"),
        Example("topk(2)", "float[T]", rejects="E0204"),
        Example("topk(0)", "float[5]", rejects="E0403"),
        Example("topk(1)", "float", rejects="E0201"),
        Example("topk(1)", "class(3)[4]", rejects="E0202"),
    )


class Sort(_Ordered):
    """The values of an axis in ascending order, and their former indices (torch `sort`, ONNX `TopK`).

    Returns two tensors, `values, places = x -> sort(axis=0)`; the indices are `int64`. Equal values keep
    their order. `sort(x)[0]` is the values alone.
    """

    usage = """
    input  x: float[8]
    output y: float[8]

    values, places = x -> sort
    values -> y
    """

    axis: int | None = setting(
        "the axis to sort along", OneOf(Integer(), Nothing()), None, shown="the only one"
    )

    def type(self, x: Tensor) -> tuple[Tensor, ...]:
        only_axis(x, self.axis, "sort")
        return x, x.with_element("int64")

    def tensor_axis(self) -> int:
        x = self.operands[0]
        return x.axis(only_axis(x, self.axis, "sort"))

    def padding_of(self, place, axis):
        return Fill("highest") if axis == only_axis(self.operands[0], self.axis, "sort") else APART

    def torch(self, F, x):
        ordered = F.sort(x, dim=self.tensor_axis(), stable=True)
        return ordered[0], ordered[1]

    def onnx(self, op, x):
        size = self.operands[0].shape[only_axis(self.operands[0], self.axis, "sort")]
        count = op.shape(Tensor("int64", (size,), batched=False))
        return op.TopK(x, count, axis=self.tensor_axis(), largest=0, sorted=1, outputs=2)

    def tolerance(self, np):
        return near_neighbours(np, self.tensor_axis())

    examples = (
        Example("sort", "float[5]", ("float[5]", "int64[5]")),
        Example("sort", "float[T]", ("float[T]", "int64[T]")),
        Example("sort(axis=0)", "float[T, 4]", ("float[T, 4]", "int64[T, 4]")),
        Example("sort(-1)", "float[2, 3, 4]", ("float[2, 3, 4]", "int64[2, 3, 4]")),
        Example("sort(axis=1)", "float[3, 1]", ("float[3, 1]", "int64[3, 1]")),
        Example("sort", "int64[9]", ("int64[9]", "int64[9]")),
        Example("sort", "bool[6]", ("int64[6]", "int64[6]")),
        Example("sort", "float[3, 4]", rejects="E0405"),
        Example("sort(axis=2)", "float[3, 4]", rejects="E0201"),
        Example("sort", "float", rejects="E0201"),
        Example("sort", "class(3)[4]", rejects="E0202"),
    )


def near_neighbours(
    np: Any, axis: int, *, descending: bool = False, count: int | None = None
) -> Callable[[Any], Any]:
    """The tolerance of values in order and of their indices: any result is accepted where the previous or
    the next value is close to it. `count` is the number of results; all by default."""

    def of(x: Any) -> Any:
        values = np.moveaxis(x.astype(np.float64), axis, -1)
        ordered = -np.sort(-values, axis=-1) if descending else np.sort(values, axis=-1)
        with np.errstate(invalid="ignore"):
            near = np.abs(np.diff(ordered, axis=-1)) <= CLOSE * np.maximum(1, np.abs(ordered[..., :-1]))
        no_tie = np.zeros((*ordered.shape[:-1], 1), bool)
        tied = np.concatenate([no_tie, near], -1) | np.concatenate([near, no_tie], -1)
        return np.moveaxis(np.where(tied, np.inf, 0)[..., :count], -1, axis)

    return of
