"""`dlc show --svg`: boxes do not overlap, edges lead on, it fits a page, and the XML is valid."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shipped import compiled
from stories import dlc, write

from dlc.show import scene as layout
from dlc.show.diagram import Box, DrawnFrame, DrawnSign, Tag, diagram
from dlc.show.layers import Item, LayoutEdge, arrange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SPECS = sorted((Path(__file__).parents[2] / "specs").glob("*.dl"))
SLOW = (
    "deep_boltzmann_machine", "diffusion", "efficientnet_b0", "googlenet", "regnet_y_400mf", "resnext50",
    "swin",
)  # fmt: skip
# many operators that are in no block, or in the same one
LARGE = ("activations", "beta_vae", "deep_boltzmann_machine", "diffusion", "real_nvp")
TOO_LARGE = ("deep_boltzmann_machine",)  # to be drawn with all blocks open
SVG = "{http://www.w3.org/2000/svg}"


OF_SPECS = [pytest.param(s, marks=pytest.mark.slow) if s.stem in SLOW else s for s in SPECS]


def parts_of(spec: Path, depth: int | None = None) -> list:
    return diagram(compiled(spec), depth)


def size_of(path: Path) -> tuple[float, float]:
    root = ElementTree.parse(path).getroot()
    return float(root.get("width", 0)), float(root.get("height", 0))


def scenes(scene: layout.Scene) -> Iterator[layout.Scene]:
    yield scene
    for item in scene.items:
        if item.inside:
            yield from scenes(item.inside)


def overlap(a: Item, b: Item) -> bool:
    across = abs(a.x - b.x) < (a.width + b.width) / 2 - 1e-6
    return across and a.y < b.y + b.height - 1e-6 and b.y < a.y + a.height - 1e-6


@pytest.fixture(scope="module")
def picture_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """A function that draws the picture of a spec, once."""
    folder = tmp_path_factory.mktemp("pictures")

    @cache
    def draw(spec: Path) -> Path:
        path = folder / f"{spec.stem}.svg"
        done = dlc("show", spec, "--svg", path)
        assert done.exit_code == 0 and done.output.startswith(f"wrote {path}")
        return path

    return draw


@pytest.mark.parametrize("spec", OF_SPECS, ids=lambda p: p.stem)
def test_every_spec_has_a_picture(spec: Path, picture_of: Callable[[Path], Path]) -> None:
    root = ElementTree.parse(picture_of(spec)).getroot()
    words = {text.text for text in root.iter(f"{SVG}text")}
    program = compiled(spec)
    assert {i.name for i in program.inputs} | {o.name for o in program.outputs} | {program.name} <= words
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for box in root.iter(f"{SVG}rect"):
        assert 0 <= float(box.get("x", 0)) <= float(box.get("x", 0)) + float(box.get("width", 0)) <= width
        assert 0 <= float(box.get("y", 0)) <= float(box.get("y", 0)) + float(box.get("height", 0)) <= height


@pytest.mark.slow
@pytest.mark.parametrize("spec", OF_SPECS, ids=lambda p: p.stem)
def test_nothing_overlaps(spec: Path) -> None:
    program = compiled(spec)
    found = [layout.best_scene(diagram(program, layout.fitting_depth(program)))]
    if spec.stem not in TOO_LARGE:
        parts = diagram(program)
        made = layout.scene(parts, "down"), layout.scene(parts, "right"), layout.u_scene(parts)
        found += [scene for scene in made if scene is not None]  # the best one is among them
    for scene in (inner for each in found for inner in scenes(each)):
        drawn = [item for item in scene.items if item.part is not None]
        assert not [(a, b) for n, a in enumerate(drawn) for b in drawn[:n] if overlap(a, b)]


@pytest.mark.parametrize("spec", [s for s in SPECS if s.stem not in LARGE], ids=lambda p: p.stem)
def test_a_picture_can_be_read_on_one_page(spec: Path, picture_of: Callable[[Path], Path]) -> None:
    """The small text has at least five points on A4: 11 pixels of 1/96 inch, reduced to 0.6."""
    short, long = sorted(size_of(picture_of(spec)))
    assert short * 0.6 <= 794 and long * 0.6 <= 1123


def test_a_chain_stands_in_one_column() -> None:
    scene = layout.scene(parts_of(next(s for s in SPECS if s.stem == "lenet")), "down")
    assert max(item.x for item in scene.items) - min(item.x for item in scene.items) < 1e-6


def test_many_inputs_flow_to_the_right(tmp_path: Path) -> None:
    names = ", ".join(f"measurement_{n}" for n in range(12))
    text = f"input {names}: float[3] as all\noutput y: float\n"
    spec = write(tmp_path, "x.dl", text + "all -> each(dense(4)) -> concat -> dense(1) -> y\n")
    assert layout.best_scene(parts_of(spec)).flow == "right"
    assert dlc("show", spec, "--svg", tmp_path / "x.svg").exit_code == 0
    root = ElementTree.parse(tmp_path / "x.svg").getroot()
    places = {text.text: float(text.get("x", 0)) for text in root.iter(f"{SVG}text")}
    assert places["measurement_0"] == places["measurement_11"] < places["concat"] < places["dense(1)"]


@pytest.mark.parametrize("name", ["unet", "segmentation"])
def test_a_u_net_is_a_u(name: str) -> None:
    """Down on the left, up on the right, and both ends of a skip connection at the same height."""
    program = compiled(next(s for s in SPECS if s.stem == name))
    scene = layout.best_scene(diagram(program, layout.fitting_depth(program)))
    items, levels = scene.items, {"unet": 4, "segmentation": 2}[name]
    middles = [item.y + item.height / 2 for item in items]
    bottom = max(range(len(items)), key=lambda n: middles[n])
    assert middles[: bottom + 1] == sorted(middles[: bottom + 1])
    assert middles[bottom:] == sorted(middles[bottom:], reverse=True)
    assert max(i.x for i in items[:bottom]) < items[bottom].x < min(i.x for i in items[bottom + 1 :])
    position: dict[Item, int] = {item: n for n, item in enumerate(items)}
    skips = [line for line in scene.lines if position[line.target] - position[line.source] > 1]
    assert len(skips) == levels
    for line in skips:
        middle = line.source.y + line.source.height / 2
        assert middle == pytest.approx(line.target.y + line.target.height / 2)


def test_crossed_skip_connections_are_no_u(tmp_path: Path) -> None:
    text = """input x: float[8]
