"""Ways of decoding: how an artifact makes the answer of a sequence step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dlc.compiler.definitions.definition import Definition, setting
from dlc.compiler.definitions.parameter_types import (
    Integer,
    MemberOf,
    Nothing,
    Number,
    OneOf,
    ParameterType,
    Reject,
)
from dlc.compiler.record import record

if TYPE_CHECKING:
    from dlc.compiler.types import Classes

MOST_STEPS, MOST_BEAMS = 100_000, 1_000
LEAST_TEMPERATURE = 1e-6
SEED = "seed"  # the input of artifacts that draw random numbers


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

        return NamedOutput(expr.id if isinstance(expr, syntax.Name) else expr.span.text, expr)

    def accept(self, value: Any) -> Any:
        if not isinstance(value, NamedOutput):
            raise self.mismatch(value)
        return value


class OneDecoder(MemberOf):
    """One way of decoding. A list of them is read too, for its error message."""

    def __init__(self) -> None:
        super().__init__("decoder")

    def item(self) -> ParameterType:
        return MemberOf(self.of)

    def accept(self, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            raise Reject("an artifact decodes one output", code="E0403",
                         help="write one way of decoding, without brackets")  # fmt: skip
        return super().accept(value)


class Decoder(Definition, family="decoder", what="a way of decoding"):
    """Makes an output step by step: each step reads what the steps before it have answered."""

    # True if it draws random numbers, from the seed that the artifact takes.
    random: ClassVar[bool] = False
    # True if the answer of each step is the class with the highest score.
    takes_best: ClassVar[bool] = False
    # How many rows of its loop each row of the batch becomes.
    row_copies: ClassVar[int] | property = 1

    output: Any = setting("the output, a sequence of classes", OutputName())
    max: int = setting("the greatest number of steps, the end included", Integer(1, MOST_STEPS), 32)

    def check(self, classes: Classes) -> None:
        """`Reject` if it cannot choose among these classes."""


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

    @property
    def row_copies(self) -> int:
        return self.width


class Sample(Decoder):
    """Draws the class of each step with its probability. A row ends at the class that means the end, and is
    filled with it.

    In this order: the scores are divided by `temperature`; the `top_k` best classes are kept; of these, the
    best until their probabilities, which add up to 1 again, reach `top_p`, at least one; one of the classes
    that are left is drawn. Of equal scores, the first are better.

    The artifact has one more input, `seed`, a whole number that may be left out: then it is the seed of
    `train`. The draws of a row depend on the seed, the number of the row in the batch and the step alone
    (Philox2x32-10, Salmon et al. 2011). `greedy` is what is left at temperature 0, and with `top_k=1`.
    """

    random = True
    temperature: float = setting("the divisor of the scores: below 1, probable classes are drawn more often",
                                 Number(LEAST_TEMPERATURE), 1.0)  # fmt: skip
    top_k: int | None = setting("the number of classes to draw from, at most all",
                                OneOf(Integer(1), Nothing()), None, shown="all classes")  # fmt: skip
    top_p: float = setting("the least probability of the classes to draw from, together",
                           Number(above=0, maximum=1), 1.0)  # fmt: skip

    def check(self, classes: Classes) -> None:
        if self.top_k is not None and isinstance(classes.count, int) and self.top_k > classes.count:
            end = ", the end included" if classes.end else ""
            message = f"`top_k` is {self.top_k}, and `{self.output.name}` has {classes.count} classes{end}"
            raise Reject(message, help=f"write at most {classes.count}, or leave it out to draw from all")

    usage = """
    input  spelling: class(30)[S]
    output sounds: class(40)[T]

    heard = spelling -> embedding(32) -> gru(32, final=true)
    (shift(sounds.target) -> embedding(32), heard) -> gru(32) -> dense(sounds.classes) -> sounds

    export { decode = sample(sounds, max=20, temperature=0.8, top_k=10) }
    """
