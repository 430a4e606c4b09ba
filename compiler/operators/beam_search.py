"""Steps of beam search: several rows of a loop, the beams, for each row of the batch."""

from __future__ import annotations

from typing import Any

from dlc.compiler.definitions.parameter_types import Integer
from dlc.compiler.dims.dim import number
from dlc.compiler.operators.base import Operator, setting
from dlc.compiler.operators.decoding import FINISHED, SymbolChoice
from dlc.compiler.operators.operands import CLOSE, END
from dlc.compiler.operators.padding import onnx_range
from dlc.compiler.types import Tensor

ROW, TOTAL = Tensor("int64"), Tensor("float")
NEVER = -1e30  # the log-probability of what is never chosen; finite, so that sums of it are no NaN


class OfBeams(Operator, abstract=True):
    public = False
    takes = "any"
    width: int = setting("the number of beams", Integer(1))


class RepeatRows(OfBeams):
    """Each row of the batch `width` times, one after the other (torch `repeat_interleave`)."""

    @property
    def row_copies(self) -> int:
        return self.width

    def type(self, x: Tensor) -> Tensor:
        return x

    def torch(self, F, x):
        return x.repeat_interleave(self.width, 0)

    def onnx(self, op, x):
        return op.Gather(x, op.shared("repeated_rows", self.width, lambda: self.onnx_rows(op)), axis=0)

    def onnx_rows(self, op: Any) -> Any:
        width = op.constant(self.width, "int64")
        return op.Div(onnx_range(op, op.Mul(op.batch(), width)), width)


class BestBeams(OfBeams):
    """The first of the beams of each row of the batch."""

    def type(self, x: Tensor) -> Tensor:
        return x

    def torch(self, F, x):
        return x[:: self.width]

    def onnx(self, op, x):
        start, end, axis, step = (op.constant([n], "int64") for n in (0, END, 0, self.width))
        return op.Slice(x, start, end, axis, step)


