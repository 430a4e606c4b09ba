"""Ways of decoding: how an artifact makes the answer of a sequence step by step."""

from __future__ import annotations

from typing import Any

from dlc.compiler.definitions.definition import Definition, Reject, setting
from dlc.compiler.definitions.parameter_types import Integer, ParameterType
from dlc.compiler.record import record

MOST_STEPS = 100_000


@record
class NamedOutput:
    """The name of an output, empty for other expressions, and where it stands."""

    name: str
    expr: Any


class OutputName(ParameterType):
    """An output, read as its name."""

    def describe(self) -> str:
        return "the name of an output"

    def read(self, expr: Any) -> Any:
        from dlc.compiler import syntax

        return NamedOutput(expr.id if isinstance(expr, syntax.Name) else "", expr)

    def accept(self, value: Any) -> Any:
        if not isinstance(value, NamedOutput):
            raise self.mismatch(value)
        if not value.name:
            raise Reject(f"expected {self.describe()}, found an expression", code="E0403")
        return value


class Decoder(Definition, family="decoder", what="a way of decoding"):
    """Makes an output step by step: each step reads what the steps before it have answered."""

    takes_best = False  # whether the answer of each step is the class with the highest score
    output: Any = setting("the output, a sequence of classes", OutputName())
    max: int = setting("the greatest number of steps, the end included", Integer(1, MOST_STEPS), 100)


class Greedy(Decoder):
    """Answers the class with the highest score in each step, the first of equal ones (torch and ONNX
    `argmax`). A row ends at the class that means the end, and is filled with it."""

    takes_best = True
    usage = """
    input  spelling: class(30)[S]
    output sounds: class(40)[T]

    heard = spelling -> embedding(32) -> gru(32, final=true)
    (shift(sounds.target) -> embedding(32), heard) -> gru(32) -> dense(sounds.classes) -> sounds

    export { decode = greedy(sounds, max=20) }
    """
