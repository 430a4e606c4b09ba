"""What a page is made of: sections of blocks. The template shows each kind of block."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar

from dlc.runtime.written_numbers import written

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dlc.runtime.report.shown_rows import Shown


class Block:
    kind: ClassVar[str]


@dataclass(frozen=True)
class Words(Block):
    """A paragraph. `tone` is empty, or `warn` for what the reader should not miss."""

    kind = "words"
    text: str
    tone: str = ""


@dataclass(frozen=True)
class Table(Block):
    """A table of texts: the first column names the rows. `folded` tables are opened by a click."""

    kind = "table"
    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    folded: bool = False
    plain: bool = False  # all cells are words, not numbers


@dataclass(frozen=True)
class LegendKey:
    """A line of a legend."""

    name: str
    colour: int
    dashed: bool = False


@dataclass(frozen=True)
class DrawnFigure:
    """A figure: an SVG element, made by `svg.element`, under a title, with a legend and a sentence."""

    title: str
    svg: str
    legend: Sequence[LegendKey] = ()
    note: str = ""


@dataclass(frozen=True)
class Figures(Block):
    kind = "figures"
    figures: Sequence[DrawnFigure]


@dataclass(frozen=True)
class MatrixCell:
    count: int
    shade: float  # from 0 to 1
    right: bool


@dataclass(frozen=True)
class Matrix(Block):
    """A table of counts, a row for each true class, with shades."""

    kind = "matrix"
    title: str
    labels: Sequence[str]
    rows: Sequence[Sequence[MatrixCell]]


@dataclass(frozen=True)
class Beside(Block):
    """Tables that stand beside each other where there is room."""

    kind = "beside"
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Card:
    """A row that is shown: where it stands, what is wrong with its answer, and its values. `tone` is `wrong`,
    `right`, or empty if there is no telling."""

    place: str
    verdict: str
    tone: str
    values: Sequence[Shown]


@dataclass(frozen=True)
class Cards(Block):
    kind = "cards"
    title: str
    cards: Sequence[Card]
    legend: Sequence[tuple[str, str]] = ()  # names and colours of the classes of masks


@dataclass(frozen=True)
class FixedText(Block):
    """Text in a fixed font."""

    kind = "code"
    title: str
    text: str
    folded: bool = True


@dataclass(frozen=True)
class Picture(Block):
    """A picture as a data URI. A `wide` one keeps its size, and is moved sideways on a small screen."""

    kind = "picture"
    title: str
    uri: str
    alt: str
    wide: bool = False


@dataclass(frozen=True)
class Advice(Block):
    """What is found in a run: a title, the evidence, what to do, and the lines of the spec with their
    numbers. `good` if nothing is wrong."""

    kind = "advice"
    title: str
    evidence: str
    fix: str
    lines: Sequence[tuple[int, str]] = ()
    good: bool = False


@dataclass(frozen=True)
class PageSection:
    """A part of the page. `id` is that of its place."""

    id: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """The whole page: its title, a line below it, a state, and its sections."""

    title: str
    subtitle: str
    badges: Sequence[tuple[str, str]]  # a text and its tone: `good`, `warn` or empty
    sections: Sequence[PageSection]
    foot: str = ""


@dataclass
class Numbering:
    """Prefixes that make the ids of figures unique."""

    used: int = field(default=0)

    def next(self) -> str:
        self.used += 1
        return f"f{self.used}-"


# --- numbers of files that may hold anything --------------------------------------------------------------


def number_in(record: Mapping[str, Any], name: str) -> float | None:
    """A finite number of a record; None for anything else."""
    value = record.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if isfinite(value) else None
    except OverflowError:
        return None


def table_in(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A table of a record; an empty one for anything else."""
    value = record.get(name)
    return value if isinstance(value, dict) else {}


def spelled(value: float | None) -> str:
    """A figure in four decimals, or fewer if it is large; a dash for none."""
    if value is None or not isfinite(value):
        return "-"
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1000 else written(value, 4)


def percent(value: float | None) -> str:
    return "-" if value is None or not isfinite(value) else f"{100 * value:.1f}\u00a0%"
