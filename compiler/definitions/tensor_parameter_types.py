"""Parameter types of settings that take a tensor, and conversion of numbers to constants."""

from __future__ import annotations

from typing import Any

from dlc.compiler.definitions.parameter_types import OneOf, ParameterType
from dlc.compiler.types import Typed


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
