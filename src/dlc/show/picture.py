"""The network as an SVG picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from dlc.compiler.passes.cost import spell
from dlc.show.diagram import Box, DrawnFrame, DrawnPart, DrawnSign, Tag, diagram
from dlc.show.layers import Item, LayoutEdge, arrange

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.ir.graph import Value
    from dlc.compiler.program import CompiledProgram

MARGIN = 24.0
TITLE, LINE, SMALL = 13.0, 12.0, 11.0  # font sizes
PADDING = 12.0
ROW = 17.0
FRAME_SIDE = 18.0
SIGN = 26.0
MAX_TITLE = 110  # characters of the description
SPREAD = 16.0  # between edges that end in one item

# Fill and border of boxes, by the group of their operator.
BLUE, GREEN, SAND, ROSE, GREY = (
    ("#e3eefb", "#5b8fcc"),
    ("#e2f3e6", "#5ea66f"),
    ("#fbf1dc", "#cfa14a"),
    ("#fae6ea", "#cc7286"),
    ("#f4f5f7", "#8b95a3"),
)
FILLS = {
    "layers": BLUE, "convolution": BLUE, "fitted": ROSE,
    "normalization": SAND, "activations": SAND, "regularization": SAND,
    "pooling": GREEN, "shape": GREEN, "concat": GREEN, "indexing": GREEN,
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


@dataclass(eq=False)
class Drawn(Item):
    """A part with its size, the scene inside a frame, and the offsets from its center where edges enter and
    leave."""

    part: DrawnPart | None = None
    inside: Scene | None = None
    enters: dict[Value, float] = field(default_factory=dict)
    leaves: dict[Value, float] = field(default_factory=dict)


@dataclass(eq=False)
class Scene:
    """Placed items and the edges between them."""

    items: list[Drawn]
    lines: list[LayoutEdge]
    width: float
    height: float


def picture(program: CompiledProgram) -> str:
    """The text of the SVG file."""
    whole = scene(diagram(program))
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
    return words if len(words) <= MAX_TITLE else f"{words[: MAX_TITLE - 3]}..."


# --- sizes and positions ----------------------------------------------------------------------------------


def scene(parts: Sequence[DrawnPart], reads: Sequence[Value] = (), makes: Sequence[Value] = ()) -> Scene:
    """Lay out parts. Values from outside enter at the top, and values that are read outside leave at the
    bottom."""
    entries = {value: Drawn(0.0, 0.0, leaves={value: 0.0}) for value in reads}
    exits = {value: Drawn(0.0, 0.0, enters={value: 0.0}) for value in makes}
    drawn = [sized(part) for part in parts]
    makers = {v: (item, item.leaves[v]) for item in (*entries.values(), *drawn) for v in item.leaves}
    lines = [
        LayoutEdge(makers[v][0], item, makers[v][1], item.enters.get(v, 0.0))
        for item in drawn
        if item.part
        for v in item.part.reads
    ]
    lines += [LayoutEdge(makers[v][0], item, makers[v][1]) for v, item in exits.items()]
    items = [*entries.values(), *drawn, *exits.values()]
    width, height = arrange(items, lines, top=[*entries.values()], bottom=[*exits.values()])
    spread_ends(lines)
    return Scene(items, lines, width, height)


def sized(part: DrawnPart) -> Drawn:
    if isinstance(part, DrawnFrame):
        return framed(part)
    if isinstance(part, DrawnSign):
        item = Drawn(SIGN, SIGN, part=part)
    elif isinstance(part, Box):
        foot = text_width(foot_of(part), SMALL)
        widths = [
            text_width(part.calls[0], TITLE, bold=True),
            foot,
            *(text_width(c, LINE) for c in part.calls[1:]),
        ]
        item = Drawn(
            max(90.0, *widths) + 2 * PADDING + badge(part), ROW * (len(part.calls) + 1) + PADDING, part=part
        )
    else:
        assert isinstance(part, Tag)
        wide = text_width(part.name, TITLE, bold=True), text_width(part.type, SMALL)
        item = Drawn(max(*wide, 40.0) + 2 * PADDING + 8, 2 * ROW + 10, part=part)
    item.leaves = dict.fromkeys(part.gives, 0.0)
    return item


def framed(part: DrawnFrame) -> Drawn:
    inside = scene(part.parts, part.reads, part.makes)
    wide = max(inside.width + 2 * FRAME_SIDE, text_width(label_of(part), SMALL, bold=True) + 3 * PADDING)
    item = Drawn(wide, inside.height, part=part, inside=inside)
    by_value = {v: i for i in inside.items if i.part is None for v in (*i.enters, *i.leaves)}
    middle = inside.width / 2
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
    shapes = [curve(line, left, top) for line in scene.lines]
    for item in scene.items:
        if item.part is not None:
            shapes += draw_item(item, left + item.x, top + item.y)
    return shapes


def draw_item(item: Drawn, x: float, y: float) -> list[str]:
    part, left = item.part, x - item.width / 2
    if isinstance(part, DrawnFrame):
        assert item.inside is not None
        shapes = [rectangle(left, y, item.width, item.height, 10, 'class="frame"')]
        shapes.append(text(left + 10, y + 16, label_of(part), "small", 'font-weight="600"'))
        return shapes + draw(item.inside, x - item.inside.width / 2, y)
    if isinstance(part, DrawnSign):
        middle = y + SIGN / 2
        place = f'cx="{x:.1f}" cy="{middle:.1f}" r="{SIGN / 2:.1f}"'
        return [
            f'<circle {place} fill="#ffffff" stroke="{EDGE}" stroke-width="1.4"/>',
            text(x, middle + 5, part.sign, "title", 'text-anchor="middle" style="font-size: 15px"'),
        ]
    if isinstance(part, Tag):
        dashed = ' stroke-dasharray="4 3"' if part.kind in ("weight", "target") else ""
        fill = "#1d2733" if part.kind == "output" else "#ffffff"
        ink = ' style="fill: #ffffff"' if part.kind == "output" else ""
        return [
            rectangle(
                left, y, item.width, item.height, item.height / 2, f'fill="{fill}" stroke="{INK}"{dashed}'
            ),
            text(x, y + 19, part.name, "title", f'text-anchor="middle"{ink}'),
            text(
                x,
                y + 35,
                part.type,
                "small",
                'text-anchor="middle"' + (' style="fill: #c9d1da"' if ink else ""),
            ),
        ]
    assert isinstance(part, Box)
    return draw_box(part, item, left, y)


def draw_box(part: Box, item: Drawn, left: float, y: float) -> list[str]:
    fill, border = FILLS.get(part.kind, GREY)
    shapes = [rectangle(left, y, item.width, item.height, 6, f'fill="{fill}" stroke="{border}"')]
    row = y + PADDING / 2 + 13
    for number, call in enumerate(part.calls):
        shapes.append(text(left + PADDING, row, call, "line" if number else "title"))
        row += ROW
    shapes.append(text(left + PADDING, row, foot_of(part), "small"))
    if part.times > 1:
        shapes.append(
            text(left + item.width - 10, y + 19, f"\u00d7 {part.times}", "title", 'text-anchor="end"')
        )
    return shapes


def curve(line: LayoutEdge, left: float, top: float) -> str:
    """The path of an edge: curved between layers, straight within a layer."""
    x, y = left + line.source.x + line.source_x, top + line.source.y + line.source.height
    path = [f"M{x:.1f},{y:.1f}"]
    for stop in (*line.lanes, line.target):
        at = left + stop.x + (line.target_x if stop is line.target else 0.0)
        start = top + stop.y + (dip(line) if stop is line.target else 0.0)
        middle = (y + start) / 2
        path.append(
            f"C{x:.1f},{middle:.1f} {at:.1f},{middle:.1f} {at:.1f},{start:.1f}"
            if abs(at - x) > 0.05
            else f"V{start:.1f}"
        )
        x, y = at, start
        if stop is not line.target and stop.height:
            y += stop.height
            path.append(f"V{y:.1f}")
    ends = line.target.height > 0 and not (isinstance(line.target, Drawn) and line.target.inside)
    head = ' marker-end="url(#arrow)"' if ends else ""
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
