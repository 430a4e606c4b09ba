"""Operators that learn constants from the training rows before training begins."""

from __future__ import annotations

from typing import Any

from dlc.compiler.initial import Ones, Zeros
from dlc.compiler.operators.base import Example, Operator, Reject, WeightSpec
from dlc.compiler.types import Tensor


class Standardize(Operator):
    """`(x - mean) / std` of each feature, learnt from the training rows (ONNX `Sub` and `Div`).

    Features stand on the last axis, or on axis 0 (channels) from three axes up.
    Missing values (NaN) are ignored, deviations divide by n, and one of 0 counts as 1.
    """

    normalizes = True

    def type(self, x: Tensor) -> Tensor:
        if not all(isinstance(size, int) for size in self.shape(x)):
            place = "channels on axis 0" if x.rank > 2 else "features on the last axis"
            raise Reject(f"`standardize` learns a mean for each of the {place}, whose number must be "
                         f"known, found {x}", at="x",
                         help="`transpose` brings the free dimension to another axis")  # fmt: skip
        return x

    def shape(self, x: Tensor) -> tuple:
        return x.shape[:1] if x.rank > 2 else x.shape[-1:]

    def weights(self, x: Tensor):
        yield WeightSpec("mean", self.shape(x), "learnt", Zeros())
        yield WeightSpec("std", self.shape(x), "learnt", Ones())

    def torch(self, F, x, mean, std):
        return (x - self.behind(F, mean)) / self.behind(F, std)

    def behind(self, F: Any, statistic: Any) -> Any:
        """A number for each channel, with axes of size 1 in place of the space axes."""
        rank = self.operands[0].rank
        return F.reshape(statistic, (-1, *[1] * (rank - 1))) if rank > 2 else statistic

    def onnx(self, op, x, mean, std):
        rank = self.operands[0].rank
        if rank > 2:
            axes = op.constant(list(range(1, rank)), "int64")
            mean, std = op.Unsqueeze(mean, axes), op.Unsqueeze(std, axes)
        return op.Div(op.Sub(x, mean), std)

    def fit(self, np: Any, batches: Any) -> dict[str, Any]:
        x = self.operands[0]
        spread = _Spread(np, self.shape(x))
        for batch in batches():
            rows = np.moveaxis(batch, 1, -1) if x.rank > 2 else batch
            spread.add(np.asarray(rows, np.float64).reshape(-1, *spread.shape))
        return spread.result()

    examples = (
        Example("standardize", "float", "float"),
        Example("standardize", "float[3]", "float[3]"),
        Example("standardize", "float[5, 3]", "float[5, 3]"),
        Example("standardize", "float[T, 3]", "float[T, 3]"),
        Example("standardize", "float[3, H, W]", "float[3, H, W]"),
        Example("standardize", "uint8[3, 4, 5]", "float[3, 4, 5]", low=0, high=255),
        Example("standardize", "float[2, 3, 4, 5]", "float[2, 3, 4, 5]"),
        Example("standardize", "float[3, T]", rejects="E0201"),
        Example("standardize", "float[T, 3, 4]", rejects="E0201"),
    )


class _Spread:
    """Mean and deviation of each feature, in one pass over batches of rows (Chan, Golub and LeVeque 1983)."""

    def __init__(self, np: Any, shape: tuple[int, ...]):
        self.np, self.shape = np, shape
        self.count, self.mean, self.squares = np.zeros((3, *shape))
        self.low, self.high = np.full(shape, np.inf), np.full(shape, -np.inf)

    def add(self, rows: Any) -> None:
        np = self.np
        known = ~np.isnan(rows)
        count = known.sum(0)
        mean = np.where(known, rows, 0).sum(0) / np.maximum(count, 1)
        squares = (np.where(known, rows - mean, 0) ** 2).sum(0)
        total = np.maximum(self.count + count, 1)
        apart = mean - self.mean
        self.squares = self.squares + squares + apart**2 * self.count * count / total
        self.mean = self.mean + apart * count / total
        self.count = self.count + count
        self.low = np.minimum(self.low, np.where(known, rows, np.inf).min(0, initial=np.inf))
        self.high = np.maximum(self.high, np.where(known, rows, -np.inf).max(0, initial=-np.inf))

    def result(self) -> dict[str, Any]:
        """A feature of one value only has exactly that mean, and a deviation of 1,
        whatever sums were rounded to."""
        np = self.np
        varies = self.high > self.low
        std = np.sqrt(self.squares / np.maximum(self.count, 1)).astype(np.float32)
        mean = np.where(self.high == self.low, self.low, self.mean)
        return {"mean": mean.astype(np.float32), "std": np.where(varies & (std > 0), std, np.float32(1))}
