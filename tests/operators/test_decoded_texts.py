"""The texts that artifacts decode from scores of `ctc`, in several engines."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import onnx
import pytest
import torch
from engines import REPAIRED
from onnx.reference import ReferenceEvaluator
from second_engine import run_openvino

from dlc.compiler import Source, compile
from dlc.compiler.lower import onnx as to_onnx
from dlc.compiler.lower.torch import Model
from dlc.compiler.passes import specialize
from dlc.compiler.program import Facts
from dlc.compiler.types import Classes
from dlc.runtime.artifact import session
from dlc.runtime.artifact.torch_reference import Reference

SPEC = "input x: float[{}, 4]\noutput y: {}[U]\nx -> y\ntrain {{ loss = ctc(y) }}\n"
LENGTHS = "export { lengths = true }\n"


def inference(text: str):
    return specialize.inference(compile(Source("m.dl", text)))


def engines(graph, opset: int = 18):
    """The answers in each engine, by its name; as names where the classes have some."""
    proto = to_onnx.model(graph, {}, opset=opset, ml_opset=3, ir_version=8, name="m")
    content = to_onnx.serialize(proto)
    loaded, opened = onnx.load_model_from_string(content), session.open_session(content)
    reference = ReferenceEvaluator(loaded, new_ops=REPAIRED)
    yield "ONNX Runtime", lambda feed: dict(zip(graph.outputs, opened.run(None, feed), strict=True))
    yield "reference", lambda feed: dict(zip(graph.outputs, reference.run(None, feed), strict=True))
    if not any(
        output.type.tensor_type.elem_type == onnx.TensorProto.STRING for output in loaded.graph.output
    ):
        yield "OpenVINO", lambda feed: run_openvino(content, feed)


def spelled(scores: np.ndarray, lengths=None) -> list[list[int]]:
    """The best class of each frame, repeats and blanks taken out."""
    lengths = [None] * len(scores) if lengths is None else lengths
    rows = [row[:n] for row, n in zip(scores, lengths, strict=True)]
    return [[int(k) - 1 for k, _ in groupby(row.argmax(-1)) if k] for row in rows]


def filled(texts: list[list[int]], width: int) -> list[list[int]]:
    return [[*text, *[-1] * (width - len(text))] for text in texts]


def drawn(rows: int, frames: int, seed: int = 0) -> np.ndarray:
    """Scores of which many frames are blanks or repeat the frame before."""
    rng = np.random.default_rng(seed)
    best = rng.integers(0, 4, (rows, frames))
    best = np.where(rng.random(best.shape) < 0.3, np.roll(best, 1, 1), best)
    best = np.where(rng.random(best.shape) < 0.2, 0, best)
    return (rng.random((rows, frames, 4)) + np.eye(4)[best]).astype(np.float32)


@pytest.mark.parametrize("opset", [18, 21])
@pytest.mark.parametrize(("rows", "frames"), [(7, 12), (1, 1), (3, 2), (2, 40), (0, 5)])
def test_the_classes_that_frames_spell(rows, frames, opset):
    graph, x = inference(SPEC.format("T", "class(3)")), drawn(rows, frames)
    wanted = filled(spelled(x), frames)
    assert Model(graph, (), {})({"x": torch.from_numpy(x)})["y"].tolist() == wanted
    for name, engine in engines(graph, opset):
        if rows or name == "ONNX Runtime":
            found = engine({"x": x})
            assert found["y"].tolist() == wanted, name
            assert found["y_probabilities"].shape == (rows, frames, 4)


def test_names_and_numbers_of_classes():
    x = drawn(6, 9)
    texts = spelled(x)
    graph = inference(SPEC.format(9, 'class(a, b, "c d")'))
    wanted = [[["a", "b", "c d", ""][k] for k in row] for row in filled(texts, 9)]
    for name, engine in engines(graph):
        assert engine({"x": x})["y"].tolist() == wanted, name
    spelled_by_torch = Reference(graph, {})({"x": x})["y"].spelled
    assert spelled_by_torch.tolist() == wanted


def test_frames_after_the_end_of_a_row_are_blanks():
    """Whatever the padding holds, NaN too."""
    graph, x = inference(SPEC.format("T", "class(3)") + LENGTHS), drawn(8, 10)
    lengths = np.array([10, 0, 1, 5, 9, 3, 10, 7])
    for row, n in zip(x, lengths, strict=True):
        row[n:] = np.nan if n % 2 else 9
    wanted = filled(spelled(x, lengths), 10)
    feed = {"x": x, "x_length": lengths}
    assert Model(graph, (), {})({n: torch.from_numpy(a) for n, a in feed.items()})["y"].tolist() == wanted
    for name, engine in engines(graph):
        found = engine(feed)
        assert found["y"].tolist() == wanted, name
        for row, n, text in zip(x, lengths, found["y"], strict=True):
            alone = engine({"x": row[None, :n], "x_length": np.array([n])}) if n else {"y": text[None, :0]}
            assert alone["y"][0].tolist() == text[:n].tolist(), name


def test_a_near_tie_in_one_frame_excuses_the_row():
    x = drawn(3, 6)
    x[1, 2] = [1, 1, 0, 0]
    slack = Reference(inference(SPEC.format("T", "class(3)")), {})({"x": x})["y"].slack
    assert np.isinf(slack).tolist() == [[False] * 6, [True] * 6, [False] * 6]


def test_labels_after_the_end_of_a_row_are_no_class():
    """The classes of the data are whole numbers, 0 among them."""
    text = SPEC.format("T", "class(auto)") + LENGTHS
    facts = Facts(classes={"y": Classes(3, (-1, 0, 7), "y")})
    graph, x = specialize.inference(compile(Source("m.dl", text), facts=facts)), drawn(8, 10)
    lengths = np.array([10, 0, 1, 5, 9, 3, 10, 7])
    wanted = [[[-1, 0, 7, -2][k] for k in row] for row in filled(spelled(x, lengths), 10)]
    for name, engine in engines(graph):
        assert engine({"x": x, "x_length": lengths})["y"].tolist() == wanted, name