output y: float[8]
a = x -> dense(8)
b = a -> dense(8)
c = (b -> dense(8)) + a
(c -> dense(8)) + b -> y
"""
    assert layout.u_scene(parts_of(write(tmp_path, "x.dl", text))) is None


def test_blocks_within_a_depth_are_one_box(tmp_path: Path) -> None:
    text = """input x: float[8]
output y: float
block unit(x) { return x -> dense(8) -> relu }
block pair(x) { return x -> unit -> dense(4) -> dense(8) }
x -> pair -> repeat(2, unit) -> dense(1) -> y
"""
    spec = write(tmp_path, "x.dl", text)
    shown = {
        depth: [
            (type(p).__name__, p.times, p.calls[0] if isinstance(p, Box) else "")
            for p in parts_of(spec, depth)
            if not isinstance(p, Tag)
        ]
        for depth in (0, 1, None)
    }
    last = ("Box", 1, "dense(1)")
    assert shown[0] == [("ClosedBlock", 1, "pair"), ("ClosedBlock", 2, "unit"), last]
    assert shown[1] == shown[None] == [("DrawnFrame", 1, ""), ("DrawnFrame", 2, ""), last]
    assert dlc("show", spec, "--svg", tmp_path / "x.svg", "--depth", 0).exit_code == 0
    words = (tmp_path / "x.svg").read_text("utf-8")
    assert "float[8] \u00b7 148 parameters" in words and "dense(4)" not in words


def test_what_is_closed_is_reported(tmp_path: Path) -> None:
    spec = next(s for s in SPECS if s.stem == "resnet18")
    path = tmp_path / "net.svg"
    closed = "; blocks are one box each from depth 1, `--depth` opens them"
    assert dlc("show", spec, "--svg", path).output == f"wrote {path}{closed}\n"
    assert dlc("show", spec, "--svg", path, "--depth", "9").output == f"wrote {path}\n"
    assert size_of(path)[1] > 3000
    assert dlc("show", spec, "--depth", "9").stderr.startswith("error: `--depth` is for a picture")


def test_a_block_that_calls_itself_has_no_frame() -> None:
    frames = [p for p in parts_of(next(s for s in SPECS if s.stem == "unet")) if isinstance(p, DrawnFrame)]
    assert {part.name.partition("_")[0] for part in frames} == {"double"} and len(frames) == 9


def test_operators_that_keep_the_shape_are_in_the_box_before_them(tmp_path: Path) -> None:
    text = "input x: float[4]\noutput y: float\nx / 2 -> dense(8) -> relu -> dropout(0.5) -> dense(1) -> y\n"
    found = parts_of(write(tmp_path, "x.dl", text))
    assert [part.calls for part in found if isinstance(part, Box)] == [
        ["\u00f7 2"],
        ["dense(8)", "relu", "dropout(0.5)"],
        ["dense(1)"],
    ]


def test_equal_neighbours_are_drawn_once(tmp_path: Path) -> None:
    text = """input x: float[8]
