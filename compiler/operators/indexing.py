"""Indexing: `x[0]`, `x[1:9]`, `x[..., -1]`."""

from __future__ import annotations

from typing import Any

from dlc.compiler.definitions.parameter_types import Integer, ParameterType
from dlc.compiler.dims.dim import Dim, Size, at_least, ceil_div
from dlc.compiler.operators.base import Example, Operator, Reject, setting
from dlc.compiler.operators.operands import END
from dlc.compiler.operators.padding import APART
from dlc.compiler.operators.recent_steps import over_recent
from dlc.compiler.operators.step_order import on_axis
from dlc.compiler.operators.stepwise import ALONE, Stepwise
from dlc.compiler.types import Tensor


class Entries(ParameterType):
    """The entries of an index expression: for each axis an index or a slice (start, stop, step), with `none`
    for omitted parts."""

    def describe(self) -> str:
        return "an index or a slice for each axis"

    def accept(self, value: Any) -> Any:
        index = Integer(-END, END, symbolic=True)
        if not isinstance(value, (list, tuple)):
            raise self.mismatch(value)
        return tuple(
            tuple(p if p is None else index.accept(p) for p in e) if isinstance(e, tuple) else index.accept(e)
            for e in value
        )


class Slice(Operator):
    """Indexing and slicing of sample axes (torch indexing, ONNX `Slice` and `Gather`).

    An index takes one entry and removes its axis; a slice takes every `step`-th entry from `start` to
    `stop`, `stop` excluded. Negative numbers count from the end; other axes are unchanged.
    """

    keeps = ("numbers", "axes", "missing")
    public = False
    takes = "any"
    batchless = True
    entries: tuple[Any, ...] = setting("an index or a slice for each axis of the sample", Entries())

    def type(self, x: Tensor) -> Tensor:
        if len(self.entries) > x.rank:
            raise Reject(f"{len(self.entries)} indices for {x}, which has {x.rank} axes", code="E0209")
        shape: list[Size] = []
        for axis, (entry, size) in enumerate(zip(self.entries, x.shape, strict=False)):
            if isinstance(entry, tuple):
                shape.append(sliced_size(x, axis, size, *entry))
            else:
                check_index(x, axis, size, entry)
        return x.with_shape(*shape, *x.shape[len(self.entries) :])

    def padding_of(self, place, axis):
        entry = self.entries[axis] if axis < len(self.entries) else ()
        start = entry if not isinstance(entry, tuple) else entry[0] if entry else None
        if isinstance(start, Dim) or (start is not None and start < 0):
            help = "`last` is the last step of each row" if entry == -1 else ""
            raise Reject("an index from the end would read padding", at=place, help=help)
        return APART

    def stepwise(self, changing, steps):
        x = self.operands[0]
        axis = next(axis for axis in range(x.rank) if on_axis(steps, x, axis))
        entry = self.entries[axis] if axis < len(self.entries) else (None, None, None)
        if not isinstance(entry, tuple):
            raise Reject("it reads a single step", help="`shift` reads an earlier step")
        start, stop, step = entry
        left = 0 if stop is None else -stop if is_negative(stop) else x.shape[axis] - stop
        if step not in (None, 1) or isinstance(start, Dim) or is_negative(start) or isinstance(left, Dim):
            raise Reject("it reads steps from the end, or some of them",
                         help="`[n:]` and `[:-n]` can be computed step by step")  # fmt: skip
        if not start and not left:
            return ALONE
        entries = list(self.entries)
        entries[axis] = (None, 1, None) if left else (None, None, None)
        one = self.with_settings(entries=entries)
        return over_recent(one.bind(x.with_axis(axis, left + 1)), x, axis, left) if left else Stepwise(one)

    def least_along(self, place, axis):
        entry = self.entries[axis] if axis < len(self.entries) else ()
        return 0 if isinstance(entry, tuple) else 1

    @property
    def indexes_one(self) -> bool:
        return self.operands[0].shape == (1,)

    def indices(self) -> list[tuple[int, Size]]:
        """The axes of the whole tensor that an index removes, with the index, the last axis first."""
        batch = self.operands[0].batched
        found = [
            (axis + batch, entry) for axis, entry in enumerate(self.entries) if not isinstance(entry, tuple)
        ]
        return found[::-1]

    def slices(self) -> list[tuple[int, Any, Any, Any]]:
        """The axes of the whole tensor that are sliced, with start, stop and step."""
        batch = self.operands[0].batched
        return [
            (axis + batch, *entry)
            for axis, entry in enumerate(self.entries)
            if isinstance(entry, tuple) and entry != (None, None, None)
        ]

    def torch(self, F, x):
        def as_int(number: Any) -> Any:
            return F.size(number) if isinstance(number, Dim) else number

        keys = [slice(*map(as_int, e)) if isinstance(e, tuple) else as_int(e) for e in self.entries]
        batch = [slice(None)] * self.operands[0].batched
        return x[(*batch, *keys)] if keys else x

    def onnx(self, op, x):
        slices = self.slices()
        if slices:
            axes, starts, stops, steps = zip(*slices, strict=True)
            starts = vector(op, [0 if start is None else start for start in starts])
            stops = vector(op, [END if stop is None else stop for stop in stops])
            steps = op.constant([1 if step is None else step for step in steps], "int64")
            x = op.Slice(x, starts, stops, op.constant(list(axes), "int64"), steps)
        for axis, index in self.indices():
            index = op.size(index) if isinstance(index, Dim) else op.constant(index, "int64")
            x = op.Gather(x, index, axis=axis)
        return x if slices or self.indices() else op.Identity(x)

    examples = (
        Example("a[0]", "float[3]", "float"),
        Example("a[-1]", "float[T, 4]", "float[4]"),
        Example("a[1:3]", "float[5, 2]", "float[2, 2]"),
        Example("a[..., 0]", "float[2, 3, 4]", "float[2, 3]"),
        Example("a[:, -2:]", "float[2, 5]", "float[2, 2]"),
        Example("a[::2]", "float[5]", "float[3]"),
        Example("a[1, ..., 1:]", "float[2, 3, 4]", "float[3, 3]"),
        Example("a[1:]", "float[T, 4]", "float[T - 1, 4]"),
        Example("a[:-1]", "float[T + 1]", "float[T]"),
        Example("a[::2]", "float[T]", "float[(T + 1) // 2]"),
        Example("a[2:5]", "float[T + 4]", "float[3]"),
        Example("a[-3:, 0]", "float[T + 2, 4]", "float[3]"),
        Example("a[T:]", "float[2 * T, 4]", "float[T, 4]"),
        Example("a[0]", "class(3)[4]", "class"),
        Example("a[0]", "bool[4]", "bool"),
        Example("a[3]", "float[3]", rejects="E0209"),
        Example("a[-4]", "float[3]", rejects="E0209"),
        Example("a[3:]", "float[3]", rejects="E0209"),
        Example("a[::0]", "float[3]", rejects="E0209"),
        Example("a[::-1]", "float[3]", rejects="E0209"),
        Example("a[0, 0]", "float[3]", rejects="E0209"),
        Example("a[5]", "float[T]", rejects="E0204"),
        Example("a[:5]", "float[T]", rejects="E0204"),
        Example("a[-3:]", "float[T]", rejects="E0204"),
    )


