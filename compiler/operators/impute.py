"""What stands in place of missing numbers and classes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from dlc.compiler.definitions.initializers import Zeros
from dlc.compiler.definitions.parameter_types import Keyword, Number, OneOf
from dlc.compiler.definitions.unimplemented import NOT_BUILT
from dlc.compiler.dims.dim import number
from dlc.compiler.operators.base import Example, Reject, WeightSpec, setting
from dlc.compiler.operators.fitted import Fitted, spread_of
from dlc.compiler.operators.operands import DTYPES, onnx_cast, spell_classes
from dlc.compiler.types import Classes, Tensor


class Impute(Fitted):
    """Something in place of what is missing. Of numbers (NaN): what each feature has in the training rows, or
    a number given (torch and ONNX `where` `isnan`). Of classes (class -1, which also stands for a value that
    training has not seen): the most frequent class of each feature, or a class of its own, the last
    (torch and ONNX `where` `less`).

    Of values that are equally frequent it takes the least. A feature that all rows miss is filled with 0.
    Features stand on the last axis, or on axis 0 (channels) from three axes up.
    """

    fills = True
    offset = "keeps"
    takes = "float or class"

    fill: str | float = setting(
        "what to take: the `mean`, `median` or `most_frequent` value of the feature, or a number; of classes "
        "`most_frequent`, or `own` for one more class",
        OneOf(Keyword("mean", "median", "most_frequent", "own"), Number()),
    )

    def type(self, x: Tensor) -> Tensor:
        if x.classes is None and self.fill == "own":
            raise Reject(f"`own` is one more class, and this is {x}", at="fill", code="E0202",
                         help="numbers take `mean`, `median`, `most_frequent` or a number")  # fmt: skip
        if x.classes is not None and self.fill not in ("most_frequent", "own"):
            raise Reject(f"`impute` of classes is `most_frequent` or `own`, and this is {spell_classes(x)}",
                         at="fill", code="E0202",
                         help="`impute(most_frequent)` takes one, `impute(own)` adds one")  # fmt: skip
        x = super().type(x) if self.learns() else x
        return x if self.fill != "own" else replace(x, classes=with_own(x.classes))

    def no_number(self, x: Tensor, at: int) -> Reject:
        if x.element != "string":
            return super().no_number(x, at)
        return Reject("`impute` fills in numbers and classes; that of text, which flows only into "
                      "`vocabulary`, is not built yet",
                      at=at, help="missing text is empty", code=NOT_BUILT)  # fmt: skip

    def learns(self) -> bool:
        return self.fill in ("mean", "median", "most_frequent")

    def weights(self, x: Tensor):
        if self.learns():
            yield WeightSpec("value", self.features(x), "learnt", Zeros())

    def own(self) -> int:
        """The place of the class of its own."""
        return number(self.operands[0].classes.count)  # type: ignore[union-attr]

    def torch(self, F, x, value=None):
        if self.operands[0].classes is not None:
            return F.where(x < 0, self.own() if value is None else self.behind(value).long(), x)
        return F.where(F.isnan(x), self.fill if value is None else self.behind(value), x)

    def onnx(self, op, x, value=None):
        if self.operands[0].classes is not None:
            own = op.constant(self.own(), "int64") if value is None else None
            value = own or onnx_cast(op, self.onnx_behind(op, value), "float", "int64")
            return op.Where(op.Less(x, op.constant(0, "int64")), value, x)
        dtype = DTYPES[self.results[0].element][0]
        value = op.constant(self.fill, dtype) if value is None else self.onnx_behind(op, value)
        return op.Where(op.IsNaN(x), value, x)

    def learnt(self, F, x):
        if self.operands[0].classes is not None:
            x = F.where(x < 0, float("nan"), x.float())
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
        return {"value": np.array(found, self.dtype(np)).reshape(self.features(self.operands[0]))}

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
        Example("impute(most_frequent)", "class(3)", "class"),
        Example("impute(most_frequent)", "class(3)[4]", "class[4]"),
        Example("impute(most_frequent)", "class(red, green)[2, T, 3]", "class[2, T, 3]"),
        Example("impute(own)", "class(3)", "class"),
        Example("impute(own)", "class(red, green)[T]", "class[T]"),
        Example("impute(own) -> one_hot", "class(3)[2]", "float[2, 4]"),
        Example("impute(own)", "float[3]", rejects="E0202"),
        Example("impute(mean)", "class(3)", rejects="E0202"),
        Example("impute(0)", "class(3)", rejects="E0202"),
    )


def with_own(classes: Any) -> Classes:
    """The classes with one more, the last, which has no label in the data."""
    labels = classes.labels and (*classes.labels, classes.unknown)
    return Classes(classes.count + 1, labels)


def most_frequent(np: Any, values: Any) -> float:
    """The least of several."""
    different, times = np.unique(values, return_counts=True)
    return different[times.argmax()]
