"""Steps of decoding: the choice of the next symbol, and when all rows have ended."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from dlc.compiler.definitions.parameter_types import Boolean, FromPasses, Integer, Nothing, OneOf
from dlc.compiler.operators.base import Operator, setting
from dlc.compiler.operators.loop import CONTINUES
from dlc.compiler.operators.operands import DTYPES, END, WIDER, onnx_cast, torch_dtype
from dlc.compiler.operators.padding import APART, LENGTHS, onnx_column, onnx_places, onnx_take, torch_take
from dlc.compiler.operators.postprocessing import near_maximum
from dlc.compiler.types import Classes, Tensor

FINISHED, PLACE = Tensor("bool"), Tensor("int64")


class NewRows(Operator):
    """A number in each place of each row: the states before the first step. The operand is any value of the
    batch."""

    public = False
    takes = "any"
    made: Any = setting("the type of the result, alone in a list", FromPasses())
    value: Any = setting("the number", Integer(symbolic=True), 0)

    def type(self, x: Tensor) -> Tensor:
        return self.made[0]

    def torch(self, F, x):
        (made,) = self.made
        return F.full(
            (x.shape[0], *made.shape), self.value, dtype=torch_dtype(F, made.element), device=x.device
        )

    def onnx(self, op, x):
        (made,) = self.made
        element = str(made.element)
        wide = WIDER.get(element, element)
        number = op.constant(self.value, DTYPES[wide][0])
        return onnx_cast(op, op.Expand(number, op.shape(made)), wide, element)


class SymbolChoice(Operator, abstract=True):
    """Chooses the next symbol of each row from the scores of a step `[1, classes]`. `end` is the number of
    the class that ends a row; a row that has ended is filled with it. `tolerance` is a function of the
    operands of all steps, `[rows, steps, ...]`."""

    public = False
    takes = "any"
    chooses = True
    end: Any = setting("the class that ends a row", OneOf(Integer(symbolic=True), Nothing()), None)
    symbols: Any = setting("the number of symbols", Integer(symbolic=True))

    @property
    def symbol_type(self) -> Tensor:
        """The type of a symbol as the next step reads it."""
        return Tensor("class", (1,), Classes(self.symbols))


class RowChoice(SymbolChoice, abstract=True):
    """Chooses a class for each row by itself. The results are the symbol as the next step reads it, the
    symbol as an answer, and which rows have ended; those that had ended before get the end."""

    def type(self, scores: Tensor, finished: Tensor, *drawn: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.symbol_type, self.symbol_type.with_shape(), FINISHED

    @abstractmethod
    def torch_found(self, F: Any, scores: Any, *drawn: Any) -> Any:
        """The class of each row, `[rows, 1]`, from the scores `[rows, 1, classes]`."""

    @abstractmethod
    def onnx_found(self, op: Any, scores: Any, *drawn: Any) -> Any:
        """The same in ONNX."""

    def torch(self, F, scores, finished, *drawn):
        found = self.torch_found(F, scores, *drawn).squeeze(1)
        if self.end is not None:
            found = found.where(~finished, self.end)
            finished = found == self.end
        return found.unsqueeze(1), found, finished

    def onnx(self, op, scores, finished, *drawn):
        symbol, axis = self.onnx_found(op, scores, *drawn), op.constant([1], "int64")
        found = op.Squeeze(symbol, axis)
        if self.end is not None:
            end = op.constant(self.end, "int64")
            found = op.Where(finished, end, found)
            symbol, finished = op.Unsqueeze(found, axis), op.Equal(found, end)
        return symbol, found, finished


class GreedyChoice(RowChoice):
    """The class with the highest score, the first of equal ones."""

    def tolerance(self, np):
        return lambda scores, finished: near_maximum(np, -1)(scores)

    def torch_found(self, F, scores):
        return scores.argmax(-1)

    def onnx_found(self, op, scores):
        return op.ArgMax(scores, axis=-1, keepdims=0)


class NextPlace(Operator):
    """The number of the step that is `by` steps later."""

    public = False
    takes = "any"
    by: int = setting("the number of steps", Integer(1), 1)

    def type(self, place: Tensor) -> Tensor:
        return place

    def torch(self, F, place):
        return place + self.by

    def onnx(self, op, place):
        return op.Add(place, op.constant(self.by, "int64"))


class SeenSteps(Operator):
    """Which of the steps that are carried, and of the step itself, are seen: those that are no padding of a
    prompt, and less than `window` steps away.

    The operands are the keys so far, `[..., past, n]`; with a `window`, the number of the step in its row;
    for prompts with padding, the prompt and the lengths of its rows. `more` entries stand before the prompt.
    """

    public = False
    takes = "any"
    window: int | None = setting("the steps that are seen", OneOf(Integer(1), Nothing()), None)
    more: int = setting("entries before the prompt", Integer(0), 0)

    def type(self, keys: Tensor, *others: Tensor) -> Tensor:
        return Tensor("bool", (1, 1, keys.shape[-2] + 1))

    def torch(self, F, keys, *others):
        places = F.arange(keys.shape[-2] + 1, device=keys.device).unsqueeze(0)
        own, seen = places, F.full_like(places, True, dtype=F.bool)
        if len(others) > 1:
            prompt, counts = others[-2], others[-1].unsqueeze(1) + self.more
            end = prompt.shape[1] + self.more
            own = F.where(places < end, places, places - end + counts)
            seen = (places < counts) | (places >= end)
        if self.window is not None:
            seen = seen & (next(iter(others)).unsqueeze(1) - own < self.window)
        return seen.unsqueeze(1).unsqueeze(1)

    def onnx(self, op, keys, *others):
        have, *given = self.operands
        places, one = onnx_places(op, have.shape[-2] + 1), op.constant([1], "int64")
        own, seen = places, None
        if len(others) > 1:
            more = op.constant(self.more, "int64")
            counts = op.Add(op.Unsqueeze(others[-1], one), more)
            end = op.Add(op.size(given[-2].shape[0]), more)
            seen = op.Or(op.Less(places, counts), op.GreaterOrEqual(places, end))
            if self.window is not None:
                own = op.Where(op.Less(places, end), places, op.Add(op.Sub(places, end), counts))
        if self.window is not None:
            away = op.Sub(op.Unsqueeze(next(iter(others)), one), own)
            near = op.Less(away, op.constant(self.window, "int64"))
            seen = near if seen is None else op.And(seen, near)
        return op.Unsqueeze(seen, op.constant([1, 2], "int64"))


class Unfinished(Operator):
    """Whether a row has not ended. Where no class ends a row, that is always so."""

    public = False
    takes = "any"
    ends: bool = setting("whether a class ends a row", Boolean())

    def type(self, finished: Tensor) -> Tensor:
        return CONTINUES

    def torch(self, F, finished):
        return (~finished).any() if self.ends else finished.new_ones(())

    def onnx(self, op, finished):
        if not self.ends:
            return op.constant(True, "bool")
        open_rows = op.Cast(op.Not(finished), to=7)
        count = op.ReduceSum(open_rows, op.constant([0], "int64"), keepdims=0)
        return op.Greater(count, op.constant(0, "int64"))


class LastScores(Operator):
    """The scores of the last step of a prompt."""

    public = False
    takes = "any"

    def type(self, scores: Tensor) -> Tensor:
        return scores.with_axis(0, 1)

    def padding_of(self, place, axis):
        return LENGTHS if axis == 0 else APART

    def torch(self, F, scores, lengths=None):
        return scores[:, -1:] if lengths is None else torch_take(F, scores, (lengths - 1).unsqueeze(1), 0, 2)

    def onnx(self, op, scores, lengths=None):
        if lengths is None:
            first, last = op.constant([-1], "int64"), op.constant([END], "int64")
            return op.Slice(scores, first, last, op.constant([1], "int64"))
        places = op.Sub(onnx_column(op, lengths), op.constant(1, "int64"))
        return onnx_take(op, scores, places, 0, self.results[0])