def vector(op: Any, sizes: list[Size]) -> Any:
    if any(isinstance(size, Dim) for size in sizes):
        return op.shape(Tensor("int64", tuple(sizes), batched=False))
    return op.constant(sizes, "int64")


# --- sizes ------------------------------------------------------------------------------------------------


def check_index(x: Tensor, axis: int, size: Size, index: Size) -> None:
    from_start = index + size if isinstance(index, int) and index < 0 else index
    if at_least(from_start, 0) and at_least(size - from_start, 1):
        return
    if isinstance(size, int) and isinstance(index, int):
        entry = "1 entry" if size == 1 else f"{size} entries"
        raise Reject(f"index {index} is out of range: axis {axis} of {x} has {entry}", code="E0209",
                     help=f"indices start at 0: the last is {size - 1}, or -1")  # fmt: skip
    raise Reject(f"it cannot be proved that axis {axis} of {x} has an entry {index}", code="E0204",
                 help=f"its size is `{size}`; `x[0]` and `x[-1]` always exist")  # fmt: skip


def sliced_size(x: Tensor, axis: int, size: Size, start: Any, stop: Any, step: Any) -> Size:
    step = 1 if step is None else step
    if isinstance(step, Dim) or step < 1:
        raise Reject(f"the step of a slice is an integer of at least 1, found {step}", code="E0209",
                     help="entries cannot be reversed" if is_negative(step) else "")  # fmt: skip
    if isinstance(size, int) and not isinstance(start, Dim) and not isinstance(stop, Dim):
        kept = len(range(*slice(start, stop, step).indices(size)))
        if not kept:
            raise Reject(f"the slice of axis {axis} of {x}, which has {size} entries, is empty", code="E0209")
        return kept
    first, last = edge(size, start, 0), edge(size, stop, size)
    must_be_positive = (
        (first, "begins before the first entry"),
        (size - first, "begins after the last entry"),
        (last, "ends before the first entry"),
        (size - last, "ends after the last entry"),
        (last - first, "ends before it begins"),
    )
    for difference, problem in must_be_positive:
        if not at_least(difference, 0):
            spelled = ":".join("" if n is None else str(n) for n in (start, stop))
            raise Reject(f"the size of `[{spelled}]` of axis {axis} of {x} cannot be proved", code="E0204",
                         help=f"whether the slice {problem} depends on `{size}`")  # fmt: skip
    return ceil_div(last - first, step)


def edge(size: Size, number: Any, default: Size) -> Size:
    """A start or a stop as an index from 0."""
    if number is None:
        return default
    return number + size if isinstance(number, int) and number < 0 else number


def is_negative(step: Any) -> bool:
    return isinstance(step, int) and step < 0
