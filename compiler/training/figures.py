"""Figures of an epoch (losses and metrics) and their names, for epochs, `expect` and early stopping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.definitions import aliases
from dlc.compiler.definitions.definition import family
from dlc.compiler.definitions.parameter_types import ParameterType
from dlc.compiler.diagnostics.suggest import nearest
from dlc.compiler.record import record
from dlc.compiler.static import compute

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.training.metrics import Metric
    from dlc.compiler.types import Tensor

# The names of the parts of a split in other libraries.
PARTS = {"val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
         "eval": "validation", "train": "train", "training": "train", "test": "test",
         "testing": "test"}  # fmt: skip


class MeasuredFigure(ParameterType):
    """A figure that training measures, such as `test.accuracy`. The elaborator checks whether the metric
    exists."""

    def describe(self) -> str:
        return "a figure such as `test.accuracy`"

    def read(self, expr: syntax.Expr) -> str | None:
        path = figure_path(expr)
        return ".".join(path) if path else None

    def accept(self, value):
        if not isinstance(value, str):
            raise self.mismatch(value)
        return value


@record
class Measure:
    """A quantity that `expect` compares: `parameters`, `flops`, `test.accuracy`, `validation.OUTPUT.f1`; with
    several `seeds`, the mean of a figure over that many trainings."""

    path: str
    seeds: int = 1

    @property
    def name(self) -> str:
        """Its text in a spec."""
        return self.path if self.seeds == 1 else f"mean({self.path}, seeds={self.seeds})"


@record
class Expectation:
    """One comparison of `expect`; each side is a static value or a `Measure`."""

    left: Any
    comparison: str
    right: Any
    span: Span

    @property
    def text(self) -> str:
        return self.span.text

    @property
    def measures(self) -> list[Measure]:
        return [side for side in (self.left, self.right) if isinstance(side, Measure)]

    @property
    def seeds(self) -> int:
        """The number of trainings that it needs; 1 also if it needs none."""
        return max((measure.seeds for measure in self.measures), default=1)

    def paths(self) -> list[str]:
        """The quantities that each training measures."""
        return [measure.path for measure in self.measures]

    def parts(self) -> set[str]:
        """The parts of the split whose metrics it compares."""
        return {path.partition(".")[0] for path in self.paths() if "." in path}

    def holds(self, measured: Mapping[str, Any]) -> bool:
        """Whether the comparison is true for these measured quantities, given by name."""
        left, right = (measured[s.name] if isinstance(s, Measure) else s for s in (self.left, self.right))
        return compute(self.comparison, left, right)


def titles(metrics: Sequence[tuple[str, Metric]]) -> list[str]:
    """The name of each metric: `accuracy`, or `OUTPUT.accuracy` if several outputs have metrics. `metrics`
    are pairs of an output's name and a metric."""
    outputs = {output for output, _ in metrics}
    return [m.title if len(outputs) == 1 else f"{output}.{m.title}" for output, m in metrics]


def figures(metrics: Sequence[tuple[str, Metric]], types: Mapping[str, Tensor],
            losses: Iterable[str]) -> dict[str, Metric | None]:  # fmt: skip
    """The names of the figures of an epoch that are numbers, each with its metric; losses have none.

    `types` are those of the outputs, and `losses` the names of all losses. A name that ends in `*` stands for
    the figures of classes that are known only from the data.
    """
    found: dict[str, Metric | None] = dict.fromkeys(losses)
    for title, (output, metric) in zip(titles(metrics), metrics, strict=True):
        parts = metric.parts(types[output])
        if not metric.tabular:
            found |= {f"{title}{part}": metric for part in (("*",) if parts is None else parts)}
    return found


def find_figure(name: str, known: Container[str]) -> str | None:
    """The name in `figures` that matches a figure, with `*` for its class; none if there is no match."""
    if name in known:
        return name
    prefixes = (f"{name[:end]}*" for end in range(len(name) - 1, -1, -1))
    return next((p for p in prefixes if p in known), None)


def figure_path(expr: syntax.Expr) -> list[str] | None:
    """The parts of `test.f1.setosa`, `test.f1[3]` or `test.top_k(5)`; none for other expressions. An integer
    in brackets is kept with the part before it."""
    if isinstance(expr, syntax.Name):
        return [expr.id]
    if isinstance(expr, syntax.Attribute):
        before = figure_path(expr.value)
        return None if before is None else [*before, expr.name]
    if isinstance(expr, syntax.Index):
        head, items, brackets = expr.value, expr.items, "[]"
    elif isinstance(expr, syntax.Call) and not any(argument.name for argument in expr.arguments):
        head, items, brackets = expr.function, tuple(a.value for a in expr.arguments), "()"
    else:
        return None
    before, number = figure_path(head), integer_literal(items[0]) if len(items) == 1 else None
    if before is None or number is None:
        return None
    return [*before[:-1], f"{before[-1]}{brackets[0]}{number}{brackets[1]}"]


def integer_literal(expr: syntax.Expr) -> int | None:
    """The value of a literal `3` or `-3`."""
    if isinstance(expr, syntax.Unary) and expr.operator == "-":
        number = integer_literal(expr.operand)
        return None if number is None else -number
    return expr.value if isinstance(expr, syntax.Literal) and type(expr.value) is int else None


def figure_of_alias(name: str, part: str) -> str:
    """The figure for a name of other libraries, such as `val_loss` or `acc`. `part` is the part of the split
    if the name has none. Empty if the name does not look like a metric."""
    first, _, rest = name.replace(".", "_").partition("_")
    if first in PARTS and rest:
        part, name = PARTS[first], rest
    known = ("loss", *family("metric"))
    metric = name if name in known else aliases.named(name, "metric") or nearest(name, known) or ""
    return f"{part}.{metric}" if metric else ""
