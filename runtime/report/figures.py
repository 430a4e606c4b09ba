"""The figures of the page, drawn by matplotlib. Their legends are text of the page, which is never cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.diagnostics.quoting import shorten
from dlc.runtime.report.svg import FAINT, INK, SERIES, drawing, text_of
from dlc.runtime.written_numbers import written

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

SIZE = 4.1, 2.8  # inches of a figure; the page shows an inch as about 100 pixels
SQUARE = 3.6, 3.3
POINTS = 400  # maximum number of points of a curve
SCATTERED = 600  # maximum number of points of a cloud
LOGARITHMIC = 50.0  # the ratio of the largest to the smallest value from which an axis is logarithmic
NAMED = 24  # maximum number of classes that have their names beside a heat map


@dataclass(frozen=True)
class Curve:
    """A curve: its name, the number of its colour, its points, and whether it is dashed."""

    name: str
    colour: int
    x: Sequence[float]
    y: Sequence[float | None]
    dashed: bool = False

    def thinned(self) -> tuple[np.ndarray, np.ndarray]:
        """Its points, of many some at equal distances and the last. What is no number is a gap."""
        x, y = np.array(self.x, float), np.array([np.nan if v is None else v for v in self.y], float)
        step = -(-len(x) // POINTS)
        kept = np.unique([*range(0, len(x), max(step, 1)), *([len(x) - 1] if len(x) else [])])
        return x[kept], np.where(np.isfinite(y[kept]), y[kept], np.nan)


def colour(number: int) -> str:
    return SERIES[number % len(SERIES)]


def draw(paint: Callable[[Axes], None], alt: str, prefix: str, size: tuple[float, float] = SIZE) -> str:
    """The SVG element of one figure."""
    from matplotlib.figure import Figure

    with drawing():
        figure = Figure(figsize=size, layout="constrained")
        paint(figure.subplots())
        return text_of(figure, alt, prefix)


def curves(given: Sequence[Curve], alt: str, prefix: str, x: str = "epoch", best: float | None = None) -> str:
    """Curves over epochs. `best` is the epoch that a line marks."""

    def paint(axes: Axes) -> None:
        all_values: list[float] = []
        for curve in given:
            xs, ys = curve.thinned()
            mark = "o" if np.isfinite(ys).sum() < 3 else ""
            axes.plot(xs, ys, color=colour(curve.colour), linestyle="--" if curve.dashed else "-",
                      marker=mark, markersize=4)  # fmt: skip
            all_values += ys[np.isfinite(ys)].tolist()
        if all_values and min(all_values) > 0 and max(all_values) / min(all_values) >= LOGARITHMIC:
            logarithmic(axes)
        elif len({*all_values}) == 1:
            axes.set_ylim(*sorted((0.0, 2 * all_values[0] or 1.0)))
        if best is not None and len(given[0].x) > 1:
            axes.axvline(best, color=FAINT, linewidth=1, linestyle=":")
        whole_numbers(axes)
        written_out(axes.yaxis)
        axes.set_xlabel(x)

    return draw(paint, alt, prefix)


def logarithmic(axes: Axes) -> None:
    """A logarithmic axis whose numbers are written out."""
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    several = high / low > 300
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if several else (1.0, 2.0, 5.0), numticks=10))
    axes.yaxis.set_minor_locator(NullLocator())


def written_out(axis: Axis) -> None:
    """Numbers as they are, without a common factor."""
    from matplotlib.ticker import FuncFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: written(value, 5)))


def whole_numbers(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))


def few_numbers(axes: Axes) -> None:
    """Numbers written out as they are, so few that large ones have room."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
    for axis in (axes.xaxis, axes.yaxis):
        written_out(axis)


def reliability(points: Sequence[tuple[float, float, int]], alt: str, prefix: str, x: str, y: str) -> str:
    """The share of right answers over the probability, for bins of probabilities. A larger bin has a larger
    mark."""

    def paint(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=FAINT, linestyle="--", linewidth=1)
        p, came, count = (np.array(values, float) for values in zip(*points, strict=True))
        axes.plot(p, came, color=colour(0))
        axes.scatter(p, came, s=12 + 110 * count / count.max(), color=colour(0), zorder=3)
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xlabel=x, ylabel=y, aspect="equal")

    return draw(paint, alt, prefix, SQUARE)


def scatter(pairs: np.ndarray, alt: str, prefix: str) -> str:
    """Answers over targets, with the line on which they are equal."""
    step = -(-len(pairs) // SCATTERED)
    truth, value = pairs[:: max(step, 1)].T

    def paint(axes: Axes) -> None:
        low, high = float(min(truth.min(), value.min())), float(max(truth.max(), value.max()))
        axes.plot([low, high], [low, high], color=FAINT, linestyle="--", linewidth=1)
        axes.scatter(truth, value, s=24 if len(truth) < 200 else 9, color=colour(0), alpha=0.5, linewidths=0)
        few_numbers(axes)
        axes.set(xlabel="true", ylabel="answered")

    return draw(paint, alt, prefix, SQUARE)


def residuals(apart: np.ndarray, alt: str, prefix: str) -> str:
    """How often errors have each size."""

    def paint(axes: Axes) -> None:
        bins = int(np.clip(np.sqrt(len(apart)), 5, 40))
        low, high = float(apart.min()), float(apart.max())
        axes.hist(apart, bins=bins, range=None if high > low else (low - 0.5, high + 0.5), color=colour(0))
        few_numbers(axes)
        axes.axvline(0, color=INK, linewidth=1)
        axes.set(xlabel="answered - true", ylabel="rows")

    return draw(paint, alt, prefix)


def bars(labels: Sequence[str], values: Sequence[float], alt: str, prefix: str, x: str, y: str) -> str:
    def paint(axes: Axes) -> None:
        axes.bar(range(len(values)), values, color=colour(0))
        axes.set_xticks(range(len(labels)), list(labels))
        axes.set(xlabel=x, ylabel=y)
        axes.grid(visible=False, axis="x")

    return draw(paint, alt, prefix)


def heat(labels: Sequence[str], matrix: np.ndarray, alt: str, prefix: str) -> str:
    """A table of counts in colours: a row for each true class, as shares of its rows."""
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)

    def paint(axes: Axes) -> None:
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
        axes.grid(visible=False)
        axes.set(xlabel="answered", ylabel="true")
        if len(labels) <= NAMED:
            short = [shorten(label, 14) for label in labels]
            axes.set_xticks(range(len(labels)), short, rotation=90)
            axes.set_yticks(range(len(labels)), short)

    return draw(paint, alt, prefix, (4.4, 4.4))
