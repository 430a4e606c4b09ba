"""The network as an SVG picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from textwrap import shorten
from typing import TYPE_CHECKING, Literal

from dlc.compiler.passes.cost import spell
from dlc.show.diagram import Box, DrawnFrame, DrawnPart, DrawnSign, Tag, depth_of, diagram
from dlc.show.layers import Item, LayoutEdge, TooLarge, arrange
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
MAX_TITLE = 110  # characters of the description
SPREAD = 16.0  # between edges that end in one item
PAGE = 794.0, 1123.0  # A4 in pixels of 1/96 inch
READABLE = 0.6  # the smallest scale at which small text can be read: 11 pixels become 5 points
MAX_DEPTH = 6  # of open blocks, unless `depth` says more

Point = tuple[float, float]

# Fill and border of boxes, by the group of their operator.
BLUE, GREEN, SAND, ROSE, GREY, BLOCK = (
    ("#e3eefb", "#5b8fcc"),
    ("#e2f3e6", "#5ea66f"),
    ("#fbf1dc", "#cfa14a"),
    ("#fae6ea", "#cc7286"),
    ("#f4f5f7", "#8b95a3"),
    ("#eae8f7", "#8578c2"),
)
FILLS = {
    "layers": BLUE, "convolution": BLUE, "fitted": ROSE,
    "normalization": SAND, "activations": SAND, "regularization": SAND,
    "block": BLOCK, "pooling": GREEN, "shape": GREEN, "concat": GREEN, "indexing": GREEN,
}  # fmt: skip
INK, FAINT, EDGE = "#1d2733", "#5c6773", "#7a8694"

FONTS = (
    "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', Helvetica, Arial, sans-serif"
)
STYLE = f"""
  text {{ font-family: {FONTS}; fill: {INK}; }}
  .title {{ font-size: {TITLE}px; font-weight: 600; }}
  .line {{ font-size: {LINE}px; }}
  .small {{ font-size: {SMALL}px; fill: {FAINT}; }}
  .frame {{ fill: #26364d; fill-opacity: 0.035; stroke: #b9c3cf; }}
  .edge {{ fill: none; stroke: {EDGE}; stroke-width: 1.4; }}
"""


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


def picture(program: CompiledProgram, depth: int | None = None) -> str:
    """The text of the SVG file. Blocks within `depth` others are closed; by default, as many as needed for a
    picture that can be read on one page."""
    depth = fitting_depth(program) if depth is None else depth
    return svg(program, best_scene(diagram(program, depth)))


def svg(program: CompiledProgram, whole: Scene) -> str:
    title = first_sentence(program.description)
    width = max(whole.width, text_width(program.name, 18.0), text_width(title, LINE)) + 2 * MARGIN
    top = 2 * MARGIN + 22 + (20 if title else 0)
    left = (width - whole.width) / 2
    shapes = [text(MARGIN, MARGIN + 16, program.name, "title", 'style="font-size: 18px"')]
    shapes += [text(MARGIN, MARGIN + 38, title, "small", 'style="font-size: 12px"')] if title else []
    shapes += draw(whole, left, top)
    height = top + whole.height + MARGIN
    arrow = (
        '<marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto">'
        f'<path d="M0,0.8 L7.5,4 L0,7.2 z" fill="{EDGE}"/></marker>'
    )
    size = f'width="{width:.0f}" height="{height:.0f}"'
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width:.0f} {height:.0f}" role="img">',
        f"<title>{escape(program.name)}</title>", f"<style>{STYLE}</style>", f"<defs>{arrow}</defs>",
        f'<rect {size} fill="#ffffff"/>', *shapes, "</svg>", "",
    ])  # fmt: skip


def first_sentence(description: str) -> str:
    words = " ".join(description.split())
    end = words.find(". ")
    words = words if end < 0 else words[: end + 1]
    return shorten(words, MAX_TITLE, placeholder=" ...")


# --- what fits on a page ----------------------------------------------------------------------------------


def fitting_depth(program: CompiledProgram) -> int:
    """The largest depth of open blocks with which the picture can be read on one page; 0 if there is none."""
    for depth in range(min(depth_of(program), MAX_DEPTH), 0, -1):
        try:
            if page_scale(best_scene(diagram(program, depth))) >= READABLE:
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


def page_scale(found: Scene) -> float:
    """The scale at which it fits on one A4 page, upright or sideways; at most 1."""
    width, height = found.width + 2 * MARGIN, found.height + 4 * MARGIN
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
    items = [*entries.values(), *drawn, *exits.values()]
    across, along = arrange(items, lines, top=[*entries.values()], bottom=[*exits.values()])
    spread_ends(lines)
    return Scene(items, lines, flow, across, along)


def edges(drawn: Sequence[Drawn], makers: Mapping[Value, tuple[Drawn, float]]) -> list[LayoutEdge]:
    return [
        LayoutEdge(makers[v][0], item, makers[v][1], item.enters.get(v, 0.0))
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
    item = Drawn(height, width, part=part) if flow == "right" else Drawn(width, height, part=part)
    item.leaves = dict.fromkeys(part.gives, 0.0)
    return item


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


def spread_ends(lines: Sequence[LayoutEdge]) -> None:
    """Let the edges into one box end side by side, in the order of their x positions."""
    ends: dict[Item, list[LayoutEdge]] = {}
    for line in lines:
        if isinstance(line.target, Drawn) and line.target.inside is None:
            ends.setdefault(line.target, []).append(line)
    for item, arriving in ends.items():
        arriving.sort(key=last_x)
        step = min(SPREAD, (item.width - 6) / len(arriving))
        middle = next(
            (n for n, line in enumerate(arriving) if abs(last_x(line) - item.x) < 1), (len(arriving) - 1) / 2
        )
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


# --- drawing ----------------------------------------------------------------------------------------------


def draw(scene: Scene, left: float, top: float) -> list[str]:
    """Draw the edges first, then the items over them."""
    if scene.routes:
        routes = zip(scene.lines, scene.routes, strict=True)
        shapes = [polyline(corners, left, top, arrow=ends_in_arrow(line)) for line, corners in routes]
    else:
        shapes = [curve(line, scene, left, top) for line in scene.lines]
    for item in scene.items:
        if item.part is not None:
            x, y = scene.corner(item)
            shapes += draw_item(item, scene.flow, left + x, top + y)
    return shapes


def draw_item(item: Drawn, flow: Flow, left: float, y: float) -> list[str]:
    part = item.part
    width, height = (item.height, item.width) if flow == "right" else (item.width, item.height)
    x = left + width / 2
    if isinstance(part, DrawnFrame):
        assert item.inside is not None
        shapes = [rectangle(left, y, width, height, 10, 'class="frame"')]
        shapes.append(text(left + 10, y + 16, label_of(part), "small", 'font-weight="600"'))
        inside = item.inside
        return shapes + draw(inside, x - inside.width / 2, y + (height - inside.height) / 2)
    if isinstance(part, DrawnSign):
        middle = y + SIGN / 2
        place = f'cx="{x:.1f}" cy="{middle:.1f}" r="{SIGN / 2:.1f}"'
        return [
            f'<circle {place} fill="#ffffff" stroke="{EDGE}" stroke-width="1.4"/>',
            text(x, middle + 5, part.sign, "title", 'text-anchor="middle" style="font-size: 15px"'),
        ]
    if isinstance(part, Tag):
        return draw_tag(part, left, y, width, height)
    assert isinstance(part, Box)
    return draw_box(part, left, y, width, height)


def draw_tag(part: Tag, left: float, y: float, width: float, height: float) -> list[str]:
    dashed = ' stroke-dasharray="4 3"' if part.kind in ("weight", "target") else ""
    dark = part.kind == "output"
    fill, ink, faint = (
        ("#1d2733", ' style="fill: #ffffff"', ' style="fill: #c9d1da"') if dark else ("#ffffff", "", "")
    )
    x = left + width / 2
    return [
        rectangle(left, y, width, height, height / 2, f'fill="{fill}" stroke="{INK}"{dashed}'),
        text(x, y + 19, part.name, "title", f'text-anchor="middle"{ink}'),
        text(x, y + 35, part.type, "small", f'text-anchor="middle"{faint}'),
    ]


def draw_box(part: Box, left: float, y: float, width: float, height: float) -> list[str]:
    fill, border = FILLS.get(part.kind, GREY)
    shapes = [rectangle(left, y, width, height, 6, f'fill="{fill}" stroke="{border}"')]
    row = y + PADDING / 2 + 13
    for number, call in enumerate(part.calls):
        shapes.append(text(left + PADDING, row, call, "line" if number else "title"))
        row += ROW
    shapes.append(text(left + PADDING, row, foot_of(part), "small"))
    if part.times > 1:
        shapes.append(text(left + width - 10, y + 19, f"\u00d7 {part.times}", "title", 'text-anchor="end"'))
    return shapes


def curve(line: LayoutEdge, scene: Scene, left: float, top: float) -> str:
    """The path of an edge: curved between layers, straight within a layer."""

    def at(across: float, along: float) -> str:
        x, y = scene.point(across, along)
        return f"{left + x:.1f},{top + y:.1f}"

    x, y = line.source.x + line.source_x, line.source.y + line.source.height
    path = [f"M{at(x, y)}"]
    for stop in (*line.lanes, line.target):
        to = stop.x + (line.target_x if stop is line.target else 0.0)
        start = stop.y + (dip(line) if stop is line.target else 0.0)
        middle = (y + start) / 2
        bent = f"C{at(x, middle)} {at(to, middle)} {at(to, start)}"
        path.append(bent if abs(to - x) > 0.05 else f"L{at(to, start)}")
        x, y = to, start
        if stop is not line.target and stop.height:
            y += stop.height
            path.append(f"L{at(x, y)}")
    return edge(path, arrow=ends_in_arrow(line))


def ends_in_arrow(line: LayoutEdge) -> bool:
    """Whether it ends at a box: edges into frames go on inside."""
    return line.target.height > 0 and not (isinstance(line.target, Drawn) and line.target.inside)


def polyline(corners: Sequence[Point], left: float, top: float, *, arrow: bool) -> str:
    """The path of an edge with rounded corners."""
    points = [(left + x, top + y) for x, y in corners]
    path = ["M{:.1f},{:.1f}".format(*points[0])]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        start, end = towards(corner, before), towards(corner, after)
        path.append("L{:.1f},{:.1f} Q{:.1f},{:.1f} {:.1f},{:.1f}".format(*start, *corner, *end))
    path.append("L{:.1f},{:.1f}".format(*points[-1]))
    return edge(path, arrow=arrow)


def towards(corner: Point, other: Point) -> Point:
    """The point at the distance of a rounded corner."""
    (x, y), (to_x, to_y) = corner, other
    length = max(abs(to_x - x) + abs(to_y - y), 1e-9)
    share = min(10.0, length / 2) / length
    return x + (to_x - x) * share, y + (to_y - y) * share


def edge(path: Sequence[str], *, arrow: bool) -> str:
    head = ' marker-end="url(#arrow)"' if arrow else ""
    return f'<path class="edge" d="{" ".join(path)}"{head}/>'


def dip(line: LayoutEdge) -> float:
    """The extra length of an edge that ends at a circle, away from its top."""
    if isinstance(line.target, Drawn) and isinstance(line.target.part, DrawnSign):
        return SIGN / 2 - max((SIGN / 2) ** 2 - line.target_x**2, 0.0) ** 0.5
    return 0.0


def rectangle(x: float, y: float, width: float, height: float, radius: float, style: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{radius:.0f}" {style}/>'
    )


def text(x: float, y: float, words: str, kind: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" {more}>{escape(plain(words))}</text>'.replace(
        " >", ">"
    )


def plain(words: str) -> str:
    """The text without control characters, which XML forbids."""
    return words if words.isprintable() else "".join(c for c in words if c.isprintable())


def text_width(words: str, size: float, *, bold: bool = False) -> float:
    """An estimate of the width of a text, from the widths of a common sans-serif font, rounded up."""
    units = sum(
        0.35 if c in "ijl.,:;|'!() []" else 0.9 if c in "mwMW@=+" else 0.7 if c.isupper() else 0.61
        for c in words
    )
    return units * size * (1.12 if bold else 1.0)
