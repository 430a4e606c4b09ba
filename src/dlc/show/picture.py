"""The network as an SVG picture."""

from __future__ import annotations

import re
from html import escape
from textwrap import shorten
from typing import TYPE_CHECKING

from dlc.show.diagram import Box, DrawnFrame, DrawnSign, Tag, diagram
from dlc.show.marks import LEGEND_ROW, RADIUS, Marks, color_of
from dlc.show.objectives import trained_parts
from dlc.show.scene import (
    LABELS,
    LINE,
    MARGIN,
    PADDING,
    ROW,
    SIGN,
    SMALL,
    TITLE,
    Drawn,
    best_scene,
    fitting_depth,
    foot_of,
    label_of,
    label_width,
    text_width,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.program import CompiledProgram
    from dlc.show.diagram import DrawnPart
    from dlc.show.layers import LayoutEdge
    from dlc.show.scene import Flow, Point, Scene

MAX_TITLE = 110  # characters of the description

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


def picture(program: CompiledProgram, depth: int | None = None) -> str:
    """The text of the SVG file. Blocks within `depth` others are closed; by default, as many as needed for a
    picture that can be read on one page."""
    depth = fitting_depth(program) if depth is None else depth
    return svg(program, best_scene(diagram(program, depth)))


def svg(program: CompiledProgram, whole: Scene) -> str:
    title, marks = first_sentence(program.description), Marks(trained_parts(program))
    widths = [whole.width, text_width(program.name, 18.0), text_width(title, LINE), *legend_widths(marks)]
    width = max(widths) + 2 * MARGIN
    top = 2 * MARGIN + 22 + (20 if title else 0)
    left = (width - whole.width) / 2
    shapes = [text(MARGIN, MARGIN + 16, program.name, "title", 'style="font-size: 18px"')]
    shapes += [text(MARGIN, MARGIN + 38, title, "small", 'style="font-size: 12px"')] if title else []
    shapes += legend(marks, top - MARGIN / 2)
    top += marks.height
    shapes += draw(whole, marks, left, top)
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
    end = re.search(r"(?<!\bal)\. ", words)  # not the end of "et al."
    words = words[: end.start() + 1] if end else words
    return shorten(words, MAX_TITLE, placeholder=" ...")


# --- steps and phases -------------------------------------------------------------------------------------


def legend_widths(marks: Marks) -> list[float]:
    return [2 * RADIUS + 8 + text_width(f"{title} {words}", LINE, bold=True) for title, words in marks.legend]


def legend(marks: Marks, top: float) -> list[str]:
    """A line for each step and phase: its mark, and what it trains."""
    shapes = []
    for number, (title, words) in enumerate(marks.legend):
        y = top + LEGEND_ROW * number + RADIUS
        shapes += mark(number, MARGIN + RADIUS, y)
        named = f'<tspan font-weight="600">{escape(plain(title))}</tspan> {escape(plain(words))}'
        shapes.append(f'<text x="{MARGIN + 2 * RADIUS + 8:.1f}" y="{y + 4:.1f}" class="line">{named}</text>')
    return shapes


def mark(number: int, x: float, y: float) -> list[str]:
    """The number of a step or phase in a circle of its color."""
    place = f'cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}"'
    style = 'text-anchor="middle" style="fill: #ffffff" font-weight="600"'
    return [
        f'<circle {place} fill="{color_of(number)}" stroke="#ffffff" stroke-width="1.5"/>',
        text(x, y + 4, str(number + 1), "small", style),
    ]


def marked(part: DrawnPart, marks: Marks, right: float, y: float) -> list[str]:
    """The marks of a part, on its upper edge, the last one at its right."""
    shapes = []
    for place, number in enumerate(reversed(marks.of(part))):
        shapes += mark(number, right - RADIUS - (2 * RADIUS + 2) * place, y - 2)
    return shapes


# --- drawing ----------------------------------------------------------------------------------------------


def draw(scene: Scene, marks: Marks, left: float, top: float) -> list[str]:
    """Draw the edges first, then the items over them."""
    if scene.routes:
        routes = zip(scene.lines, scene.routes, strict=True)
        shapes = [polyline(corners, left, top, arrow=ends_in_arrow(line)) for line, corners in routes]
    else:
        shapes = [curve(line, scene, left, top) for line in scene.lines]
    for item in scene.items:
        if item.part is not None:
            x, y = scene.corner(item)
            shapes += draw_item(item, scene.flow, marks, left + x, top + y)
            drawn = item.height if scene.flow == "right" else item.width
            shapes += marked(item.part, marks, left + x + drawn, top + y)
    return shapes + [label(line, scene, left, top) for line in scene.lines if line.label]


def label(line: LayoutEdge, scene: Scene, left: float, top: float) -> str:
    """The label of an edge, where it enters a box."""
    x, y = scene.point(line.target.x + line.target_x, line.target.y)
    if scene.flow == "right":
        return text(left + x + 6, top + y + 4, line.label, "small")
    return text(left + x, top + y + (13 if scene.flow == "down" else -5), line.label, "small",
                'text-anchor="middle"')  # fmt: skip


def draw_item(item: Drawn, flow: Flow, marks: Marks, left: float, y: float) -> list[str]:
    part = item.part
    width, height = (item.height, item.width) if flow == "right" else (item.width, item.height)
    x = left + width / 2
    if isinstance(part, DrawnFrame):
        assert item.inside is not None
        shapes = [rectangle(left, y, width, height, 10, 'class="frame"')]
        shapes.append(text(left + 10, y + 16, label_of(part), "small", 'font-weight="600"'))
        inside = item.inside
        return shapes + draw(
            inside, marks.within(part), x - inside.width / 2, y + (height - inside.height) / 2
        )
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
    return draw_box(part, flow, left, y, width, height)


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


def draw_box(part: Box, flow: Flow, left: float, y: float, width: float, height: float) -> list[str]:
    fill, border = FILLS.get(part.kind, GREY)
    shapes = [rectangle(left, y, width, height, 6, f'fill="{fill}" stroke="{border}"')]
    start = left + (label_width(part) if part.labels and flow == "right" else PADDING)
    row = y + PADDING / 2 + 13 + (LABELS if part.labels and flow == "down" else 0)
    for number, call in enumerate(part.calls):
        shapes.append(text(start, row, call, "line" if number else "title"))
        row += ROW
    shapes.append(text(start, row, foot_of(part), "small"))
    if part.times > 1:
        shapes.append(text(left + width - 10, y + 19, f"\u00d7 {part.times}", "title", 'text-anchor="end"'))
    return shapes


def curve(line: LayoutEdge, scene: Scene, left: float, top: float) -> str:
    """The path of an edge: curved between layers, straight within a layer and beside items that it would
    meet."""

    def at(across: float, along: float) -> str:
        x, y = scene.point(across, along)
        return f"{left + x:.1f},{top + y:.1f}"

    x, y = line.source.x + line.source_x, line.source.y + line.source.height
    path = [f"M{at(x, y)}"]
    to = line.lanes[0].x if line.lanes else line.target.x + line.target_x
    layer = scene.layer_beside(line.source, x, to)
    if layer is not None and layer.end > y:  # straight on, past the items beside the source
        path.append(f"L{at(x, layer.end)}")
        y = layer.end
    for stop in (*line.lanes, line.target):
        to = stop.x + (line.target_x if stop is line.target else 0.0)
        start = stop.y + (dip(line) if stop is line.target else 0.0)
        layer = scene.layer_beside(stop, x, to) if stop is line.target else None
        bend = min(start, layer.start) if layer is not None else start
        middle = (y + bend) / 2
        bent = f"C{at(x, middle)} {at(to, middle)} {at(to, bend)}"
        path.append(bent if abs(to - x) > 0.05 else f"L{at(to, bend)}")
        if bend < start:
            path.append(f"L{at(to, start)}")
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
