"""Steps of decoding: the choice of the next symbol, and when all rows have ended."""

from __future__ import annotations

from typing import Any

from dlc.compiler.definitions.parameter_types import Integer, Nothing, OneOf, ParameterType
from dlc.compiler.operators.base import Operator, setting
from dlc.compiler.operators.loop import CONTINUES
from dlc.compiler.operators.operands import DTYPES, WIDER, onnx_cast, torch_dtype
from dlc.compiler.operators.padding import APART, LENGTHS, onnx_column, onnx_places, onnx_take, torch_take
from dlc.compiler.operators.postprocessing import near_maximum
from dlc.compiler.types import Classes, Tensor

FINISHED, PLACE = Tensor("bool"), Tensor("int64")


class TensorType(ParameterType):
    """The type of a tensor, which only passes give: as a list, so that it is no operand."""

    def describe(self) -> str:
        return "the type of a tensor"

    def accept(self, value: Any) -> Any:
        return value


class NewRows(Operator):
    """A number in each place of each row: the states before the first step. The operand is any value of the
    batch."""

    public = False
    takes = "any"
    made: Any = setting("the type of the result, alone in a list", TensorType())
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
    end: Any = setting("the class that ends a row", OneOf(Integer(symbolic=True), Nothing()), None)
    symbols: Any = setting("the number of symbols", Integer(symbolic=True))

    @property
    def symbol_type(self) -> Tensor:
        """The type of a symbol as the next step reads it."""
        return Tensor("class", (1,), Classes(self.symbols))


class GreedyChoice(SymbolChoice):
    """The class with the highest score, as the next symbol and as an answer, and which rows have ended."""

    def type(self, scores: Tensor, finished: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.symbol_type, self.symbol_type.with_shape(), FINISHED

    def tolerance(self, np):
        return lambda scores, finished: near_maximum(np, -1)(scores)

    def torch(self, F, scores, finished):
        best = scores[:, -1].argmax(-1)
        if self.end is not None:
            best = best.where(~finished, self.end)
            finished = best == self.end
        return best.unsqueeze(1), best, finished

    def onnx(self, op, scores, finished):
        best = op.ArgMax(op.Squeeze(scores, op.constant([1], "int64")), axis=-1, keepdims=0)
        if self.end is not None:
            end = op.constant(self.end, "int64")
            best = op.Where(finished, end, best)
            finished = op.Equal(best, end)
        return op.Unsqueeze(best, op.constant([1], "int64")), best, finished


class NextPlace(Operator):
    """The number of the next step."""

    public = False
    takes = "any"

    def type(self, place: Tensor) -> Tensor:
        return place

    def torch(self, F, place):
        return place + 1

    def onnx(self, op, place):
        return op.Add(place, op.constant(1, "int64"))


class PromptMask(Operator):
    """Which of the steps that are carried are no padding of a prompt: those before the end of each row, and
    those behind the prompt. The operands are the prompt, the lengths of its rows, and keys
    `[groups, past, n]`."""

    public = False
    takes = "any"

    def type(self, prompt: Tensor, counts: Tensor, keys: Tensor) -> Tensor:
        return Tensor("bool", (1, 1, keys.shape[1] + 1))

    def torch(self, F, prompt, counts, keys):
        places = F.arange(keys.shape[2] + 1, device=keys.device)
        seen = (places < counts.unsqueeze(1)) | (places >= prompt.shape[1])
        return seen.unsqueeze(1).unsqueeze(1)

    def onnx(self, op, prompt, counts, keys):
        places = onnx_places(op, self.operands[2].shape[1] + 1)
        valid = op.Less(places, onnx_column(op, counts))
        behind = op.GreaterOrEqual(places, op.size(self.operands[0].shape[0]))
        return op.Unsqueeze(op.Or(valid, behind), op.constant([1, 2], "int64"))


class Unfinished(Operator):
    """Whether a row has not ended."""

    public = False
    takes = "any"

    def type(self, finished: Tensor) -> Tensor:
        return CONTINUES

    def torch(self, F, finished):
        return (~finished).any()

    def onnx(self, op, finished):
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
            first, last = op.constant([-1], "int64"), op.constant([2**62], "int64")
            return op.Slice(scores, first, last, op.constant([1], "int64"))
        places = op.Sub(onnx_column(op, lengths), op.constant(1, "int64"))
        return onnx_take(op, scores, places, 0, self.results[0])
