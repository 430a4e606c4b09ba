"""Figures of matplotlib as SVG within the page: the same text for the same numbers, in the colours and the
font of the page."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
# The colours that matplotlib draws with, and the variables of the page that take their places.
INK, FAINT, GRID = "#0b0c0d", "#0b0c0e", "#0b0c0f"
SERIES = tuple(f"#0a0b{n:02x}" for n in range(0x10, 0x18))
COLOURS = {INK: "--ink", FAINT: "--faint", GRID: "--grid"} | {
    colour: f"--s{n}" for n, colour in enumerate(SERIES)
}
SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "dlc", "svg.fonttype": "none", "text.parse_math": False, "font.family": "DejaVu Sans",
    "font.size": 10, "axes.titlesize": 10, "axes.labelsize": 10, "xtick.labelsize": 9, "ytick.labelsize": 9,
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": GRID, "xtick.color": FAINT,
    "ytick.color": FAINT, "grid.color": GRID, "grid.linewidth": 0.6, "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False, "axes.spines.right": False, "lines.linewidth": 1.6, "axes.unicode_minus": False,
    "figure.facecolor": "none", "axes.facecolor": "none", "path.simplify": True,
}  # fmt: skip


@contextmanager
def drawing() -> Iterator[None]:
    """Draw with the settings of the page, whatever the user has set."""
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # of letters that the font of matplotlib lacks; the browser has others
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        yield


def text_of(figure: Figure, alt: str, prefix: str) -> str:
    """The SVG element of a figure. `alt` is what it shows, in words; `prefix` makes its ids unique."""
    file = StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Type": None, "Format": None})
    return element(file.getvalue(), alt, prefix)


def element(text: str, alt: str, prefix: str) -> str:
    """The SVG element of a file of matplotlib, to be part of an HTML page."""
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    root = ElementTree.fromstring(text)
    for child in [child for child in root if child.tag == f"{{{SVG}}}metadata"]:
        root.remove(child)
    for node in root.iter():
        restyle(node, prefix)
    for size in ("width", "height"):
        root.attrib.pop(size, None)
    root.set("role", "img")
    root.set("aria-label", alt)
    return ElementTree.tostring(root, encoding="unicode")


def restyle(node: ElementTree.Element, prefix: str) -> None:
    """Unique ids, the colours of the page, and its font."""
    for key, value in list(node.attrib.items()):
        if key == "id":
            node.set(key, f"{prefix}{value}")
        elif key == f"{{{XLINK}}}href" and value.startswith("#"):
            node.set(key, f"#{prefix}{value[1:]}")
        elif "url(#" in value:
            node.set(key, value.replace("url(#", f"url(#{prefix}"))
        if key in ("style", "fill", "stroke"):
            found = node.get(key, "")
            for colour, variable in COLOURS.items():
                found = found.replace(colour, f"var({variable})")
            node.set(key, found.replace("'DejaVu Sans'", "inherit"))
    if node.tag == f"{{{SVG}}}style":
        node.text = ""
