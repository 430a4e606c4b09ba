"""Early stopping: rules that end training before its last epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.definitions.definition import Definition, setting
from dlc.compiler.definitions.parameter_types import Integer, Number, ParameterType, Reject
from dlc.compiler.training.figures import MeasuredFigure, figure_of_alias

if TYPE_CHECKING:
    from dlc.compiler import syntax

WATCHED = ("train", "validation")


class Figure(MeasuredFigure):
    """A figure of an epoch, as in `expect`: `validation.loss`, `train.accuracy`, `validation.OUTPUT.f1`."""

    def describe(self) -> str:
        return "a figure such as `validation.loss` or `validation.accuracy`"

    def accept(self, value):
        part, dot, figure = super().accept(value).partition(".")
        if part == "test":
            raise Reject("the test rows take no part in training", code="E0408",
                         help=f"write `validation.{figure or 'loss'}`")  # fmt: skip
        if part not in WATCHED or not dot:
            intended = figure_of_alias(value, "validation")
            raise Reject(f"expected {self.describe()}, found `{value}`", code="E0403",
                         help=f"write `{intended}`" if intended else "")  # fmt: skip
        return value


class FigureComparison(ParameterType):
    """A comparison of figures of an epoch, as in `expect`. The elaborator turns it into an `Expectation` when
    the metrics are known."""

    def describe(self) -> str:
        return "a comparison such as `train.loss <= 0.01`"

    def read(self, expr: syntax.Expr) -> syntax.Expr | None:
        from dlc.compiler import syntax

        return expr if isinstance(expr, (syntax.Binary, syntax.Attribute, syntax.Name)) else None

    def accept(self, value):
        from dlc.compiler import syntax

        if not isinstance(value, syntax.Expr):
            raise self.mismatch(value)
        return value


class Stopping(Definition, family="stopping", what="a rule for stopping early"):
    pass


class Patience(Stopping):
    """Stop after `n` epochs without improvement, and keep the weights of the best epoch."""

    usage = "patience(5)"

    n: int = setting("epochs to wait", Integer(1))
    on: str = setting("the figure to watch", Figure(), "validation.loss", keyword=True)
    min_delta: float = setting("an improvement is larger than this", Number(minimum=0), 0,
                               keyword=True)  # fmt: skip

    @property
    def part(self) -> str:
        """`validation` or `train`."""
        return self.on.partition(".")[0]

    @property
    def figure(self) -> str:
        """`loss`, `accuracy`, `OUTPUT.accuracy`."""
        return self.on.partition(".")[2]

    def watching(self, figure: str) -> str:
        """Its text in the spec, with another figure."""
        text = self.span.text
        return text.replace(self.on, figure) if self.on in text else f"{text[:-1]}, on={figure})"

    @property
    def never_better(self) -> str:
        """The error if no epoch is the best."""
        return f"`{self.on}` was not finite after any epoch, so there is no best epoch"
