"""Weights that a loop reads are stored once, beside those of the graph around it."""

from __future__ import annotations

from collections import Counter
from math import prod

import numpy as np
import onnx
import pytest
from test_greedy import PROMPTS, drawn

import dlc

TIED = """input  source: class(50)[S]
output copy: class(50)[T]
net steps(x) { return x -> gru(64) }
memory = source -> embedding(64) -> steps
heard = shift(copy.target) -> embedding(64) -> steps
heard -> attention(memory, heads=4) -> dense(64) -> dense(copy.classes) -> copy
train { clip = norm(1) }
export { decode = greedy(copy, max=9) }
"""


def stored(model: onnx.ModelProto) -> Counter[bytes]:
    """How often the numbers of each large tensor are stored."""
    return Counter(t.raw_data for t in model.graph.initializer if prod(t.dims) > 100)


@pytest.mark.parametrize("steps", ["gru(32)", "lstm(32, layers=2)", "attention(4, causal=true) -> dense(32)"])
def test_a_prompt_and_its_continuation_read_the_same_weights(steps: str) -> None:
    """The graph before the loop computes the prompt with the weights that the loop reads."""
    text = (
        PROMPTS.replace("embedding(16)", "embedding(32)").replace("STEPS", steps).replace("LENGTHS", "false")
    )
    program = dlc.compile(text=text)
    model = program.onnx(drawn(program, 0))
    loop = next(node for node in model.graph.node if node.op_type == "Loop")
    body = loop.attribute[0].g
    assert not body.initializer
    assert {*stored(model).values()} == {1}
    names = {t.name for t in model.graph.initializer if prod(t.dims) > 100}
    outside = {name for node in model.graph.node for name in node.input}
    inside = {name for node in body.node for name in node.input}
    assert names <= inside & outside
    numbers = sum(prod(w.value.type.shape) for w in program.compiled.graph.weights)
    assert 4 * numbers < model.ByteSize() < 4 * numbers + 30_000


def test_a_net_that_both_sides_use_is_stored_once() -> None:
    program = dlc.compile(text=TIED)
    model = program.onnx(drawn(program, 0))
    assert {*stored(model).values()} == {1}
    assert sum(node.op_type == "GRU" for node in model.graph.node) == 1
    loop = next(node for node in model.graph.node if node.op_type == "Loop")
    inner = next(node for node in loop.attribute[0].g.node if node.op_type == "GRU")
    outer = next(node for node in model.graph.node if node.op_type == "GRU")
    assert inner.input[1:4] == outer.input[1:4]
    assert np.isin(inner.input[1:4], [t.name for t in model.graph.initializer]).all()
