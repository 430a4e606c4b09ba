"""The kinds of settings that take a tensor of the graph, and how numbers become a constant."""

from __future__ import annotations

from typing import Any

from dlc.compiler.definitions.parameter_types import OneOf, ParameterType
from dlc.compiler.types import Typed


class TensorValue(ParameterType):
    """A tensor of the graph. What is given in such a setting of an operator is an operand, behind those that
    flow in, in the element that `takes` says (see `Operator.takes`); lists of numbers become a constant,
    where `Constants` may stand as well."""

    def __init__(self, takes: str = "any"):
        self.takes = takes

    def describe(self) -> str:
        return "a tensor"

    def accept(self, value: Any) -> Any:
        if not isinstance(value, Typed):
            raise self.mismatch(value)
        return value


class WeightTensor(TensorValue):
    """A tensor of the graph in place of the weight that is called as the setting is."""

    def __init__(self) -> None:
        super().__init__("float")


def tensor_kind(kind: ParameterType) -> TensorValue | None:
    """The kind of tensor that is taken, where a kind takes one, alone or beside others."""
    kinds = kind.kinds if isinstance(kind, OneOf) else (kind,)
    return next((k for k in kinds if isinstance(k, TensorValue)), None)


# How a number of the file becomes one of another element.
CONVERSIONS = {"float": float, "int64": int, "bool": bool}


def converted(numbers: Any, convert: Any) -> Any:
    """Numbers, in lists or alone, each converted."""
    return tuple(converted(n, convert) for n in numbers) if isinstance(numbers, tuple) else convert(numbers)
