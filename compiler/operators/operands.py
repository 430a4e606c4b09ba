"""Operands of operators: dtypes, type promotion, broadcasting and axes."""

from __future__ import annotations

from typing import Any

from dlc.compiler.definitions.parameter_types import LARGEST_FLOAT, Reject
from dlc.compiler.dims.dim import Size, same
from dlc.compiler.types import INTEGERS, Tensor, spell_ignored

# The name of the torch dtype and the number of the ONNX dtype (TensorProto.DataType).
DTYPES = {
    "float": ("float32", 1),
    "float16": ("float16", 10),
    "bfloat16": ("bfloat16", 16),
    "float64": ("float64", 11),
    "uint8": ("uint8", 2),
    "int8": ("int8", 3),
    "int16": ("int16", 5),
    "int32": ("int32", 6),
    "int64": ("int64", 7),
    "class": ("int64", 7),
    "bool": ("bool", 9),
}
# Elements for which ONNX Runtime does not implement `Where` or `Expand`, and wider ones for which it does.
WIDER = {"bool": "uint8", "int8": "int32", "int16": "int32", "bfloat16": "float"}
# The minimum and the maximum of each element; in `FLOAT_RANGES` the nearest float32 numbers in the range.
RANGES = {
    "uint8": (0, 255),
    "int8": (-128, 127),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
}
FLOAT_RANGES = RANGES | {"int32": (-(2**31), 2**31 - 2**7), "int64": (-(2**63), 2**63 - 2**39)}

# Values of `differs_on_nan` for operators that compute a maximum or a minimum.
PASSES_NAN_OVER = "Where one of the values is NaN, PyTorch returns NaN, and ONNX Runtime may ignore it."
NAN_IS_GREATEST = "PyTorch treats NaN as the maximum, and ONNX Runtime may ignore it."

END = 2**63 - 1  # the end of an axis in ONNX `Slice`
CLOSE = 1e-4  # relative tolerance below which two values count as equal


def check_representable(value: Any, element: str, at: str) -> None:
    """Reject a number of a setting that the element cannot represent."""
    low, high = RANGES["int64"]
    if element == "int64" and not low <= value <= high:
        raise Reject(f"an integer must fit into 64 bits, found {value}", at=at)
    if element == "float" and not abs(value) < LARGEST_FLOAT:
        raise Reject(f"a number must be below 3.4e38, as float32 is, found {value}", at=at)


