"""`dlc show` of transformers: attention is one box with its heads, and what enters it has a name."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from stories import dlc, write

from dlc.compiler import compile, read_source
from dlc.show import scene as layout
from dlc.show.diagram import Box, ClosedBlock, DrawnFrame, DrawnPart, diagram

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"
TRANSLATE = """# Encoder and decoder.
input  source: class(200)[S]
input  before: class(200)[T]
output after: class(200)[T]

block encoder(x) {
  x = x -> residual(attention(4)) -> layernorm
  return x -> residual(dense(256) -> relu -> dense(64)) -> layernorm
}
block decoder(x, memory) {
  x = x -> residual(attention(4, causal=true)) -> layernorm
  x = (x + attention(x, memory, heads=4)) -> layernorm
  return x -> residual(dense(256) -> relu -> dense(64)) -> layernorm
}

memory = source -> embedding(64) -> sinusoidal_position -> repeat(2, encoder)
before -> embedding(64) -> sinusoidal_position -> repeat(2, decoder(memory)) -> dense(200) -> after
"""
GRAPH = """input  nodes: float[20, 64]
input  edges: bool[20, 20]
input  near: float[20, 20]
output label: class(4)[20]
nodes -> attention(8, mask=edges, scores=near, kv_heads=2) -> relu -> dense(4) -> label
"""


def parts_of(spec: Path, depth: int | None = None) -> list[DrawnPart]:
    return diagram(compile(read_source(spec)), depth)


def boxes(parts: list[DrawnPart]) -> Iterator[Box]:
    for part in parts:
        if isinstance(part, DrawnFrame):
            yield from boxes(part.parts)
        elif isinstance(part, Box):
            yield part


def texts(path: Path) -> dict[str, tuple[float, float]]:
    """The position of each text of a picture."""
    found = ElementTree.parse(path).getroot().iter(f"{SVG}text")
    return {text.text or "": (float(text.get("x", 0)), float(text.get("y", 0))) for text in found}


def test_attention_is_one_box_with_its_heads(tmp_path: Path) -> None:
    box = next(boxes(parts_of(write(tmp_path, "x.dl", GRAPH))))
    assert box.calls == ["attention(8, kv_heads=2)", "8 heads of 8 features, 2 of keys and values", "relu"]
    assert box.parameters == 2 * (64 * 64 + 64) + 2 * (16 * 64 + 16)
    assert list(box.labels.values()) == ["mask", "scores"]


def test_what_enters_attention_has_a_name(tmp_path: Path) -> None:
    spec = write(tmp_path, "x.dl", GRAPH)
    assert dlc("show", spec, "--svg", tmp_path / "x.svg").exit_code == 0
    places = texts(tmp_path / "x.svg")
    call = places["attention(8, kv_heads=2)"]
    assert places["mask"][1] == places["scores"][1] < call[1]
    assert abs(places["mask"][0] - places["scores"][0]) > 40
    assert "mask=edges, scores=near" in dlc("show", spec).output
    cross = next(box for box in boxes(parts_of(write(tmp_path, "y.dl", TRANSLATE))) if box.labels)
    assert list(cross.labels.values()) == ["query", "memory"]


def test_the_same_tensor_may_be_the_query_and_the_memory(tmp_path: Path) -> None:
    text = "input x: float[T, 8]\noutput y: float[T, 8]\nattention(x, x, heads=2) -> y\n"
    (box,) = boxes(parts_of(write(tmp_path, "x.dl", text)))
    assert list(box.labels.values()) == ["query, memory"]


@pytest.mark.parametrize("flow", ["down", "right"])
def test_labels_are_inside_the_box_and_apart(flow: layout.Flow, tmp_path: Path) -> None:
    scene = layout.scene(parts_of(write(tmp_path, "x.dl", GRAPH)), flow)
    ends = [line for line in scene.lines if line.target is scene.lines[0].target]
    room = layout.label_width(next(boxes([i.part for i in scene.items if i.part]))) if flow == "down" else 12
    across = sorted(line.target_x for line in ends)
    assert len(ends) == 3 and all(b - a >= room for a, b in pairwise(across))
    assert across[-1] + room / 2 <= ends[0].target.width / 2


def test_decoders_that_read_the_same_memory_are_drawn_once(tmp_path: Path) -> None:
    spec = write(tmp_path, "x.dl", TRANSLATE)
    frames = [part for part in parts_of(spec) if isinstance(part, DrawnFrame)]
    assert [(frame.name, frame.times) for frame in frames] == [("encoder", 2), ("decoder", 2)]
    closed = [part for part in parts_of(spec, 0) if isinstance(part, ClosedBlock)]
    assert [(part.times, list(part.labels.values())) for part in closed] == [(2, []), (2, ["x", "memory"])]


def test_decoders_that_read_different_memories_are_drawn_each(tmp_path: Path) -> None:
    text = """input a, b: float[S, 8]
input x: float[T, 8]
output y: float[T, 8]
block decoder(x, memory) { return x + attention(x, memory, heads=2) }
x -> decoder(a) -> decoder(b) -> y
"""
    frames = [p for p in parts_of(write(tmp_path, "x.dl", text)) if isinstance(p, DrawnFrame)]
    assert [frame.times for frame in frames] == [1, 1]


def test_an_encoder_and_a_decoder_fit_one_page(tmp_path: Path) -> None:
    done = dlc("show", write(tmp_path, "x.dl", TRANSLATE), "--svg", tmp_path / "x.svg")
    assert done.output == f"wrote {tmp_path / 'x.svg'}\n"  # all blocks are open
