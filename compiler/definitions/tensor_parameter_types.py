"""Parameter types of settings that take a tensor, and conversion of numbers to constants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.parameter_types import ConstantTensors, OneOf, ParameterType, Reject
from dlc.compiler.types import Typed

if TYPE_CHECKING:
    from dlc.compiler.types import Tensor


NUMBERS = "a comparison makes a mask, such as `m > 0`; numbers that are added to the products are `scores`"


class TensorValue(ParameterType):
    """A tensor of the graph. It becomes an operand of the operator, after the operands of the flow; `takes`
    is its element type (see `Operator.takes`). Lists of numbers become a constant if the setting also accepts
    `ConstantTensor`."""

    def __init__(self, takes: str = "any"):
        self.takes = takes

    def describe(self) -> str:
        return "a tensor"

    def accept(self, value: Any) -> Any:
        if not isinstance(value, Typed):
            raise self.mismatch(value)
        return value

    def check(self, have: Tensor) -> None:
        """`Reject` a tensor of this type that would be converted and is meant otherwise."""


class MaskTensor(TensorValue):
    """A tensor that says what may be seen, true or false."""

    def __init__(self) -> None:
        super().__init__("bool")

    def accept(self, value: Any) -> Any:
        if value in (True, "causal"):
            raise Reject(self.mismatch(value).message, help="`causal=true` hides the steps after each one")
        return super().accept(value)

    def check(self, have: Tensor) -> None:
        if have.is_float or have.is_integer:
            raise Reject(f"a mask is true where something may be seen, and {have} holds numbers",
                         code="E0202", help=NUMBERS)  # fmt: skip


class MaskNumbers(ConstantTensors):
    """A mask in the spec, of true and false or of 1 and 0."""

    def accept(self, value: Any) -> Any:
        numbers = super().accept(value)
        if wrong := next((n for n in flat(numbers) if n not in (0, 1)), None):
            raise Reject(f"a mask is true where something may be seen, and {wrong} is a number",
                         code="E0403",
                         help="write true or 1 for what may be seen, else false or 0; numbers that are added "
                              "to the products are `scores`")  # fmt: skip
        return numbers


class ScoresTensor(TensorValue):
    """A tensor of numbers that are added."""

    def __init__(self) -> None:
        super().__init__("float")

    def check(self, have: Tensor) -> None:
        if have.element == "bool":
            raise Reject(f"`scores` are added to the products, and {have} is a mask", code="E0202",
                         help="`mask` takes what may be seen")  # fmt: skip


class WeightTensor(TensorValue):
    """A tensor of the graph that replaces the weight with the name of the setting."""

    def __init__(self) -> None:
        super().__init__("float")


def tensor_kind(kind: ParameterType) -> TensorValue | None:
    """The kind of tensor that is taken, where a kind takes one, alone or beside others."""
    kinds = kind.kinds if isinstance(kind, OneOf) else (kind,)
    return next((k for k in kinds if isinstance(k, TensorValue)), None)


# Conversion of a number of the spec to an element type.
CONVERSIONS = {"float": float, "int64": int, "bool": bool}


def converted(numbers: Any, convert: Any) -> Any:
    """A number, or nested tuples of numbers, each converted."""
    return tuple(converted(n, convert) for n in numbers) if isinstance(numbers, tuple) else convert(numbers)


def flat(numbers: Any) -> tuple[Any, ...]:
    """The numbers of nested tuples."""
    return tuple(n for part in numbers for n in flat(part)) if isinstance(numbers, tuple) else (numbers,)
