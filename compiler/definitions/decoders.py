"""Ways of decoding: how an artifact makes the answer of a sequence step by step."""

from __future__ import annotations

from typing import Any

from dlc.compiler.definitions.definition import Definition, setting
from dlc.compiler.definitions.parameter_types import Integer, ParameterType
from dlc.compiler.record import record

MOST_STEPS, MOST_BEAMS = 100_000, 1_000


@record
class NamedOutput:
    """The name of an output, and where it stands."""

    name: str
    expr: Any


class OutputName(ParameterType):
    """An output, read as its name."""

    def describe(self) -> str:
        return "the name of an output"

    def read(self, expr: Any) -> Any:
        from dlc.compiler import syntax

        return NamedOutput(expr.id, expr) if isinstance(expr, syntax.Name) else None

    def accept(self, value: Any) -> Any:
        if not isinstance(value, NamedOutput):
            raise self.mismatch(value)
        return value


class Decoder(Definition, family="decoder", what="a way of decoding"):
    """Makes an output step by step: each step reads what the steps before it have answered."""

    output: Any = setting("the output, a sequence of classes", OutputName())
    max: int = setting("the greatest number of steps, the end included", Integer(1, MOST_STEPS), 100)


class Greedy(Decoder):
    """Answers the class with the highest score in each step, the first of equal ones (torch and ONNX
    `argmax`). A row ends at the class that means the end, and is filled with it."""

    usage = """
    input  spelling: class(30)[S]
    output sounds: class(40)[T]

    heard = spelling -> embedding(32) -> gru(32, final=true)
    (shift(sounds.target) -> embedding(32), heard) -> gru(32) -> dense(sounds.classes) -> sounds

    export { decode = greedy(sounds, max=20) }
    """


class Beam(Decoder):
    """Answers the sequence with the greatest sum of log-probabilities that beam search finds: each step keeps
    the `width` best continuations, those that have ended included; the sum is not divided by the length. The
    best is answered as soon as it has ended, because others can only become less probable."""

    usage = """
    input  spelling: class(30)[S]
    output sounds: class(40)[T]

    heard = spelling -> embedding(32) -> gru(32, final=true)
    (shift(sounds.target) -> embedding(32), heard) -> gru(32) -> dense(sounds.classes) -> sounds

    export { decode = beam(sounds, width=4, max=20) }
    """
    width: int = setting("the number of continuations that are kept", Integer(1, MOST_BEAMS), 4)
