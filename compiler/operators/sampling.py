"""Sampling: the random numbers of an artifact, and the choice of a class with them.

The numbers come from the generator Philox2x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel Random Numbers: As
Easy as 1, 2, 3", SC 2011). It computes two random words from a key and a counter: a number does not depend on
those drawn before it. The key is the seed, the counter is (step, row).
"""

from __future__ import annotations

from typing import Any

from dlc.compiler.definitions.parameter_types import Integer, Nothing, Number, OneOf
from dlc.compiler.operators.base import Operator, setting
from dlc.compiler.operators.decoding import RowChoice
from dlc.compiler.operators.padding import onnx_range
from dlc.compiler.types import Tensor

SEED = Tensor("int64", (), batched=False)
WORD, HALF = 2**32, 2**16
MULTIPLIER, WEYL, ROUNDS = 0xD256D193, 0x9E3779B9, 10  # of Philox2x32 (Random123: philox.h)
BITS = 24  # of a word that a draw has: all that float32 holds
NEAR = 1e-5  # of scores, relative, and of shares: rounding may change a choice that is closer


def philox(first: Any, second: Any, key: Any) -> Any:
    """The first random word for counters and a key, which are integers below 2 ** 32. All numbers stay below
    2 ** 49, so int64 holds them."""
    for _ in range(ROUNDS):
        low = first % HALF * MULTIPLIER
        high = first // HALF * MULTIPLIER + low // HALF
        first, second = high // HALF ^ key ^ second, high % HALF * HALF + low % HALF
        key = (key + WEYL) % WORD
    return first


class OnnxInteger:
    """An int64 value of ONNX with the arithmetic of integers that are not negative."""

    def __init__(self, op: Any, value: Any):
        self._op, self.value = op, value

    def _made(self, op_type: str, other: Any) -> OnnxInteger:
        other = other.value if isinstance(other, OnnxInteger) else self._op.constant(other, "int64")
        return OnnxInteger(self._op, getattr(self._op, op_type)(self.value, other))

    def __add__(self, other: Any) -> OnnxInteger:
        return self._made("Add", other)

    def __sub__(self, other: Any) -> OnnxInteger:
        return self._made("Sub", other)

    def __mul__(self, other: Any) -> OnnxInteger:
        return self._made("Mul", other)

    def __mod__(self, other: Any) -> OnnxInteger:
        return self._made("Mod", other)

    def __floordiv__(self, other: Any) -> OnnxInteger:
        return self._made("Div", other)

    def __xor__(self, other: Any) -> OnnxInteger:
        return self._made("BitwiseXor", other)


