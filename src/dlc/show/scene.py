"""Sizes and positions of the parts of a picture, in the layout that is largest on a page."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from dlc.compiler.passes.cost import spell
from dlc.show.diagram import Box, DrawnFrame, DrawnPart, DrawnSign, Tag, depth_of, diagram
from dlc.show.layers import Item, LayoutEdge, TooLarge, arrange
from dlc.show.marks import Marks
from dlc.show.objectives import trained_parts
from dlc.show.u_shape import arrange_as_u, bottom_of, nested_skips, route

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dlc.compiler.ir.graph import Value
    from dlc.compiler.program import CompiledProgram

MARGIN = 24.0
TITLE, LINE, SMALL = 13.0, 12.0, 11.0  # font sizes
PADDING = 12.0
ROW = 17.0
FRAME_SIDE = 22.0
SIGN = 26.0
SPREAD = 16.0  # between edges that end in one item
LABELS = 14.0  # the height of the labels of edges, which are where they enter
PAGE = 794.0, 1123.0  # A4 in pixels of 1/96 inch
READABLE = 0.6  # the smallest scale at which small text can be read: 11 pixels become 5 points
MAX_DEPTH = 6  # of open blocks, unless `depth` says more

Point = tuple[float, float]
Flow = Literal["down", "right", "up"]  # the direction of the edges


@dataclass(eq=False)
class Drawn(Item):
    """A part with its size, the scene inside a frame, and the offsets from its center where edges enter and
    leave. In pictures that flow to the right, `width` and `x` are vertical, `height` and `y` horizontal."""

    part: DrawnPart | None = None
    inside: Scene | None = None
    enters: dict[Value, float] = field(default_factory=dict)
    leaves: dict[Value, float] = field(default_factory=dict)


@dataclass(eq=False)
class Scene:
    """Placed items and the edges between them. `routes` has the corners of each edge, if the layout gives
    them."""

    items: list[Drawn]
    lines: list[LayoutEdge]
    flow: Flow
    across: float
    along: float
    routes: list[list[Point]] = field(default_factory=list)

    @property
    def width(self) -> float:
        return self.along if self.flow == "right" else self.across

    @property
    def height(self) -> float:
        return self.across if self.flow == "right" else self.along

    def point(self, across: float, along: float) -> Point:
        """The position in the picture of a position in the layout, from the corner of the scene."""
        if self.flow == "right":
            return along, across
        return across, self.along - along if self.flow == "up" else along

    def corner(self, item: Item) -> Point:
        """The upper left corner of an item, from that of the scene."""
        x, y = self.point(item.x - item.width / 2, item.y)
        return x, y - item.height if self.flow == "up" else y

    @cached_property
    def layers(self) -> dict[int, LayerOfItems]:
        found: dict[int, list[Drawn]] = {}
        for item in self.items:
            found.setdefault(item.layer, []).append(item)
        return {number: LayerOfItems(items) for number, items in found.items()}

    def layer_beside(self, item: Item, x: float, to: float) -> LayerOfItems | None:
        """Its layer, if an edge meets other items of it between two positions across the layers."""
        layer = self.layers.get(item.layer)
        return layer if layer is not None and layer.meets(item, *sorted((x, to))) else None


class LayerOfItems:
    """The items of a layer, and where the first one starts and the last one ends along the edges."""

    def __init__(self, items: Sequence[Drawn]) -> None:
        self.items = sorted(items, key=lambda item: item.x)
        self.ends = [item.x + item.width / 2 for item in self.items]
        self.start = min(item.y for item in items)
        self.end = max(item.y + item.height for item in items)

    def meets(self, item: Item, low: float, high: float) -> bool:
        """Whether another item of the layer is between two positions across it."""
        first = bisect_right(self.ends, low + 1)
        between = (other for other in self.items[first : first + 2] if other is not item)
        return any(other.x - other.width / 2 < high - 1 for other in between)


# --- what fits on a page ----------------------------------------------------------------------------------


def fitting_depth(program: CompiledProgram) -> int:
    """The largest depth of open blocks with which the picture can be read on one page; 0 if there is none."""
    above = Marks(trained_parts(program)).height
    for depth in range(min(depth_of(program), MAX_DEPTH), 0, -1):
        try:
            if page_scale(best_scene(diagram(program, depth)), above) >= READABLE:
                return depth
        except TooLarge:
            continue
    return 0


def best_scene(parts: Sequence[DrawnPart]) -> Scene:
    """The scene as a U if the network is one; else down or to the right, whichever is larger on a page."""
    as_u = u_scene(parts)
    if as_u is not None:
        return as_u
    down = scene(parts, "down")
    if page_scale(down) >= 1:
        return down
    return max(down, scene(parts, "right"), key=page_scale)


def page_scale(found: Scene, above: float = 0) -> float:
    """The scale at which it fits on one A4 page, upright or sideways, below a legend of a height `above`; at
    most 1."""
    width, height = found.width + 2 * MARGIN, found.height + above + 5 * MARGIN  # with the title
    short, long = PAGE
    return min(1.0, max(min(short / width, long / height), min(long / width, short / height)))


# --- sizes and positions ----------------------------------------------------------------------------------


def scene(
    parts: Sequence[DrawnPart], flow: Flow, reads: Sequence[Value] = (), makes: Sequence[Value] = ()
) -> Scene:
    """Lay out parts. Values from outside enter at the start, and values that are read outside leave at the
    end."""
    entries = {value: Drawn(0.0, 0.0, leaves={value: 0.0}) for value in reads}
    exits = {value: Drawn(0.0, 0.0, enters={value: 0.0}) for value in makes}
    drawn = [sized(part, flow) for part in parts]
    makers = {v: (item, item.leaves[v]) for item in (*entries.values(), *drawn) for v in item.leaves}
    lines = edges(drawn, makers)
    lines += [LayoutEdge(makers[v][0], item, makers[v][1]) for v, item in exits.items()]
    edge = [*exits.values()] or [Drawn(0.0, 0.0) for _ in reads[:1]]  # a frame has a lower edge in any case
    items = [*entries.values(), *drawn, *edge]
    across, along = arrange(items, lines, top=[*entries.values()], bottom=edge)
    spread_ends(lines, flow)
    return Scene(items, lines, flow, across, along)


def edges(drawn: Sequence[Drawn], makers: Mapping[Value, tuple[Drawn, float]]) -> list[LayoutEdge]:
    return [
        LayoutEdge(
            makers[v][0], item, makers[v][1], item.enters.get(v, 0.0), label=item.part.labels.get(v, "")
        )
        for item in drawn
        if item.part
        for v in item.part.reads
    ]


def u_scene(parts: Sequence[DrawnPart]) -> Scene | None:
    """A chain with nested skip connections as a U; none if it is none."""
    drawn = [sized(part, "down") for part in parts]
    lines = edges(drawn, {v: (item, 0.0) for item in drawn for v in item.leaves})
    skips = nested_skips(drawn, lines)
    if not skips:
        return None
    bottom = bottom_of(skips)
    drawn[bottom:] = [sized(part, "up") for part in parts[bottom:]]
    if isinstance(parts[bottom], DrawnFrame):
        drawn[bottom] = sized(parts[bottom], "right")
        drawn[bottom].width, drawn[bottom].height = drawn[bottom].height, drawn[bottom].width
    lines = edges(drawn, {v: (item, 0.0) for item in drawn for v in item.leaves})
    across, along = arrange_as_u(drawn, skips)
    position = {item: n for n, item in enumerate(drawn)}
    return Scene(drawn, lines, "down", across, along, [route(line, position, bottom) for line in lines])


def sized(part: DrawnPart, flow: Flow) -> Drawn:
    if isinstance(part, DrawnFrame):
        return framed(part, flow)
    width, height = size_of(part)
    if part.labels and flow == "right":
        width, height = width + label_width(part) - PADDING, max(height, len(part.reads) * SPREAD + PADDING)
    elif part.labels:
        width, height = max(width, len(part.reads) * label_width(part)), height + LABELS
    item = Drawn(height, width, part=part) if flow == "right" else Drawn(width, height, part=part)
    item.leaves = dict.fromkeys(part.gives, 0.0)
    return item


def label_width(part: DrawnPart) -> float:
    """The room for the label of an edge."""
    return max(text_width(label, SMALL) for label in part.labels.values()) + PADDING


def size_of(part: DrawnPart) -> Point:
    if isinstance(part, DrawnSign):
        return SIGN, SIGN
    if isinstance(part, Box):
        widths = [
            text_width(part.calls[0], TITLE, bold=True),
            text_width(foot_of(part), SMALL),
            *(text_width(c, LINE) for c in part.calls[1:]),
        ]
        return max(90.0, *widths) + 2 * PADDING + badge(part), ROW * (len(part.calls) + 1) + PADDING
    assert isinstance(part, Tag)
    wide = text_width(part.name, TITLE, bold=True), text_width(part.type, SMALL)
    return max(*wide, 40.0) + 2 * PADDING + 8, 2 * ROW + 10


def framed(part: DrawnFrame, flow: Flow) -> Drawn:
    inside = scene(part.parts, flow, part.reads, part.makes)
    label = text_width(label_of(part), SMALL, bold=True) + 3 * PADDING
    across, along = inside.across + 2 * FRAME_SIDE, inside.along
    size = (across, max(along, label)) if flow == "right" else (max(across, label), along)
    item = Drawn(*size, part=part, inside=inside)
    by_value = {v: i for i in inside.items if i.part is None for v in (*i.enters, *i.leaves)}
    middle = inside.across / 2
    item.enters = {v: by_value[v].x - middle for v in part.reads}
    item.leaves = {
        outer: by_value[inner].x - middle for outer, inner in zip(part.gives, part.makes, strict=True)
    }
    return item


def spread_ends(lines: Sequence[LayoutEdge], flow: Flow) -> None:
    """Let the edges into one box end side by side, in the order of their x positions."""
    ends: dict[Drawn, list[LayoutEdge]] = {}
    for line in lines:
        if isinstance(line.target, Drawn) and line.target.inside is None:
            ends.setdefault(line.target, []).append(line)
    for item, arriving in ends.items():
        arriving.sort(key=last_x)
        step, middle = min(SPREAD, (item.width - 6) / len(arriving)), (len(arriving) - 1) / 2
        if item.part and item.part.labels:
            step = step if flow == "right" else label_width(item.part)
        else:
            middle = next((n for n, line in enumerate(arriving) if abs(last_x(line) - item.x) < 1), middle)
        for number, line in enumerate(arriving):
            line.target_x = (number - middle) * step


def last_x(line: LayoutEdge) -> float:
    """The x position from which an edge enters its target."""
    return line.lanes[-1].x if line.lanes else line.source.x + line.source_x


def foot_of(box: Box) -> str:
    """`float[64, 28, 28] · 9_408 parameters`."""
    count = box.parameters
    return box.shape if count == 0 else f"{box.shape} \u00b7 {spell(count)} parameters"


def label_of(frame: DrawnFrame) -> str:
    return f"{frame.name}  \u00d7 {frame.times}" if frame.times > 1 else frame.name


def badge(part: DrawnPart) -> float:
    return 30.0 if part.times > 1 else 0.0


def text_width(words: str, size: float, *, bold: bool = False) -> float:
    """An estimate of the width of a text, from the widths of a common sans-serif font, rounded up."""
    units = sum(
        0.35 if c in "ijl.,:;|'!() []" else 0.9 if c in "mwMW@=+" else 0.7 if c.isupper() else 0.61
        for c in words
    )
    return units * size * (1.12 if bold else 1.0)
