"""Imputation of missing numbers and classes."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

from dlc.compiler.definitions.initializers import Zeros
from dlc.compiler.definitions.parameter_types import Keyword, Number, OneOf
from dlc.compiler.definitions.unimplemented import NOT_BUILT
from dlc.compiler.dims.dim import number
from dlc.compiler.operators.base import Example, Reject, WeightSpec, setting
from dlc.compiler.operators.fitted import Fitted, spread_of
from dlc.compiler.operators.operands import DTYPES, onnx_cast, spell_classes
from dlc.compiler.operators.order_statistics import medians, most_frequent
from dlc.compiler.types import Classes, Tensor


class Impute(Fitted):
    """Replaces missing values. Missing numbers (NaN) become a statistic of the feature in the training rows,
    or a given number (torch and ONNX `where` `isnan`). Missing classes (class -1, which also stands for a
    value not seen in training) become the most frequent class of the feature, or an additional last class
    (torch and ONNX `where` `less`).

    Among equally frequent values it takes the smallest. A feature that is missing in all rows becomes 0.
    Features are on the last axis, or on axis 0 (channels) for three or more axes.
    """

    fills = True
    offset = "keeps"
    takes = "float or class"

    fill: str | float = setting(
        "the replacement: the `mean`, `median` or `most_frequent` value of the feature, or a number; for "
        "classes `most_frequent`, or `own` for an additional class",
        OneOf(Keyword("mean", "median", "most_frequent", "own"), Number()),
    )

    def type(self, x: Tensor) -> Tensor:
        if x.classes is None and self.fill == "own":
            raise Reject(f"`own` adds a class, and this is {x}", at="fill", code="E0202",
                         help="numbers take `mean`, `median`, `most_frequent` or a number")  # fmt: skip
        if x.classes is not None and self.fill not in ("most_frequent", "own"):
            raise Reject(f"classes are imputed by `most_frequent` or `own`, and this is {spell_classes(x)}",
                         at="fill", code="E0202",
                         help="`impute(most_frequent)` takes a class, `impute(own)` adds one")  # fmt: skip
        x = super().type(x) if self.is_fitted() else x
        return x if self.fill != "own" else replace(x, classes=with_own(x.classes))

    def number_required(self, x: Tensor, at: int) -> Reject:
        if x.element != "string":
            return super().number_required(x, at)
        return Reject("`impute` replaces missing numbers and classes; `impute` of text is not built yet",
                      at=at, help="missing text is an empty string", code=NOT_BUILT)  # fmt: skip

    def is_fitted(self) -> bool:
        return self.fill in ("mean", "median", "most_frequent")

    def weights(self, x: Tensor):
        if self.is_fitted():
            yield WeightSpec("value", self.features(x), "fitted", Zeros())

    def own(self) -> int:
        """The index of the additional class."""
        return number(self.operands[0].classes.count)  # type: ignore[union-attr]

    def torch(self, F, x, value=None):
        if self.operands[0].classes is not None:
            return F.where(x < 0, self.own() if value is None else self.per_channel(value).long(), x)
        return F.where(F.isnan(x), self.fill if value is None else self.per_channel(value), x)

    def onnx(self, op, x, value=None):
        if self.operands[0].classes is not None:
            own = op.constant(self.own(), "int64") if value is None else None
            value = own or onnx_cast(op, self.onnx_per_channel(op, value), "float", "int64")
            return op.Where(op.Less(x, op.constant(0, "int64")), value, x)
        dtype = DTYPES[self.results[0].element][0]
        value = op.constant(self.fill, dtype) if value is None else self.onnx_per_channel(op, value)
        return op.Where(op.IsNaN(x), value, x)

    def fit_torch(self, F, x):
        if self.operands[0].classes is not None:
            x = F.where(x < 0, float("nan"), x.float())
        x = self.flat(x)
        if self.fill == "most_frequent":
            rows = x.nan_to_num(float("inf")).movedim(0, -1).contiguous().sort().values
            counts = F.searchsorted(rows, rows, right=True) - F.searchsorted(rows, rows)
            first = counts.masked_fill(rows.isinf(), 0).argmax(-1, True)
            return {"value": rows.gather(-1, first)[..., 0].nan_to_num(0.0, 0.0)}
        value = x.nanmean(0) if self.fill == "mean" else x.nanquantile(0.5, 0)
        return {"value": value.nan_to_num(0.0)}

    def fit(self, np: Any, batches: Any) -> dict[str, Any]:
        if self.fill == "mean":
            return {"value": spread_of(np, self, batches).mean}
        passes, features = self.passes(np, batches), self.features(self.operands[0])
        found = medians(np, passes) if self.fill == "median" else most_frequent(np, passes, prod(features))
        return {"value": found.astype(self.dtype(np)).reshape(features)}

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
    """The classes and an additional last one that has no label in the data."""
    labels = classes.labels and (*classes.labels, classes.unknown)
    return Classes(classes.count + 1, labels)
