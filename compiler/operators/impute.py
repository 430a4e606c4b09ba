"""What stands in place of missing numbers."""

from __future__ import annotations

from functools import partial
from typing import Any

from dlc.compiler.initial import Zeros
from dlc.compiler.kinds import Number, OneOf, Word
from dlc.compiler.later import NOT_BUILT
from dlc.compiler.operators.base import Example, Reject, WeightSpec, setting
from dlc.compiler.operators.learnt import Learnt, spread_of
from dlc.compiler.operators.operands import spell_classes
from dlc.compiler.types import Tensor


class Impute(Learnt):
    """A number in place of every missing one (NaN): what each feature has in the training rows, or a number
    given (torch and ONNX `where` `isnan`).

    Of values that are equally frequent it takes the least. A feature that all rows miss is filled with 0.
    Features stand on the last axis, or on axis 0 (channels) from three axes up.
    """

    fills = True

    fill: str | float = setting(
        "what to take: the `mean`, `median` or most frequent value of the feature, or a number",
        OneOf(Word("mean", "median", "most_frequent"), Number()),
    )

    def type(self, x: Tensor) -> Tensor:
        return super().type(x) if self.learns() else x

    def no_number(self, x: Tensor, at: int) -> Reject:
        if x.element == "class":
            message = f"`impute` fills in missing numbers, and this is {spell_classes(x)}"
            return Reject(message, at=at, code="E0202",
                          help="give what is missing a class of its own in the data, such as "
                               "`unknown`")  # fmt: skip
        if x.element != "string":
            return super().no_number(x, at)
        return Reject("`impute` fills in missing numbers; that of text, which flows only into `vocabulary`, "
                      "is not built yet", at=at, help="missing text is empty", code=NOT_BUILT)  # fmt: skip

    def learns(self) -> bool:
        return isinstance(self.fill, str)

    def weights(self, x: Tensor):
        if self.learns():
            yield WeightSpec("value", self.features(x), "learnt", Zeros())

    def torch(self, F, x, value=None):
        return F.where(F.isnan(x), self.fill if value is None else self.behind(value), x)

    def onnx(self, op, x, value=None):
        value = op.constant(self.fill, "float32") if value is None else self.onnx_behind(op, value)
        return op.Where(op.IsNaN(x), value, x)

    def learnt(self, F, x):
        x = self.flat(x)
        if self.fill == "most_frequent":
            rows = x.nan_to_num(float("inf")).movedim(0, -1).contiguous().sort().values
            times = F.searchsorted(rows, rows, right=True) - F.searchsorted(rows, rows)
            first = times.masked_fill(rows.isinf(), 0).argmax(-1, True)
            return {"value": rows.gather(-1, first)[..., 0].nan_to_num(0.0, 0.0)}
        value = x.nanmean(0) if self.fill == "mean" else x.nanquantile(0.5, 0)
        return {"value": value.nan_to_num(0.0)}

    def fit(self, np: Any, batches: Any) -> dict[str, Any]:
        if self.fill == "mean":
            return {"value": spread_of(np, self, batches).mean}
        typical = np.median if self.fill == "median" else partial(most_frequent, np)
        found = [typical(values) if len(values) else 0 for values in self.known(np, batches)]
        return {"value": np.array(found, np.float32).reshape(self.features(self.operands[0]))}

    examples = (
        Example("impute(mean)", "float", "float"),
        Example("impute(median)", "float[3]", "float[3]"),
        Example("impute(most_frequent)", "float[T, 3]", "float[T, 3]"),
        Example("impute(mean)", "float[3, H, W]", "float[3, H, W]"),
        Example("impute(0)", "float[3, T]", "float[3, T]"),
        Example("impute(fill=-1.5)", "float64[2]", "float[2]"),
        Example("impute", "float[3]", rejects="E0405"),
        Example("impute(mode)", "float[3]", rejects="E0403"),
        Example("impute(mean)", "float[3, T]", rejects="E0201"),
        Example("impute(most_frequent)", "string", rejects="E0901"),
        Example("impute(most_frequent)", "class(3)", rejects="E0202"),
    )


def most_frequent(np: Any, values: Any) -> float:
    """The least of several."""
    different, times = np.unique(values, return_counts=True)
    return different[times.argmax()]
