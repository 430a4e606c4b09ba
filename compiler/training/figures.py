"""What is measured beside the loss, by the names that epochs, `expect` and early stopping give it, and what
compares it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions import aliases
from dlc.compiler.definitions.definition import family
from dlc.compiler.diagnostics.suggest import nearest
from dlc.compiler.record import record
from dlc.compiler.static import compute

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.training.metrics import Metric
    from dlc.compiler.types import Tensor

# What the parts of the rows are called elsewhere.
PARTS = {"val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
         "eval": "validation", "train": "train", "training": "train", "test": "test",
         "testing": "test"}  # fmt: skip


@record
class Measure:
    """A quantity that `expect` compares: `parameters`, `flops`, `test.accuracy`, `validation.OUTPUT.f1`."""

    path: str


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

    def measures(self) -> list[str]:
        return [side.path for side in (self.left, self.right) if isinstance(side, Measure)]

    def parts(self) -> set[str]:
        """The parts of the split whose metrics it compares."""
        return {path.partition(".")[0] for path in self.measures() if "." in path}

    def holds(self, measured: Mapping[str, Any]) -> bool:
        """Whether the comparison is true for these measured quantities."""
        left, right = (measured[s.path] if isinstance(s, Measure) else s for s in (self.left, self.right))
        return compute(self.comparison, left, right)


def titles(metrics: Sequence[tuple[str, Metric]]) -> list[str]:
    """What each metric is called: `accuracy`, or `OUTPUT.accuracy` where several outputs are measured.
    `metrics` are pairs of an output's name and a metric of it."""
    outputs = {output for output, _ in metrics}
    return [m.name if len(outputs) == 1 else f"{output}.{m.name}" for output, m in metrics]


def losses(outputs: Iterable[str]) -> list[str]:
    """What losses are called: that of all, and those of these outputs."""
    return ["loss", *(f"{output}.loss" for output in outputs)]


def figures(metrics: Sequence[tuple[str, Metric]], types: Mapping[str, Tensor],
            apart: Iterable[str]) -> dict[str, Metric | None]:  # fmt: skip
    """The names of an epoch's figures that are numbers, each with its metric; losses have none.

    `types` are those of the outputs, and `apart` the outputs whose losses are told apart. A name that ends in
    `*` stands for those of classes that only the data knows.
    """
    found: dict[str, Metric | None] = dict.fromkeys(losses(apart))
    for title, (output, metric) in zip(titles(metrics), metrics, strict=True):
        parts = metric.parts(types[output])
        if not metric.tabular:
            found |= {f"{title}{part}": metric for part in (("*",) if parts is None else parts)}
    return found


def find_figure(name: str, known: Mapping[str, Metric | None]) -> str | None:
    """The name among those of `figures` that a figure goes by."""
    if name in known:
        return name
    beginnings = (f"{name[:end]}*" for end in range(len(name) - 1, -1, -1))
    return next((b for b in beginnings if b in known), None)


def spoken(name: str, part: str) -> str:
    """The figure that is meant by one as other libraries write it, `val_loss` or `acc`; of this part of the
    rows where the name says none. Empty where no metric is meant."""
    first, _, rest = name.replace(".", "_").partition("_")
    if first in PARTS and rest:
        part, name = PARTS[first], rest
    known = ("loss", *family("metric"))
    metric = name if name in known else aliases.named(name, "metric") or nearest(name, known) or ""
    return f"{part}.{metric}" if metric else ""
