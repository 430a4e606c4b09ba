"""How the loop of a decoder chooses the symbols of a step: one class for each way of decoding."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from dlc.compiler.definitions import decoders
from dlc.compiler.dims.dim import free
from dlc.compiler.operators.beam_search import (
    TOTAL,
    BeamChoice,
    BestBeams,
    FirstBeams,
    KeptRows,
    RepeatRows,
)
from dlc.compiler.operators.decoding import FINISHED, GreedyChoice, NewRows, Unfinished
from dlc.compiler.operators.recent_steps import LongerSteps
from dlc.compiler.operators.sampling import DrawOfStep, SampledChoice, UniformNumbers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dlc.compiler.ir.graph import Value
    from dlc.compiler.operators.base import Operator
    from dlc.compiler.passes.loop_body import LoopBody
    from dlc.compiler.types import Tensor


class Choice(ABC):
    """Adds the choice of a symbol to the loop of a decoder. The rows of the loop are those of the batch, or
    those that `widening` makes of them. `last` are the types of those states that grow in the loop."""

    def __init__(self, loop: LoopBody):
        self.loop = loop
        self.widening: Operator | None = None
        classes = loop.classes
        self.end = classes.count - 1 if classes.end else None
        self.symbols = loop.symbol.classes.count if loop.symbol.classes else 0
        self.stacked: list[Value] = []
        self.last: dict[Value, Tensor] = {}

    @abstractmethod
    def choose(self, scores: Value) -> Value:
        """The symbol of each row of the loop, from the scores of one step."""

    def kept(self, state: Value) -> Value:
        """A state of the rows before the choice, for the rows after it."""
        return state

    @abstractmethod
    def continues(self) -> Value:
        """Whether another step follows."""

    @abstractmethod
    def answer(self, states: Mapping[Value, Value], stacked: Sequence[Value]) -> Value:
        """The answer, from the results of the loop: the last states, by the states in its body, and the
        stacked values."""


class ChoiceOfRows(Choice):
    """Each row continues with one symbol, until it ends."""

    def choose(self, scores):
        finished = self.loop.state("finished", FINISHED)
        symbol, answer, self._finishes = self.add_choice(scores, finished)
        self.loop.carry(self.loop.before(NewRows(made=[FINISHED]), "unfinished"), finished, self._finishes)
        self.stacked = [answer]
        return symbol

    @abstractmethod
    def add_choice(self, scores: Value, finished: Value) -> tuple[Value, ...]:
        """The symbol as the next step reads it, the symbol as an answer, and which rows have ended then."""

    def continues(self):
        return self.loop.add(Unfinished(ends=self.end is not None), (self._finishes,), "continues")[0]

    def answer(self, states, stacked):
        return stacked[0]


class GreedySteps(ChoiceOfRows):
    def add_choice(self, scores, finished):
        choice = GreedyChoice(end=self.end, symbols=self.symbols)
        return self.loop.add(choice, (scores, finished), "choice")


class SampledSteps(ChoiceOfRows):
    def add_choice(self, scores, finished):
        decoder = self.loop.decoder
        drawn = self.loop.before(UniformNumbers(most=decoder.max), "draws", self.loop.seed)
        (draw,) = self.loop.add(DrawOfStep(), (drawn, self.loop.step), "draw")
        settings = {name: getattr(decoder, name) for name in ("temperature", "top_k", "top_p")}
        choice = SampledChoice(end=self.end, symbols=self.symbols, **settings)
        return self.loop.add(choice, (scores, finished, draw), "choice")


class BeamSteps(Choice):
    """The rows of the loop are the beams of each row of the batch, the best first."""

    def __init__(self, loop):
        super().__init__(loop)
        assert isinstance(loop.decoder, decoders.Beam)
        self.width = loop.decoder.width
        self.widening = RepeatRows(width=self.width)

    def choose(self, scores):
        loop = self.loop
        finished, totals = loop.state("finished", FINISHED), loop.state("total", TOTAL)
        unfinished = loop.before(NewRows(made=[FINISHED]), "unfinished")
        first, alone = loop.around(FirstBeams(width=self.width), unfinished, "first_beams")
        choice = BeamChoice(width=self.width, end=self.end, symbols=self.symbols)
        symbol, after, self._finishes, self._rows = loop.add(
            choice, (scores, totals, finished, first), "choice"
        )
        loop.carry(unfinished, finished, self._finishes)
        loop.carry(alone, totals, after)
        self._add_answers(symbol)
        return symbol

    def _add_answers(self, symbol: Value) -> None:
        loop, type = self.loop, self.loop.symbol
        self._answers = loop.state("answers", type.with_shape(free("answered")))
        (longer,) = loop.add(LongerSteps(axis=0), (self.kept(self._answers), symbol), "longer_answers")
        loop.carry(loop.before(NewRows(made=[type.with_shape(0)]), "no_answers"), self._answers, longer)
        self.last = {self._answers: type.with_shape(loop.steps)}

    def kept(self, state):
        return self.loop.add(KeptRows(), (state, self._rows), f"{state.name}_kept")[0]

    def continues(self):
        best = self.loop.add(BestBeams(width=self.width), (self._finishes,), "best_finishes")
        return self.loop.add(Unfinished(ends=self.end is not None), best, "continues")[0]

    def answer(self, states, stacked):
        return self.loop.after(BestBeams(width=self.width), states[self._answers], "best_answers")


CHOICES: dict[type[decoders.Decoder], type[Choice]] = {
    decoders.Greedy: GreedySteps,
    decoders.Sample: SampledSteps,
    decoders.Beam: BeamSteps,
}


def choice_of(loop: LoopBody) -> Choice:
    return CHOICES[type(loop.decoder)](loop)