class FirstBeams(OfBeams):
    """The rows of the first beams of the same row of the batch; and the log-probability of each beam before
    the first step, at which only the first one counts, because all are the same. The operand is any value of
    the beams."""

    def type(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return ROW, TOTAL

    def torch(self, F, x):
        rows = F.arange(x.shape[0], device=x.device)
        beam = rows % self.width
        return rows - beam, F.where(beam == 0, 0.0, NEVER)

    def onnx(self, op, x):
        rows = onnx_range(op, op.Gather(op.Shape(x), op.constant(0, "int64"), axis=0))
        beam = op.Mod(rows, op.constant(self.width, "int64"))
        first = op.Equal(beam, op.constant(0, "int64"))
        return op.Sub(rows, beam), op.Where(first, op.constant(0, "float32"), op.constant(NEVER, "float32"))


class BeamChoice(SymbolChoice):
    """The `width` continuations of the beams of a row with the greatest log-probabilities, the best first,
    the first of equal ones. `totals` are the log-probabilities of the beams, and `first` the rows of the
    first beams. A beam that has ended continues with the end alone, and keeps its log-probability.

    The results are the symbols, the new log-probabilities, which beams have ended, and the rows of the beams
    that they continue.
    """

    width: int = setting("the number of beams", Integer(1))

    def type(self, scores: Tensor, totals: Tensor, finished: Tensor, first: Tensor) -> tuple[Tensor, ...]:
        return self.symbol_type, TOTAL, FINISHED, ROW

    def torch(self, F, scores, totals, finished, first):
        scores = F.log_softmax(scores[:, -1].float(), -1)
        count = scores.shape[-1]
        if self.end is not None:
            ended = F.where(F.arange(count, device=scores.device) == self.end, 0.0, NEVER)
            scores = F.where(finished.unsqueeze(-1), ended, scores)
        totals = (totals.unsqueeze(-1) + scores).reshape(-1, self.width * count)
        best, places = totals.sort(dim=-1, descending=True, stable=True)
        places = places[:, : self.width].flatten()
        symbols = places % count
        rows = first + F.div(places, count, rounding_mode="floor")
        finished = finished if self.end is None else symbols == self.end
        return symbols.unsqueeze(1), best[:, : self.width].flatten(), finished, rows

    def onnx(self, op, scores, totals, finished, first):
        one = op.constant([1], "int64")
        scores = op.LogSoftmax(op.Cast(op.Squeeze(scores, one), to=1), axis=-1)
        count = number(self.operands[0].shape[-1])
        if self.end is not None:
            ended = op.constant([0 if n == self.end else NEVER for n in range(count)], "float32")
            scores = op.Where(op.Unsqueeze(finished, one), ended, scores)
        totals = op.Add(op.Unsqueeze(totals, one), scores)
        totals = op.Reshape(totals, op.constant([-1, self.width * count], "int64"))
        best, places = op.TopK(totals, op.constant([self.width], "int64"), axis=-1, outputs=2)
        whole, count = op.constant([-1], "int64"), op.constant(count, "int64")
        places = op.Reshape(places, whole)
        symbols, rows = op.Mod(places, count), op.Add(first, op.Div(places, count))
        finished = finished if self.end is None else op.Equal(symbols, op.constant(self.end, "int64"))
        return op.Unsqueeze(symbols, one), op.Reshape(best, whole), finished, rows

    def tolerance(self, np):
        def slack(scores: Any, totals: Any, finished: Any, first: Any) -> Any:
            """Any answer is accepted of a row where a beam was nearly kept or left out, or two answers are
            nearly equal in the last step."""
            scores = scores[:, :, -1].astype(np.float64)
            largest = of_batch(np.maximum(1, np.abs(scores).max(-1)), self.width).max(1)
            best = -np.sort(-self.candidates(np, scores, totals, finished), -1)
            cut, near = best[..., self.width - 1 : self.width + 1], CLOSE / 10 * largest
            close = ~finished[:: self.width] & (gap(np, cut) < near) & (cut[..., 0] > NEVER / 2)
            tie = gap(np, best[:, -1:, :2]) < near[:, -1:]
            free = close.any(1, keepdims=True) | tie.any(1, keepdims=True)
            return np.where(free, np.inf, np.zeros(near.shape))

        return slack

    def candidates(self, np: Any, scores: Any, totals: Any, finished: Any) -> Any:
        """The log-probabilities of all continuations, `[batch, steps, beams * classes]`, from the scores
        `[beams, steps, classes]`."""
        top = scores.max(-1, keepdims=True)
        scores = scores - top - np.log(np.exp(scores - top).sum(-1, keepdims=True))
        if self.end is not None:
            ended = np.where(np.arange(scores.shape[-1]) == self.end, 0.0, NEVER)
            scores = np.where(finished[..., None], ended, scores)
        made = of_batch(totals[..., None] + scores, self.width).swapaxes(1, 2)
        return made.reshape(*made.shape[:2], made.shape[2] * made.shape[3])


def of_batch(beams: Any, width: int) -> Any:
    """Rows of beams as `[batch, beams, ...]`."""
    return beams.reshape(len(beams) // width, width, *beams.shape[1:])


def gap(np: Any, pairs: Any) -> Any:
    """The difference of the two entries of the last axis; infinite if there is one."""
    if pairs.shape[-1] < 2:
        return np.full(pairs.shape[:-1], np.inf)
    with np.errstate(invalid="ignore"):
        return pairs[..., 0] - pairs[..., 1]


class KeptRows(Operator):
    """The rows that are continued (torch `index_select`, ONNX `Gather`)."""

    public = False
    takes = "any"

    def type(self, x: Tensor, rows: Tensor) -> Tensor:
        return x

    def torch(self, F, x, rows):
        return x.index_select(0, rows)

    def onnx(self, op, x, rows):
        return op.Gather(x, rows, axis=0)
