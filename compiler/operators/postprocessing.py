"""Preprocessing of raw inputs and postprocessing of outputs, as the artifact does them.

Within the graph a class is an index, and a boolean is 1 or 0. Outside of the graph classes have names or
integer labels. The PyTorch form uses indices; the artifact reads and writes names.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from dlc.compiler.definitions.parameter_types import Integer, Keyword, ListOf, Text
from dlc.compiler.operators.base import Operator, setting
from dlc.compiler.operators.operands import (
    CLOSE,
    FLOAT_RANGES,
    NAN_IS_GREATEST,
    RANGES,
    onnx_cast,
    onnx_clip,
    sample_axis,
    torch_cast,
)
from dlc.compiler.operators.padding import LENGTHS, onnx_mask, torch_mask
from dlc.compiler.types import INTEGERS, Classes, Tensor

if TYPE_CHECKING:
    from collections.abc import Callable


class Postprocess(Operator, abstract=True):
    elementwise = True
    public = False
    takes = "any"
    batchless = True


class OfScores(Postprocess, abstract=True):
    def torch(self, F, x, **given):
        return self.torch_float(F, torch_cast(F, x, self.operands[0].element, "float"), **given)

    def onnx(self, op, x, **given):
        return self.onnx_float(op, onnx_cast(op, x, self.operands[0].element, "float"), **given)

    @abstractmethod
    def torch_float(self, F: Any, x: Any) -> Any:
        raise NotImplementedError

    @abstractmethod
    def onnx_float(self, op: Any, x: Any) -> Any:
        raise NotImplementedError


class ClassNumber(OfScores):
    """The index of the class with the highest score, the first of equal ones
    (torch `argmax`, ONNX `ArgMax`)."""

    differs_on_nan = NAN_IS_GREATEST
    axis: int = setting("the axis of the classes", Integer(), -1)

    def type(self, scores: Tensor) -> Tensor:
        axis = sample_axis(scores, self.axis)
        shape = scores.shape[:axis] + scores.shape[axis + 1 :]
        return Tensor("class", shape, Classes(scores.shape[axis]), scores.batched)

    def torch_float(self, F, x):
        return x.argmax(self.operands[0].axis(self.axis))

    def onnx_float(self, op, x):
        return op.ArgMax(x, axis=self.operands[0].axis(self.axis), keepdims=0)

    def tolerance(self, np):
        return near_maximum(np, self.operands[0].axis(self.axis))


class BestPath(OfScores):
    """The classes that scores of frames spell, of which class 0 is the blank: the best class of each frame,
    repeats and blanks taken out, at the start of the row; -1 after them (CTC best path decoding, Graves et
    al. 2006; torch `argmax` and `gather`, ONNX `ArgMax` and `ScatterElements`)."""

    differs_on_nan = NAN_IS_GREATEST
    ends_rows = True

    def type(self, scores: Tensor) -> Tensor:
        return Tensor("class", scores.shape[:1], Classes(scores.shape[1] - 1))

    def padding_of(self, place, axis):
        return LENGTHS

    def torch_float(self, F, x, lengths=None):
        best, frames = x.argmax(2), self.operands[0].shape[0]
        if lengths is not None:  # frames after the end are blanks
            best = best.where(torch_mask(F, lengths, F.size(frames), 0, 1), 0)
        previous = F.pad(best, [1, 0])[:, :-1]
        kept = (best != 0) & (best != previous)
        order = F.argsort((~kept).to(F.int8), dim=1, stable=True)
        return F.where(kept, best - 1, -1).gather(1, order)

    def onnx_float(self, op, x, lengths=None):
        scores, (zero, one, none) = self.operands[0], (op.constant(n, "int64") for n in (0, 1, -1))
        first, last, axis = (op.constant([n], "int64") for n in (0, -1, 1))
        best = op.ArgMax(x, axis=2, keepdims=0)
        if lengths is not None:
            best = op.Where(onnx_mask(op, lengths, self.results[0], 0), best, zero)
        blank = op.Expand(zero, op.shape(scores.with_shape(1)))
        previous = op.Slice(op.Concat(blank, best, axis=1), first, last, axis)
        kept = op.Not(op.Or(op.Equal(best, zero), op.Equal(best, previous)))
        counted = onnx_cast(op, kept, "bool", "int64")
        count, total = op.CumSum(counted, one), op.ReduceSum(counted, axis, keepdims=1)
        frame = op.Range(zero, op.size(scores.shape[0]), one)
        place = op.Where(kept, op.Sub(count, one), op.Sub(op.Add(total, frame), count))
        return op.ScatterElements(best, place, op.Where(kept, op.Sub(best, one), none), axis=1)

    def tolerance(self, np):
        """Any row is accepted where the best two classes of a frame are close."""
        of = near_maximum(np, 2)
        return lambda x, *_: np.broadcast_to(of(x).max(1, keepdims=True, initial=0), x.shape[:2])


class LabelPostprocess(Postprocess, abstract=True):
    """The label of a class outside of the graph. `names` has the texts, where the PyTorch form returns
    indices."""

    names: tuple[str, ...] = ()

    def labels(self) -> tuple[str, ...] | tuple[int, ...]:
        return self.names


class ClassName(LabelPostprocess):
    """The name of a class, from its index (torch: the index itself; ONNX `Gather`)."""

    names: tuple[str, ...] = setting("the names in order", ListOf(Text()))

    def type(self, index: Tensor) -> Tensor:
        return Tensor("string", index.shape, batched=index.batched)

    def torch(self, F, index):
        return index

    def onnx(self, op, index):
        return op.Gather(op.constant(list(self.names), "string"), index, axis=0)


class ClassLabel(LabelPostprocess):
    """The integer label of a class, from its index (torch indexing, ONNX `Gather`)."""

    numbers: tuple[int, ...] = setting("the numbers in order", ListOf(Integer()))

    def labels(self):
        return self.numbers

    def type(self, index: Tensor) -> Tensor:
        return Tensor("int64", index.shape, batched=index.batched)

    def torch(self, F, index):
        return F.tensor(self.numbers)[index]

    def onnx(self, op, index):
        return op.Gather(op.constant(list(self.numbers), "int64"), index, axis=0)


class OfNames(Postprocess, abstract=True):
    raw: ClassVar[str] = "string"  # the element of its operand
    uses_ml = True
    names: tuple[str, ...] = setting("the names in order", ListOf(Text()))

    def torch(self, F, name):
        return name

    def from_text(self, np: Any, text: Any) -> Any:
        indices = {name: index for index, name in enumerate(self.names)}
        found = [indices.get(str(name), -1) for name in text.ravel()]
        return np.array(found, np.int64).reshape(text.shape)


class ClassIndex(OfNames):
    """The index of a class, from its name; -1 for an unknown name (torch: takes indices;
    ONNX `LabelEncoder`)."""

    def type(self, name: Tensor) -> Tensor:
        return Tensor("class", name.shape, Classes(len(self.names), self.names), name.batched)

    def onnx(self, op, name):
        return name_number(op, name, self.names)


class NumberIndex(Postprocess):
    """The index of a class, from its integer label; -1 for an unknown label (torch `searchsorted`,
    ONNX `LabelEncoder`; `where` for labels that count from 0)."""

    raw: ClassVar[str] = "int64"
    count: int = setting("number of classes", Integer(1))
    numbers: tuple[int, ...] | None = setting("their labels, in ascending order", ListOf(Integer()), None,
                                              shown="from 0 on")  # fmt: skip

    @property
    def uses_ml(self) -> bool:
        return self.numbers is not None

    def type(self, number: Tensor) -> Tensor:
        return Tensor("class", number.shape, Classes(self.count, self.numbers), number.batched)

    def torch(self, F, number):
        if self.numbers is None:
            return F.where((number >= 0) & (number < self.count), number, -1)
        numbers = F.tensor(self.numbers)
        index = F.searchsorted(numbers, number).clamp(max=self.count - 1)
        return F.where(numbers[index] == number, index, -1)

    def onnx(self, op, number):
        if self.numbers is not None:
            indices = list(range(self.count))
            return op.ml.LabelEncoder(number, keys_int64s=list(self.numbers), values_int64s=indices,
                                      default_int64=-1)  # fmt: skip
        zero, count, none = (op.constant(n, "int64") for n in (0, self.count, -1))
        known = op.And(op.GreaterOrEqual(number, zero), op.Less(number, count))
        return op.Where(known, number, none)


class BinaryAnswer(OfScores):
    """True where the score is at least 0 (torch `ge`, ONNX `GreaterOrEqual`)."""

    def type(self, score: Tensor) -> Tensor:
        return score.with_element("bool")

    def torch_float(self, F, x):
        return x >= 0

    def onnx_float(self, op, x):
        return op.GreaterOrEqual(x, op.constant(0.0, "float32"))

    def tolerance(self, np):
        return near_threshold(np, 0.0)


class BinaryName(LabelPostprocess):
    """The name of a boolean answer (torch: the answer itself; ONNX `Cast` and `Gather`)."""

    names: tuple[str, ...] = setting("the names of false and true", ListOf(Text()))

    def type(self, answer: Tensor) -> Tensor:
        return answer.with_element("string")

    def torch(self, F, answer):
        return answer

    def onnx(self, op, answer):
        return op.Gather(
            op.constant(list(self.names), "string"), onnx_cast(op, answer, "bool", "int64"), axis=0
        )


class BinaryIndex(OfNames):
    """True for the second name (torch: takes 0 and 1; ONNX `LabelEncoder` and `Equal`)."""

    def type(self, name: Tensor) -> Tensor:
        return name.with_element("bool")

    def from_text(self, np, text):
        return super().from_text(np, text) == 1

    def onnx(self, op, name):
        return op.Equal(name_number(op, name, self.names), op.constant(1, "int64"))


class RoundTo(Postprocess):
    """The nearest integer, halves rounded to even, clipped to the range of its element
    (ONNX `Round`, `Clip`, `Cast`)."""

    element: str = setting("the element of the result", Keyword(*INTEGERS))

    def type(self, x: Tensor) -> Tensor:
        return x.with_element(self.element)

    def wide(self) -> str:
        """The element in which rounding and clipping are computed."""
        x = self.operands[0]
        return x.element if x.element == "float64" else "float" if x.is_float else "int64"

    def range(self) -> tuple[Any, Any]:
        return (RANGES if self.wide() == "int64" else FLOAT_RANGES)[self.element]

    def torch(self, F, x):
        x = torch_cast(F, x, self.operands[0].element, self.wide())
        if self.wide() != "int64":
            x = F.round(x)
        return torch_cast(F, x.clamp(*self.range()), self.wide(), self.element)

    def onnx(self, op, x):
        wide = self.wide()
        x = onnx_cast(op, x, self.operands[0].element, wide)
        x = x if wide == "int64" else op.Round(x)
        return onnx_cast(op, onnx_clip(op, x, *self.range(), wide), wide, self.element)

    def tolerance(self, np):
        """The next integer is accepted where a value is close to halfway, and any value for NaN."""

        def of(value: Any) -> Any:
            value = value.astype(np.float64)
            with np.errstate(invalid="ignore"):
                tolerance = CLOSE * np.maximum(1, np.abs(value))
                halfway = np.abs(value - np.floor(value) - 0.5) <= tolerance
            return np.select([np.isnan(value), np.isinf(value), halfway], [np.inf, 0, 1 + tolerance], 0)

        return of if self.operands[0].is_float else None


class AtLeastHalf(OfScores):
    """True where the value is at least 0.5 (torch `ge`, ONNX `GreaterOrEqual`)."""

    def type(self, x: Tensor) -> Tensor:
        return x.with_element("bool")

    def torch_float(self, F, x):
        return x >= 0.5

    def onnx_float(self, op, x):
        return op.GreaterOrEqual(x, op.constant(0.5, "float32"))

    def tolerance(self, np):
        return near_threshold(np, 0.5)


def near_threshold(np: Any, threshold: float) -> Callable[[Any], Any]:
    """The tolerance of a threshold: either result is accepted where a score is close to it."""
    return lambda score: np.where(np.abs(score.astype(np.float64) - threshold) > CLOSE, 0, np.inf)


def near_maximum(np: Any, axis: int) -> Callable[[Any], Any]:
    """The tolerance of an argmax: any index is accepted where the best two scores of the axis are close."""

    def of(scores: Any) -> Any:
        best = np.moveaxis(np.sort(scores.astype(np.float64), axis), axis, 0)
        if len(best) < 2:
            return np.zeros(best.shape[1:])
        with np.errstate(invalid="ignore"):
            return np.where(best[-1] - best[-2] > CLOSE * np.maximum(1, np.abs(best[-1])), 0, np.inf)

    return of


def name_number(op: Any, name: Any, names: tuple[str, ...]) -> Any:
    """The index of a text in a list, -1 if it is not in the list."""
    indices = list(range(len(names)))
    return op.ml.LabelEncoder(name, keys_strings=list(names), values_int64s=indices, default_int64=-1)