output y: float
block basic(x) { return x -> residual(dense(8) -> relu) }
x -> repeat(5, basic) -> repeat(3, dense(8) -> tanh) -> dense(1) -> y
"""
    frames = [part for part in parts_of(write(tmp_path, "x.dl", text)) if isinstance(part, (DrawnFrame, Box))]
    shown = [(type(part).__name__, part.times) for part in frames]
    assert shown == [("DrawnFrame", 5), ("Box", 3), ("Box", 1)]
    assert dlc("show", tmp_path / "x.dl", "--svg", tmp_path / "x.svg").exit_code == 0
    assert "basic  \u00d7 5" in (tmp_path / "x.svg").read_text("utf-8")


def test_a_neighbour_that_others_read_is_drawn_by_itself(tmp_path: Path) -> None:
    text = "input x: float[8]\noutput y: float[8]\na = x -> dense(8)\nb = a -> dense(8)\na + b -> y\n"
    found = parts_of(write(tmp_path, "x.dl", text))
    assert [part.times for part in found if isinstance(part, Box)] == [1, 1]
    assert [part.sign for part in found if isinstance(part, DrawnSign)] == ["+"]


def test_a_declared_weight_that_flows_is_a_source(tmp_path: Path) -> None:
    text = "input x: float[4]\noutput y: float[2]\nweight W: float[4, 2] = ones\nx @ W -> y\n"
    tags = [part for part in parts_of(write(tmp_path, "x.dl", text)) if isinstance(part, Tag)]
    assert [(tag.kind, tag.name) for tag in tags] == [("input", "x"), ("weight", "W"), ("output", "y")]


def test_text_from_untrusted_files_is_escaped(tmp_path: Path) -> None:
    text = '# <script>"&\x07 it\ninput x: float[4]\noutput y: float[2]\nx -> dense(2) -> y\n'
    spec = tmp_path / "x.dl"
    spec.write_text(text.replace("\x07", "\u202e"), "utf-8")
    assert dlc("show", spec, "--svg", tmp_path / "x.svg").exit_code == 0
    root = ElementTree.parse(tmp_path / "x.svg").getroot()
    assert not list(root.iter(f"{SVG}script"))
    assert any(text.text == '<script>"& it' for text in root.iter(f"{SVG}text"))


def test_a_picture_too_large_to_read_is_refused(tmp_path: Path) -> None:
    body = "\n".join(f"x = x -> dense({8 + n % 2})" for n in range(1001))
    text = f"input first: float[8]\noutput y: float[8]\nx = first\n{body}\nx -> dense(8) -> y\n"
    done = dlc("show", write(tmp_path, "x.dl", text), "--svg", tmp_path / "x.svg")
    assert (done.exit_code, done.stderr) == (
        1,
        "error: a picture of more than 1_000 operators cannot be read\n",
    )
    assert not (tmp_path / "x.svg").exists()


def test_a_picture_of_very_many_long_lines_is_refused(tmp_path: Path) -> None:
    """Each tensor is read by all later nodes, and every line that passes a layer takes a position there."""
    body = "\n".join(f"h = (h -> dense({8 + n % 2})) + (x -> dense({8 + n % 2}))" for n in range(150))
    text = f"input x: float[8]\noutput y: float\nh = x\n{body}\nh -> dense(1) -> y\n"
    done = dlc("show", write(tmp_path, "x.dl", text), "--svg", tmp_path / "x.svg")
    assert done.exit_code == 1
    assert done.stderr == "error: a picture of so many tensors that are read much further on cannot be read\n"


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Item], list[LayoutEdge]]:
    """Items with random sizes, and edges to later items."""
    sizes = draw(st.lists(st.tuples(st.integers(20, 300), st.integers(10, 90)), min_size=1, max_size=16))
    items = [Item(float(w), float(h)) for w, h in sizes]
    pairs = st.tuples(st.integers(0, len(items) - 1), st.integers(0, len(items) - 1))
    found = draw(st.lists(pairs, max_size=30))
    return items, [LayoutEdge(items[a], items[b]) for a, b in found if a < b]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(graphs())
def test_layers_of_any_graph(graph: tuple[list[Item], list[LayoutEdge]]) -> None:
    items, lines = graph
    width, height = arrange(items, lines)
    for item in items:
        assert item.x - item.width / 2 >= -1e-6
        assert item.x + item.width / 2 <= width + 1e-6
        assert -1e-6 <= item.y <= item.y + item.height <= height + 1e-6
    assert not [(a, b) for n, a in enumerate(items) for b in items[:n] if overlap(a, b)]
    for line in lines:
        assert line.source.y + line.source.height < line.target.y
        lanes = [
            (lane.x, items[n].x, items[n].width)
            for lane in line.lanes
            for n in range(len(items))
            if items[n].layer == lane.layer
        ]
        assert all(abs(lane - x) >= wide / 2 - 1e-6 for lane, x, wide in lanes), "no line runs through a box"
