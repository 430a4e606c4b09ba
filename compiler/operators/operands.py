"""What operators ask of their operands: elements they share, shapes that broadcast, axes that are there."""

from __future__ import annotations

from typing import Any

from dlc.compiler.definitions.parameter_types import LARGEST_FLOAT, Reject
from dlc.compiler.dims.dim import Size, same
from dlc.compiler.types import INTEGERS, Tensor

# name of the torch dtype, number of the ONNX one (TensorProto.DataType)
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
# Elements for which ONNX Runtime lacks `Where` or `Expand`, and wider ones for which it has them.
WIDER = {"bool": "uint8", "int16": "int32", "bfloat16": "float"}
# The least and the greatest value; where float32 has no such number,
# the nearest that it has within the range.
RANGES = {
    "uint8": (0, 255),
    "int8": (-128, 127),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
}
FLOAT_RANGES = RANGES | {"int32": (-(2**31), 2**31 - 2**7), "int64": (-(2**63), 2**63 - 2**39)}

# What operators say of NaN that choose the greatest or the least of values.
PASSES_NAN_OVER = "Where one of the values is NaN, PyTorch answers NaN, and ONNX Runtime may pass it over."
NAN_IS_GREATEST = "PyTorch takes NaN for the greatest value, and ONNX Runtime may pass it over."

CLOSE = 1e-4  # values that are nearer, relative to their size, are as good as equal


def need_fit(value: Any, element: str, at: str) -> None:
    """Reject a number, given at a setting, that is none of the element."""
    low, high = RANGES["int64"]
    if element == "int64" and not low <= value <= high:
        raise Reject(f"a whole number must fit into 64 bits, found {value}", at=at)
    if element == "float" and not abs(value) < LARGEST_FLOAT:
        raise Reject(f"a number must be below 3.4e38, as float32 is, found {value}", at=at)


def close(np: Any, a: Any, b: Any) -> Any:
    """Where rounding may have put one value on the other side of the other, or upon it."""
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
    """`x` in the shape of a type, for any number of samples. Where there are none, nothing tells what a -1
    among the sizes of a sample stands for, and `allowzero` keeps ONNX Runtime from putting one there. `batch`
    is 0 to keep the first axis, or -1 where the samples do not stand one by one on it."""
    if not all(isinstance(size, int) for size in type.shape):
        return op.Reshape(x, op.shape(type), allowzero=1)
    return op.Reshape(x, op.constant([batch] * type.batched + list(type.shape), "int64"))


def onnx_rows(op: Any, x: Any, have: Tensor) -> Any:
    """The vectors along the last axis as the rows of one matrix, to multiply them by one that all samples
    share. ONNX Runtime computes a `Transpose` and the `MatMul` behind it as one, and that fails for a batch
    of no samples unless the rows stand so."""
    return op.Reshape(x, op.constant([-1, have.shape[-1]], "int64"))


def onnx_least(op: Any, a: Any, b: Any, whole: bool) -> Any:
    """The lesser of two. On x86 ONNX Runtime's `Min`, `Max` and `Clip` of int64 go wrong past 2 ** 31;
    comparisons do not."""
    return op.Where(op.Less(b, a), b, a) if whole else op.Min(a, b)


def onnx_greatest(op: Any, a: Any, b: Any, whole: bool) -> Any:
    return op.Where(op.Less(a, b), b, a) if whole else op.Max(a, b)


def onnx_clip(op: Any, x: Any, low: Any, high: Any, element: str) -> Any:
    """`x` between two bounds, either of which may be none."""
    number = int if element == "int64" else float
    least, most = (b if b is None else op.constant(number(b), DTYPES[element][0]) for b in (low, high))
    if element != "int64":
        return op.Clip(x, least) if most is None else op.Clip(x, least, most)
    x = x if least is None else onnx_greatest(op, x, least, whole=True)
    return x if most is None else onnx_least(op, x, most, whole=True)


def unify(operands: tuple[Tensor, ...], verb: str) -> Tensor:
    """A tensor of the element that holds them all: the same where they agree, else `int64` or `float`."""
    first = operands[0]
    for other in operands[1:]:
        if "class" in (first.element, other.element) and first.classes != other.classes:
            raise Reject(
                f"these cannot be {verb}: {spell_classes(first)} and {spell_classes(other)}",
                help="class values go only with values of the same classes; `embedding` or `one_hot` makes "
                "numbers of them",
            )
        if first.element != other.element and not (first.is_number and other.is_number):
            raise Reject(f"these cannot be {verb}: {first} and {other}")
    elements = {x.element for x in operands}
    if len(elements) == 1:
        return first
    return first.with_element("int64" if elements <= {*INTEGERS, "bool"} else "float")


def spell_classes(x: Tensor) -> str:
    """A type with its classes: `class(3)[4]`, `class(red, green)`, `class(auto)`, `binary[5]`."""
    if x.classes is None or (x.classes.names is None and x.element == "binary"):
        return str(x)
    names = x.classes.names
    if x.classes.found_in:
        shown = "auto"
    elif names is not None:
        shown = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
    else:
        shown = str(x.classes.count)
    return str(x).replace(x.element, f"{x.element}({shown})", 1)


# --- shapes ---------------------------------------------------------------------------------------------


def broadcast(operands: tuple[Tensor, ...], verb: str) -> tuple[Size, ...]:
    """The shape that NumPy broadcasting gives them: axes matched from the last, an axis of 1 fits any."""
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
    """What is said of shapes that do not fit: E0203, or E0204 where a free dimension is in the way."""
    these = "these two" if len(operands) == 2 else "these"
    message = f"{these} cannot be {verb}: {', '.join(map(str, operands[:-1]))} and {operands[-1]}"
    if isinstance(a, int) and isinstance(b, int):
        return Reject(
            message, code="E0203", help=axis_help(operands) or f"axis {axis} is {a} here and {b} there"
        )
    return Reject(message, code="E0204", help=f"`{a}` and `{b}` cannot be proved equal")


def axis_help(operands: tuple[Tensor, ...]) -> str:
    """The fix where the shorter shape fits the other's first axes instead of its last ones."""
    low, high = sorted(operands[:2], key=lambda x: x.rank)
    if not 0 < low.rank < high.rank or high.shape[: low.rank] != low.shape:
        return ""
    sizes = ", ".join(map(str, (*low.shape, *[1] * (high.rank - low.rank))))
    return f"axes are matched from the last one; `reshape({sizes})` makes {low} fit the first axes of {high}"


# --- axes -----------------------------------------------------------------------------------------------


def sample_axis(x: Tensor, axis: int, at: str = "axis") -> int:
    """An axis of the sample counted from its first, or `Reject`."""
    if -x.rank <= axis < x.rank:
        return axis % x.rank
    known = "has no axes" if not x.rank else f"has axis 0 alone, found {axis}" if x.rank == 1 \
        else f"has axes 0 to {x.rank - 1}, found {axis}"  # fmt: skip
    raise Reject(f"{x} {known}", at=at, code="E0201",
                 help="the batch is not counted; negative axes count from the last" if x.rank
                      else "")  # fmt: skip


def only_axis(x: Tensor, axis: int | None, name: str) -> int:
    """The axis given, or the only one there is."""
    if axis is not None or not x.rank:
        return sample_axis(x, axis or 0)
    if x.rank > 1:
        raise Reject(f"`{name}` needs `axis`: {x} has {x.rank} axes", code="E0405",
                     help="`axis=0` for the first, `axis=-1` for the last")  # fmt: skip
    return 0
