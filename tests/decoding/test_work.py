"""What a step costs: nothing is computed again in each step, and little grows with the steps before."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import pytest
from decoded_specs import MOST, prompts, sequences

import dlc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import onnx

    from dlc.compiler.ir.graph import Graph

WIDTH, HEADS, LAYERS = 16, 4, 2
ATTENTION = "position_embedding(40) -> repeat(2, residual(layernorm -> attention(4, causal=true)))"
STEPS = ["gru(16)", "lstm(16, layers=2)", ATTENTION]


def onnx_model(program: dlc.Program) -> onnx.ModelProto:
    return program.onnx(program.weights())


@pytest.mark.parametrize("text", [sequences, prompts])
@pytest.mark.parametrize(("steps", "how", "lengths"), [*product(STEPS, ("greedy", "beam"), (False, True))])
def test_what_does_not_change_is_computed_in_front_of_the_loop(text, steps, how, lengths) -> None:
    program = dlc.compile(text=text(steps, how, lengths=lengths))
    (body,) = bodies(onnx_model(program).graph)
    changing, outputs = {value.name for value in body.input}, {value.name for value in body.output}
    for node in body.node:
        handed_on = node.op_type == "Identity" and node.output[0] in outputs
        assert handed_on or changing.intersection(node.input), node
        changing.update(node.output)


def bodies(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    for node in graph.node:
        yield from (attribute.g for attribute in node.attribute if attribute.HasField("g"))


@pytest.mark.parametrize("text", [sequences, prompts])
@pytest.mark.parametrize("steps", STEPS)
def test_each_node_in_the_graph_of_a_loop_changes_with_the_steps(text, steps) -> None:
    from dlc.compiler.passes.specialize import inference

    graph: Graph = inference(dlc.compile(text=text(steps)).compiled)
    (body,) = (node.graphs["body"] for node in graph.nodes if node.graphs)
    changing = {*body.inputs}
    for node in body.nodes:
        assert changing.intersection(node.reads), node.name
        changing.update(node.results)


# --- the work of a step -----------------------------------------------------------------------------------


def work(model: onnx.ModelProto, given: dict[str, Any], folder: Path) -> tuple[int, list[int]]:
    """The number of nodes that ONNX Runtime computes in a step, and the bytes that they make in each."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.enable_profiling = 1, True
    options.profile_file_prefix = str(folder / "profile")
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    session.run(None, given)
    with open(session.end_profiling(), encoding="utf-8") as file:
        events = [e for e in json.load(file) if e["name"].endswith("_kernel_time")]
    made = defaultdict(list)
    for event in events:
        made[event["name"]].append(int(event["args"]["output_size"]))
    inside = [sizes for sizes in made.values() if len(sizes) == MOST]
    assert all(len(sizes) in (1, MOST) for sizes in made.values())
    return len(inside), [sum(sizes) for sizes in zip(*inside, strict=True)]


@pytest.mark.parametrize("rows", [1, 3])
def test_a_step_of_a_language_model_copies_keys_and_values_and_compares_them_once(rows, tmp_path) -> None:
    """Beside that, no node makes more in a later step."""
    program = dlc.compile(text=prompts(ATTENTION))
    nodes, made = work(onnx_model(program), {"text": np.zeros((rows, 5), np.int64)}, tmp_path)
    compared = 2 * HEADS  # products of queries and keys, and their softmax
    assert set(np.diff(made)) == {4 * rows * LAYERS * (2 * WIDTH + compared)}
    assert nodes <= 12 + 22 * LAYERS


def test_a_mask_of_prompts_is_made_once_for_all_layers(tmp_path) -> None:
    program = dlc.compile(text=prompts(ATTENTION, lengths=True))
    given = {"text": np.zeros((3, 5), np.int64), "text_length": np.array([2, 5, 1])}
    nodes, made = work(onnx_model(program), given, tmp_path)
    compared = 4 * HEADS  # also masked, before the softmax and after it
    places, masks = 8, 3 * (4 + 2 * 4)  # of 64 bits; booleans, and numbers that are added or multiplied
    (growth,) = set(np.diff(made))
    assert growth <= 4 * 3 * LAYERS * (2 * WIDTH + compared) + places + masks
    assert nodes <= 12 + 9 + 26 * LAYERS


@pytest.mark.parametrize("steps", ["gru(16)", "lstm(16, layers=2)"])
def test_a_step_of_a_recurrent_decoder_is_always_the_same(steps, tmp_path) -> None:
    program = dlc.compile(text=sequences(steps))
    weights = program.weights()
    weights["speak.dense.bias"][6] = -1e4  # no row ends
    _, made = work(program.onnx(weights), {"spelling": np.zeros((2, 4), np.int64)}, tmp_path)
    assert len(set(made)) == 1