def draws(steps: Any, rows: Any, seed: Any) -> Any:
    """The random word of each row and step, with its last bits left out."""
    key = seed % WORD
    rows = (rows + (seed - key) // WORD % WORD) % WORD
    return philox(steps, rows, key) // 2 ** (32 - BITS)


class UniformNumbers(Operator):
    """Numbers in [0, 1) for each row, one for each of `most` steps: 24 bits of Philox2x32-10 (Salmon et al.
    2011) with the counter (step, row), and the seed modulo 2^32 as the key. The number of the first row is
    the seed divided by 2^32, rounded down. The operands are any value of the batch, and the seed."""

    public = False
    takes = "any"
    mixes = True
    most: int = setting("the greatest number of steps", Integer(1))

    def type(self, x: Tensor, seed: Tensor) -> Tensor:
        return Tensor("float", (self.most,))

    def torch(self, F, x, seed):
        steps, rows = F.arange(self.most, device=x.device), F.arange(x.shape[0], device=x.device)
        return draws(steps, rows.unsqueeze(1), seed).to(F.float32) * 2.0**-BITS

    def onnx(self, op, x, seed):
        rows = op.Unsqueeze(onnx_range(op, op.batch()), op.constant([1], "int64"))
        steps = op.constant([*range(self.most)], "int64")
        made = draws(*(OnnxInteger(op, value) for value in (steps, rows, seed)))
        return op.Mul(op.Cast(made.value, to=1), op.constant(2.0**-BITS, "float32"))


class DrawOfStep(Operator):
    """The number that each row has drawn for a step."""

    public = False
    takes = "any"
    mixes = True

    def type(self, drawn: Tensor, step: Tensor) -> Tensor:
        return drawn.with_shape()

    def torch(self, F, drawn, step):
        return drawn.index_select(1, step.reshape(1).to(drawn.device)).squeeze(1)

    def onnx(self, op, drawn, step):
        return op.Gather(drawn, step, axis=1)


class SampledChoice(RowChoice):
    """A class drawn with its probability.

    The scores are divided by the `temperature`. The `top_k` best classes are kept, and of these, the best
    whose probabilities add up to `top_p`. Of equal ones, the first are better. The classes that are kept are
    laid side by side in their order, each as wide as its probability: the number of the row, between 0 and 1,
    falls on one of them.
    """

    temperature: float = setting("the divisor of the scores", Number(above=0), 1.0)
    top_k: Any = setting("the number of classes to choose from", OneOf(Integer(1), Nothing()), None)
    top_p: float = setting("the probability of the classes to choose from", Number(above=0, maximum=1), 1.0)

    @property
    def _keeps_all(self) -> bool:
        return self.top_k is None and self.top_p == 1

    # --- PyTorch ------------------------------------------------------------------------------------------

    def torch_found(self, F, scores, drawn):
        shares = self._torch_shares(F, scores[:, -1])
        edges = shares.cumsum(-1)
        above = (edges > drawn.unsqueeze(1) * edges[:, -1:]) & (shares > 0)
        return above.to(F.int64).argmax(-1, keepdim=True)

    def _torch_shares(self, F, scores):
        """The probability of each class, 0 for those that are left out."""
        scaled = (scores - scores.amax(-1, keepdim=True)) / self.temperature
        if self._keeps_all:
            return scaled.softmax(-1)
        best, order = F.sort(scaled, dim=-1, descending=True, stable=True)
        best, order = best[:, : self.top_k], order[:, : self.top_k]
        shares = best.softmax(-1)
        if self.top_p < 1:
            shares = shares.where(shares.cumsum(-1) - shares < self.top_p, 0.0)
        return F.zeros_like(scaled).scatter(1, order, shares)

    # --- ONNX ---------------------------------------------------------------------------------------------

    def onnx_found(self, op, scores, drawn):
        shares = self._onnx_shares(op, op.Squeeze(scores, op.constant([1], "int64")))
        edges, zero = op.CumSum(shares, op.constant(1, "int64")), op.constant(0.0, "float32")
        last = op.Gather(edges, op.constant([-1], "int64"), axis=1)
        aimed = op.Mul(op.Unsqueeze(drawn, op.constant([1], "int64")), last)
        above = op.And(op.Greater(edges, aimed), op.Greater(shares, zero))
        return op.ArgMax(op.Cast(above, to=6), axis=-1, keepdims=1)

    def _onnx_shares(self, op, scores):
        greatest = op.ReduceMax(scores, op.constant([-1], "int64"), keepdims=1)
        scaled = op.Div(op.Sub(scores, greatest), op.constant(self.temperature, "float32"))
        if self._keeps_all:
            return op.Softmax(scaled, axis=-1)
        count = op.constant([self.top_k or self.operands[0].shape[-1]], "int64")
        best, order = op.TopK(scaled, count, axis=-1, outputs=2)
        shares, zero = op.Softmax(best, axis=-1), op.constant(0.0, "float32")
        if self.top_p < 1:
            before = op.Sub(op.CumSum(shares, op.constant(1, "int64")), shares)
            shares = op.Where(op.Less(before, op.constant(self.top_p, "float32")), shares, zero)
        return op.ScatterElements(op.Expand(zero, op.Shape(scaled)), order, shares, axis=1)

    # --- near ties ----------------------------------------------------------------------------------------

    def tolerance(self, np):
        """Any class is accepted where rounding of the scores may move the number of the row to another class,
        or leave out another class."""

        def of(scores: Any, finished: Any, drawn: Any) -> Any:
            scores = scores.astype(np.float64)[..., -1, :]
            scale = np.maximum(1, np.abs(scores).max(-1))
            with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
                near = self._is_near(np, scores, drawn.astype(np.float64), NEAR * scale)
            return np.where(near & ~finished, np.inf, 0)

        return of

    def _is_near(self, np, scores, drawn, error):
        """Whether a choice may change if each score changes by the `error` of its step."""
        moved = 2 * error / self.temperature  # how far the log-odds of a share move
        scaled = (scores - scores.max(-1, keepdims=True)) / self.temperature
        order = np.argsort(-scaled, axis=-1, kind="stable")
        best = np.take_along_axis(np.exp(scaled), order, -1)[..., : self.top_k]
        near, kept = np.zeros(drawn.shape, bool), np.ones(best.shape, bool)
        if self.top_p < 1:
            near |= may_cross(np, best, np.float64(self.top_p), moved)[..., :-1].any(-1)
            before = np.cumsum(best, -1) - best
            kept = before < self.top_p * best.sum(-1, keepdims=True)
        near |= self._is_cut_near(np, np.take_along_axis(scores, order, -1), kept.sum(-1), error)
        shares = np.zeros(scores.shape)
        np.put_along_axis(shares, order[..., : self.top_k], np.where(kept, best, 0), -1)
        return near | may_cross(np, shares, drawn[..., None], moved)[..., :-1].any(-1)

    def _is_cut_near(self, np, sorted_scores, count, error):
        """Whether the first class that is left out is about as good as the last one that is kept."""
        classes = sorted_scores.shape[-1]
        inside = np.take_along_axis(sorted_scores, count[..., None] - 1, -1)
        outside = np.take_along_axis(sorted_scores, np.minimum(count, classes - 1)[..., None], -1)
        return (count < classes) & ((inside - outside)[..., 0] <= 2 * error)


def may_cross(np: Any, shares: Any, point: Any, moved: Any) -> Any:
    """Which sums of the first shares, of all, may lie on either side of a point between 0 and 1, if their
    log-odds move so far."""
    below, rest = np.cumsum(shares, -1), np.flip(np.cumsum(np.flip(shares, -1), -1), -1)
    above = np.concatenate([rest[..., 1:], np.zeros_like(rest[..., :1])], -1)
    odds = np.log(below) - np.log(above)
    aimed = np.log(point) - np.log1p(-point)
    return (np.abs(odds - aimed) <= moved[..., None]) | (np.abs(below / below[..., -1:] - point) <= NEAR)