def close(np: Any, a: Any, b: Any) -> Any:
    """Elementwise: whether rounding may have changed the order of two values or made them equal."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return np.abs(a - b) <= CLOSE * np.maximum(1, np.maximum(np.abs(a), np.abs(b)))


def torch_dtype(F: Any, element: str) -> Any:
    return getattr(F, DTYPES[element][0])


def torch_cast(F: Any, x: Any, have: str, want: str) -> Any:
    return x if have == want else x.to(torch_dtype(F, want))


def onnx_cast(op: Any, x: Any, have: str, want: str) -> Any:
    return x if have == want else op.Cast(x, to=DTYPES[want][1])


def onnx_reshape(op: Any, x: Any, type: Tensor, batch: int = 0) -> Any:
    """`x` in the shape of a type, for any batch size. In an empty batch a -1 among the sizes of the sample
    cannot be inferred; `allowzero` keeps ONNX Runtime from inserting one. `batch` is 0 to keep the first
    axis, or -1 to infer it."""
    if not all(isinstance(size, int) for size in type.shape):
        return op.Reshape(x, op.shape(type), allowzero=1)
    return op.Reshape(x, op.constant([batch] * type.batched + list(type.shape), "int64"))


def onnx_rows(op: Any, x: Any, have: Tensor) -> Any:
    """The vectors along the last axis as the rows of one matrix, to multiply them by a matrix without a batch
    axis. ONNX Runtime fuses a `Transpose` with the `MatMul` that follows it; without this reshape the fused
    kernel fails for an empty batch."""
    return op.Reshape(x, op.constant([-1, have.shape[-1]], "int64"))


def onnx_minimum(op: Any, a: Any, b: Any, integer: bool) -> Any:
    """The elementwise minimum. On x86 `Min`, `Max` and `Clip` of ONNX Runtime are wrong for int64 above
    2 ** 31; comparisons are right."""
    return op.Where(op.Less(b, a), b, a) if integer else op.Min(a, b)


def onnx_maximum(op: Any, a: Any, b: Any, integer: bool) -> Any:
    return op.Where(op.Less(a, b), b, a) if integer else op.Max(a, b)


def onnx_clip(op: Any, x: Any, low: Any, high: Any, element: str) -> Any:
    """`x` clipped to two bounds, either of which may be none."""
    number = int if element == "int64" else float
    low, high = (b if b is None else op.constant(number(b), DTYPES[element][0]) for b in (low, high))
    if element != "int64":
        return op.Clip(x, low) if high is None else op.Clip(x, low, high)
    x = x if low is None else onnx_maximum(op, x, low, integer=True)
    return x if high is None else onnx_minimum(op, x, high, integer=True)


def promote_types(operands: tuple[Tensor, ...], verb: str) -> Tensor:
    """Type promotion: a tensor of the common element, or of `int64` or `float` where elements differ."""
    first = operands[0]
    for other in operands[1:]:
        if "class" in (first.element, other.element) and first.classes != other.classes:
            raise Reject(
                f"these cannot be {verb}: {spell_classes(first)} and {spell_classes(other)}",
                help="class values can only be combined with values of the same classes; `embedding` or "
                "`one_hot` turns them into numbers",
            )
        if first.element != other.element and not (first.is_number and other.is_number):
            raise Reject(f"these cannot be {verb}: {first} and {other}")
    elements = {x.element for x in operands}
    if len(elements) == 1:
        return first
    return first.with_element("int64" if elements <= {*INTEGERS, "bool"} else "float")


def spell_classes(x: Tensor) -> str:
    """A type with its classes: `class(3)[4]`, `class(red, green)`, `class(auto)`, `binary[5]`; and with the
    values that it ignores: `class(3, ignore=255)`."""
    shown = []
    if x.classes is not None and x.classes.found_in:
        shown.append("auto")
    elif x.classes is not None and x.classes.names is not None:
        shown += [*x.classes.names[:4], *(["..."] if len(x.classes.names) > 4 else [])]
    elif x.classes is not None and x.element == "class":
        shown.append(str(x.classes.count))
    shown += [spell_ignored(x.ignore)] if x.ignore else []
    return str(x).replace(x.element, f"{x.element}({', '.join(shown)})", 1) if shown else str(x)


# --- shapes ---------------------------------------------------------------------------------------------


def broadcast(operands: tuple[Tensor, ...], verb: str) -> tuple[Size, ...]:
    """The shape after NumPy broadcasting: axes are matched from the last, and size 1 matches any size."""
    rank = max(x.rank for x in operands)
    shape: list[Size] = []
    for axis in range(-rank, 0):
        size: Size = 1
        for x in operands:
            found = x.shape[axis] if x.rank >= -axis else 1
            if same(size, 1):
                size = found
            elif not same(found, 1) and not same(found, size):
                raise mismatch(operands, verb, size, found, axis + rank)
        shape.append(size)
    return tuple(shape)


def mismatch(operands: tuple[Tensor, ...], verb: str, a: Size, b: Size, axis: int) -> Reject:
    """The error for shapes that do not match: E0203, or E0204 where a free dimension prevents the proof."""
    these = "these two" if len(operands) == 2 else "these"
    message = f"{these} cannot be {verb}: {', '.join(map(str, operands[:-1]))} and {operands[-1]}"
    help = axis_help(operands)
    if isinstance(a, int) and isinstance(b, int):
        return Reject(message, code="E0203", help=help or f"axis {axis} is {a} here and {b} there")
    return Reject(message, code="E0204", help=help or f"`{a}` and `{b}` cannot be proved equal")


def axis_help(operands: tuple[Tensor, ...]) -> str:
    """The hint where the shorter shape matches the first axes of the other instead of the last ones."""
    low, high = sorted(operands[:2], key=lambda x: x.rank)
    if not 0 < low.rank < high.rank or high.shape[: low.rank] != low.shape:
        return ""
    sizes = ", ".join(map(str, (*low.shape, *[1] * (high.rank - low.rank))))
    return f"axes are matched from the last one; `reshape({sizes})` makes {low} fit the first axes of {high}"


# --- axes -----------------------------------------------------------------------------------------------


def sample_axis(x: Tensor, axis: int, at: str = "axis") -> int:
    """A sample axis as an index from 0, or `Reject`."""
    if -x.rank <= axis < x.rank:
        return axis % x.rank
    known = "has no axes" if not x.rank else f"has axis 0 alone, found {axis}" if x.rank == 1 \
        else f"has axes 0 to {x.rank - 1}, found {axis}"  # fmt: skip
    raise Reject(f"{x} {known}", at=at, code="E0201",
                 help="the batch is not counted; negative axes count from the last" if x.rank
                      else "")  # fmt: skip


def onnx_repeat(op: Any, matrix: Any, axes: int) -> Any:
    """A matrix without a batch axis, expanded to the batch and to this number of sample axes: ONNX Runtime
    does not broadcast it over an empty batch."""
    batch = op.Unsqueeze(op.batch(), op.constant([0], "int64"))
    return op.Expand(matrix, op.Concat(batch, op.constant([1] * axes, "int64"), axis=0))


def only_axis(x: Tensor, axis: int | None, name: str) -> int:
    """The given axis, or the only axis of `x`."""
    if axis is not None or not x.rank:
        return sample_axis(x, axis or 0)
    if x.rank > 1:
        raise Reject(f"`{name}` needs `axis`: {x} has {x.rank} axes", code="E0405",
                     help="`axis=0` for the first, `axis=-1` for the last")  # fmt: skip
    return 0


def per_axis(value: Any, axes: int, setting: str) -> tuple[int, ...]:
    """Expands a setting of one number to one number per axis."""
    if not isinstance(value, tuple):
        return (value,) * axes
    if len(value) != axes:
        raise Reject(f"`{setting}` has {len(value)} entries for {axes} space axes", at=setting, code="E0404")
    return value
