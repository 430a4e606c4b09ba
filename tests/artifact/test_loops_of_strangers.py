"""Artifacts with loops that dlc did not write. Each is refused with one error, in a process with limited
memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from artifacts import Made, make
from guarded import refused, run
from onnx import TensorProto, helper, numpy_helper

from dlc.cli import show
from dlc.compiler.definitions.decoders import MOST_STEPS
from dlc.runtime.artifact.model_scan import mapped, node_types

SPEC = """input  spelling: class(8)[S]
output sounds: class(6)[T]
heard = spelling -> embedding(4) -> gru(5, final=true)
(shift(sounds.target) -> embedding(4), heard) -> gru(5) -> dense(sounds.classes) -> sounds
train { clip = norm(1) }
export { decode = greedy(sounds, max=12) }
"""
ROWS = "spelling,sounds\n1,1\n"
Change = Callable[[onnx.ModelProto], Any]


@pytest.fixture(scope="module")
def decoded(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(SPEC, tmp_path_factory.mktemp("decoded"))


def loop_of(proto: onnx.ModelProto) -> onnx.NodeProto:
    return next(node for node in proto.graph.node if node.op_type == "Loop")


def body_of(proto: onnx.ModelProto) -> onnx.GraphProto:
    return loop_of(proto).attribute[0].g


def bounded_by(count: Any) -> Change:
    """The loop with another trip count."""

    def change(proto: onnx.ModelProto) -> None:
        proto.graph.initializer.append(numpy_helper.from_array(np.asarray(count), "many"))
        loop_of(proto).input[0] = "many"

    return change


def unbounded(proto: onnx.ModelProto) -> None:
    loop_of(proto).input[0] = ""


def bounded_by_a_row(proto: onnx.ModelProto) -> None:
    """The trip count is computed from the rows."""
    proto.graph.node.insert(0, helper.make_node("Shape", ["spelling"], ["sizes"]))
    proto.graph.node.insert(1, helper.make_node("ReduceMax", ["sizes"], ["many"], keepdims=0))
    loop_of(proto).input[0] = "many"


def bounded_by_the_caller(proto: onnx.ModelProto) -> None:
    """The trip count has a default that a caller may replace."""
    bounded_by(np.int64(5))(proto)
    proto.graph.input.append(helper.make_tensor_value_info("many", TensorProto.INT64, []))


def bounded_twice(proto: onnx.ModelProto) -> None:
    bounded_by(np.int64(5))(proto)
    proto.graph.initializer.append(numpy_helper.from_array(np.int64(2**60), "many"))


def deeper(proto: onnx.ModelProto) -> None:
    """A loop in the loop."""
    inner = onnx.NodeProto()
    inner.CopyFrom(loop_of(proto))
    body_of(proto).node.append(inner)


def chosen(kind: str) -> Change:
    """The body of the loop as that of another node."""

    def change(proto: onnx.ModelProto) -> None:
        loop_of(proto).op_type = kind

    return change


def within_another(proto: onnx.ModelProto) -> None:
    """A body in a node that is no loop."""
    body = onnx.AttributeProto()
    body.CopyFrom(loop_of(proto).attribute[0])
    next(node for node in proto.graph.node if node.op_type == "GRU").attribute.append(body)


def without_body(proto: onnx.ModelProto) -> None:
    del loop_of(proto).attribute[:]


def with_weights(proto: onnx.ModelProto) -> None:
    """The body has a constant of its own with the name of another outside."""
    body_of(proto).initializer.append(numpy_helper.from_array(np.int64(5), "mine"))


def beside(proto: onnx.ModelProto) -> None:
    """The body reads another file."""
    weight = body_of(proto).initializer.add(name="mine", data_type=TensorProto.FLOAT, dims=[4])
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../outside.data")


def with_a_foreign_operator(proto: onnx.ModelProto) -> None:
    body_of(proto).node.append(helper.make_node("Unique", ["symbol"], ["u"]))


def as_text(proto: onnx.ModelProto) -> None:
    body_of(proto).node.append(helper.make_node("Cast", ["symbol"], ["text"], to=TensorProto.STRING))


FOREIGN: dict[str, tuple[Change, str]] = {
    "a very long loop": (bounded_by(np.int64(2**62)), "it has a loop that is not bounded by 100_000 steps"),
    "one step too many": (bounded_by(np.int64(MOST_STEPS + 1)), "it has a loop that is not bounded by"),
    "a count below zero": (bounded_by(np.int64(-1)), "it has a loop that is not bounded by"),
    "a count with an axis": (bounded_by(np.array([5])), "it has a loop that is not bounded by"),
    "no count": (unbounded, "it has a loop that is not bounded by"),
    "a count computed from rows": (bounded_by_a_row, "it has a loop that is not bounded by"),
    "a count that the caller gives": (bounded_by_the_caller, "it has a loop that is not bounded by"),
    "two counts of one name": (bounded_twice, "it has two constants `many`"),
    "a loop in a loop": (deeper, "it has a loop in a loop"),
    "a condition": (chosen("If"), "it has the operator `If`"),
    "a scan": (chosen("Scan"), "it has the operator `Scan`"),
    "a body in a node that is no loop": (within_another, "it has a loop without one body"),
    "a loop without a body": (without_body, "it has a loop without one body"),
    "weights in the body": (with_weights, "it has a loop with weights of its own"),
    "another file in the body": (beside, "it has a loop with weights of its own"),
    "a foreign operator in the body": (with_a_foreign_operator, "it has the operator `Unique`"),
    "text in the body": (as_text, "it turns numbers into text"),
}


def changed(made: Made, folder: Path, change: Change) -> Path:
    proto = onnx.ModelProto()
    proto.CopyFrom(made.proto)
    change(proto)
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def test_loops_that_dlc_does_not_write_are_not_opened(decoded: Made, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    paths = []
    for i, (change, _) in enumerate(FOREIGN.values()):
        paths.append(changed(decoded, tmp_path, change).rename(tmp_path / f"{i}.onnx"))
    verified = refused(*(("verify", path) for path in paths))
    predicted = refused(*(("predict", path, tmp_path / "rows.csv") for path in paths))
    for path, kind, *messages in zip(paths, FOREIGN, verified, predicted, strict=True):
        for message in messages:
            assert f"{path.name} is not an artifact of dlc: {FOREIGN[kind][1]}" in message, kind
        assert show.spec_within(str(path)) == decoded.metadata["dlc.spec"]  # does not read the graph


# --- bodies of known operators ----------------------------------------------------------------------------


def doubled(proto: onnx.ModelProto) -> None:
    """A state that grows to twice its size in each step, and a loop of 40 steps that never ends by itself."""
    body, loop = body_of(proto), loop_of(proto)
    bounded_by(np.int64(40))(proto)
    proto.graph.initializer.append(numpy_helper.from_array(np.ones(1000, np.float32), "seeds"))
    body.node.append(helper.make_node("Concat", ["grown", "grown"], ["larger"], axis=0))
    body.node.append(helper.make_node("Not", [body.output[0].name], ["ends"]))
    body.node.append(helper.make_node("Or", [body.output[0].name, "ends"], ["goes on"]))
    body.output[0].name = "goes on"
    states = len(loop.input) - 2
    body.input.append(helper.make_tensor_value_info("grown", TensorProto.FLOAT, [None]))
    body.output.insert(1 + states, helper.make_tensor_value_info("larger", TensorProto.FLOAT, [None]))
    loop.input.append("seeds")
    loop.output.insert(states, "grown at last")


def with_unknown_name(proto: onnx.ModelProto) -> None:
    """The body reads a name that stands nowhere."""
    node = next(node for node in body_of(proto).node if node.op_type == "GRU")
    node.input[1] = "nowhere"


def with_other_types(proto: onnx.ModelProto) -> None:
    """The states after a step are of other types than before it."""
    body = body_of(proto)
    body.output[1].name, body.output[2].name = body.output[2].name, body.output[1].name


def without_output(proto: onnx.ModelProto) -> None:
    del body_of(proto).output[-1]


def test_a_state_that_grows_with_each_step_is_stopped(decoded: Made, tmp_path: Path) -> None:
    path = changed(decoded, tmp_path, doubled)
    onnx.checker.check_model(onnx.load(path))
    (verified,) = refused(("verify", path))
    assert "cannot be run on the inputs of its proof: it needs more memory than the limit" in verified


@pytest.mark.parametrize("change", [with_unknown_name, with_other_types, without_output])
def test_a_body_that_cannot_run_is_one_error(change: Change, decoded: Made, tmp_path: Path) -> None:
    path = changed(decoded, tmp_path, change)
    (message,) = refused(("verify", path))
    assert message.startswith("error: ")
    assert str(path) in message


def test_the_whole_file_is_accepted_as_dlc_wrote_it(decoded: Made) -> None:
    """The changes above are what is refused, not the file they start from."""
    (verified,) = run(("verify", decoded.path))
    assert verified.code == 0, verified.stderr


def test_operators_in_bodies_are_known_before_a_session_runs(decoded: Made) -> None:
    """Operators that end the process for rows without steps are avoided, in loops too."""
    inside = {node.op_type for node in body_of(decoded.proto).node}
    with mapped(decoded.path) as content:
        assert node_types(content) == set(decoded.operators) | inside
    assert inside - set(decoded.operators)
