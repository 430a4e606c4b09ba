"""Untrusted artifacts that try to exhaust memory, to run forever or to read other files. Each is refused, in
a process with limited memory."""

from __future__ import annotations

import base64
import json
import os
import resource
import time
from collections.abc import Callable, Mapping
from itertools import cycle, islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from artifacts import Made, make
from guarded import SECONDS, refused
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import dlc
from dlc.cli import show
from dlc.runtime import memory
from dlc.runtime.artifact import ArtifactError, model_scan, opened, verify
from dlc.runtime.artifact.session import run

SPEC = """input x: float[3]
output y: class(red, "light green", blue)
output z: float[3]
h = x -> dense(3)
h -> y
tanh(h) -> z
"""
ROWS = "x,x,x,y,z,z,z\n1,2,3,red,1,2,3\n4,5,6,blue,4,5,6\n"
Change = Callable[[onnx.ModelProto], Any]
OF_ROWS = ("predict", "eval")  # commands that take rows


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(SPEC, tmp_path_factory.mktemp("plain"))


def changed(made: Made, folder: Path, change: Change) -> Path:
    proto = onnx.ModelProto()
    proto.CopyFrom(made.proto)
    change(proto)
    (folder / "model.onnx").write_bytes(proto.SerializeToString())
    (folder / "rows.csv").write_text(ROWS)
    return folder / "model.onnx"


def messages(made: Made, folder: Path, changes: Mapping[str, Change], *names: str) -> dict[str, list[str]]:
    """What these commands say of each changed artifact, which they have to reject. They run in one process,
    because its start takes longer than they do."""
    typed: list[tuple[object, ...]] = []
    for number, change in enumerate(changes.values()):
        (folder / str(number)).mkdir()
        path = changed(made, folder / str(number), change)
        typed += [(name, path, *([folder / str(number) / "rows.csv"] if name in OF_ROWS else []))
                  for name in names]  # fmt: skip
    said = iter(refused(*typed))
    return {kind: list(islice(said, len(names))) for kind in changes}


# --- graphs that expand in memory -------------------------------------------------------------------------


def unfolding(*nodes: onnx.NodeProto, **constants: Any) -> Change:
    """A graph whose output `z` is the sum of the value `big` of these nodes."""

    def change(proto: onnx.ModelProto) -> None:
        last = next(n for n in proto.graph.node if n.output[0] == "z")
        last.output[0] = "z was"
        proto.graph.node.extend(nodes)
        proto.graph.node.append(helper.make_node("ReduceMax", ["big"], ["most"], keepdims=0))
        proto.graph.node.append(helper.make_node("Cast", ["most"], ["as float"], to=TensorProto.FLOAT))
        proto.graph.node.append(helper.make_node("Add", ["z was", "as float"], ["z"]))
        proto.graph.initializer.extend(
            numpy_helper.from_array(np.asarray(v), n) for n, v in constants.items()
        )

    return change


def node(kind: str, *inputs: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, ["big"], **attributes)


def doubled(times: int) -> list[onnx.NodeProto]:
    """`x` concatenated with itself repeatedly."""
    names = ["x", *(f"twice {i}" for i in range(times - 1)), "big"]
    return [helper.make_node("Concat", [a, a], [b], axis=1) for a, b in pairwise(names)]


MANY = np.array([3_000_000_000], np.int64)
UNFOLDING = {
    "a constant repeated": unfolding(node("Expand", "one", "many"), one=np.float32(1), many=MANY),
    "rows repeated": unfolding(node("Expand", "x", "many"), many=np.array([10**9, 1, 1], np.int64)),
    "all numbers": unfolding(node("Range", "none", "many", "one"), none=0, many=MANY[0], one=1),
    "a wide margin": unfolding(node("Pad", "x", "many"), many=np.array([0, 0, 0, MANY[0]])),
    "joined to itself": unfolding(*doubled(34)),
    "numbers against numbers": unfolding(
        helper.make_node("Range", ["none", "some", "one"], ["row"]),
        helper.make_node("Unsqueeze", ["row", "last"], ["column"]),
        node("Add", "row", "column"),
        none=0, some=60_000, one=1, last=np.array([1]),
    ),
    "the same place taken again and again": unfolding(
        helper.make_node("Expand", ["place", "many"], ["places"]),
        node("Gather", "wide", "places"),
        place=0, many=np.array([1_000_000]), wide=np.zeros((1, 100_000), np.float32),
    ),
    "an image stretched": unfolding(
        helper.make_node("Reshape", ["x", "image"], ["picture"]),
        node("Resize", "picture", "", "scales"),
        image=np.array([0, 1, 1, 3]), scales=np.array([1, 1, 30_000, 30_000], np.float32),
    ),
    "a stride without measure": unfolding(
        helper.make_node("Reshape", ["x", "line"], ["signal"]),
        node("ConvTranspose", "signal", "kernel", strides=[10**9]),
        line=np.array([0, 1, 3]), kernel=np.ones((1, 1, 1), np.float32),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def of_bombs(plain: Made, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    return messages(plain, tmp_path_factory.mktemp("bombs"), UNFOLDING, "verify", *OF_ROWS)


@pytest.mark.parametrize("bomb", UNFOLDING)
def test_a_graph_that_expands_in_memory_is_stopped(
    bomb: str, plain: Made, of_bombs: dict[str, list[str]], tmp_path: Path
) -> None:
    onnx.checker.check_model(onnx.load(changed(plain, tmp_path, UNFOLDING[bomb])))
    verified, *used = of_bombs[bomb]
    assert "cannot be run on the inputs of its proof: it needs more memory than the limit" in verified
    assert all("cannot run these inputs: it needs more memory than the limit" in why for why in used)


def test_long_class_names_count_as_memory(plain: Made, tmp_path: Path) -> None:
    """Every output value is a separate text, so long class names take more memory than the tensor."""

    def change(proto: onnx.ModelProto) -> None:
        names = next(t for t in proto.graph.initializer if t.data_type == TensorProto.STRING)
        names.string_data[:] = [b"a" * 1_000_000] * 3
        last = next(n for n in proto.graph.node if n.output[0] == "y")
        last.output[0] = "names"
        proto.graph.initializer.append(numpy_helper.from_array(np.array([10_000, 1]), "many"))
        proto.graph.node.append(helper.make_node("Expand", ["names", "many"], ["y"]))

    (why,) = refused(("verify", changed(plain, tmp_path, change)))
    assert "it needs more memory than the limit" in why


# --- what dlc does not write ------------------------------------------------------------------------------


def loop(proto: onnx.ModelProto) -> None:
    """An endless ONNX loop."""
    flag = [helper.make_tensor_value_info(n, TensorProto.BOOL, []) for n in ("again", "and again")]
    count = helper.make_tensor_value_info("count", TensorProto.INT64, [])
    body = helper.make_graph(
        [helper.make_node("Identity", ["again"], ["and again"])], "body", [count, flag[0]], [flag[1]]
    )
    proto.graph.node.append(helper.make_node("Loop", ["", ""], [], body=body))


def functions(proto: onnx.ModelProto) -> None:
    """Each function calls the previous one ten times."""
    for i in range(12):
        calls = [helper.make_node(f"f{i - 1}" if i else "Relu", ["x"], [f"y{k}"], domain="mine" if i else "")
                 for k in range(10)]  # fmt: skip
        proto.functions.append(
            helper.make_function(
                "mine", f"f{i}", ["x"], ["y0"], calls,
                [helper.make_opsetid("", 20), helper.make_opsetid("mine", 1)],
            )
        )  # fmt: skip
    proto.opset_import.append(helper.make_opsetid("mine", 1))


def sparse(proto: onnx.ModelProto) -> None:
    values = helper.make_tensor("sparse", TensorProto.FLOAT, [1], [1.0])
    places = helper.make_tensor("places", TensorProto.INT64, [1], [0])
    proto.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [10**12]))


def larger_than_it_is(proto: onnx.ModelProto) -> None:
    weight = next(t for t in proto.graph.initializer if t.name == "dense.weight")
    weight.dims[:] = [10**6, 10**6]


def many_axes(proto: onnx.ModelProto) -> None:
    next(t for t in proto.graph.initializer if t.name == "dense.weight").dims.extend([2**62] * 100_000)


def as_text(proto: onnx.ModelProto) -> None:
    proto.graph.node.append(helper.make_node("Cast", ["x"], ["text"], to=TensorProto.STRING))


def many_nodes(proto: onnx.ModelProto) -> None:
    for _ in range(510_000):
        proto.graph.node.add().op_type = "Relu"


def constant(proto: onnx.ModelProto) -> None:
    proto.graph.node.append(helper.make_node("Constant", [], ["c"], value_float=1.0))


FOREIGN: dict[str, tuple[Change, str]] = {
    "a loop": (loop, "it has a loop that is not bounded by 100_000 steps"),
    "functions within functions": (functions, "its ModelProto holds what dlc does not write"),
    "operators of somebody": (
        lambda proto: proto.opset_import.append(helper.make_opsetid("com.microsoft", 1)),
        "it has operators of `com.microsoft`",
    ),
    "an operator that dlc does not write": (
        lambda proto: proto.graph.node.append(helper.make_node("Unique", ["x"], ["u"])),
        "it has the operator `Unique`",
    ),
    "a constant in a node": (constant, "it has the operator `Constant`"),
    "numbers as text": (as_text, "it turns numbers into text"),
    "a weight of few numbers and a large shape": (sparse, "its GraphProto holds what dlc does not write"),
    "a weight that says to be large": (larger_than_it_is, "it has a weight that is not as large as it says"),
    "a weight of many axes": (many_axes, "it has a weight of no known type"),
    "more nodes than a spec may have": (many_nodes, "it has more than 1_000_000 parts"),
}


LONG = "more nodes than a spec may have"
SHORT = [kind for kind in FOREIGN if kind != LONG]


@pytest.fixture(scope="module")
def of_foreign(plain: Made, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    changes = {kind: FOREIGN[kind][0] for kind in SHORT}
    return messages(plain, tmp_path_factory.mktemp("foreign"), changes, "verify", *OF_ROWS)


@pytest.mark.slow
def test_a_model_of_too_many_nodes_is_not_opened(plain: Made, tmp_path: Path) -> None:
    change, why = FOREIGN[LONG]
    said = messages(plain, tmp_path, {LONG: change}, "verify", *OF_ROWS)
    assert all(f"model.onnx is not an artifact of dlc: {why}" in message for message in said[LONG])
    assert show.spec_within(str(tmp_path / "0" / "model.onnx")) == plain.metadata["dlc.spec"]


@pytest.mark.parametrize("kind", SHORT)
def test_a_model_that_dlc_does_not_write_is_not_opened(
    kind: str, plain: Made, of_foreign: dict[str, list[str]], tmp_path: Path
) -> None:
    change, why = FOREIGN[kind]
    path = changed(plain, tmp_path, change)
    for message in of_foreign[kind]:
        assert f"model.onnx is not an artifact of dlc: {why}" in message
    if "ModelProto" not in why:
        assert show.spec_within(str(path)) == plain.metadata["dlc.spec"]  # does not read the graph


def test_the_message_layout_is_that_of_onnx() -> None:
    """Names and numbers of the fields, compared with the definition of the format."""
    known = {"ModelProto": onnx.ModelProto.DESCRIPTOR}
    for kind, layout in model_scan.LAYOUT.items():
        for number, (name, what) in layout.items():
            field = known[kind].fields_by_number[number]
            assert field.name == name
            assert (field.message_type.name if field.message_type else what.islower()) in (what, True)
            if field.message_type:
                known[what] = field.message_type
    assert known.keys() == model_scan.LAYOUT.keys()
    sizes = {n: np.dtype(t.np_dtype).itemsize for n, t in onnx._mapping.TENSOR_TYPE_MAP.items()}
    assert {n: sizes[n] for n in model_scan.SIZES} == model_scan.SIZES


# --- other files ------------------------------------------------------------------------------------------


def beside(location: str, **entries: object) -> Change:
    """The weight is external data in another file."""

    def change(proto: onnx.ModelProto) -> None:
        weight = next(t for t in proto.graph.initializer if t.name == "dense.weight")
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        for key, value in {"location": location, **entries}.items():
            weight.external_data.add(key=key, value=str(value))

    return change


REACHES = {
    "../outside.data": "which is not a file next to it",
    "/dev/zero": "which is not a file next to it",
    "": "which is not a file next to it",
    ".": "which is not a file next to it",
    "*/_ORT_MEM_ADDR_/*": "which is not a file next to it",
    "link.data": "which is a link",
    "pipe.data": "is a pipe (FIFO), not a regular file",
    "folder.data": "is a folder, not a regular file",
    "nothing.data": "is not next to it",
}
PLACES: list[dict[str, object]] = [
    {"offset": 1},
    {"offset": 10**15},
    {"offset": -1},
    {"length": 10**12},
    {"length": "x"},
]


def test_external_data_is_read_only_from_the_same_folder(plain: Made, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    for place in (tmp_path / "outside.data", folder / "model.data"):
        place.write_bytes(plain.stored["dense.weight"].tobytes())
    (folder / "link.data").symlink_to(tmp_path / "outside.data")
    os.mkfifo(folder / "pipe.data")
    (folder / "folder.data").mkdir()
    path = changed(plain, folder, beside("model.data"))
    assert dlc.load(path).predict({"x": [[1, 2, 3]]})["z"].shape == (1, 3)
    wanted = [(beside(location), why) for location, why in REACHES.items()]
    wanted += [(beside("model.data", **entries), "not as large as it says") for entries in PLACES]
    wanted += [(beside(str(tmp_path / "outside.data")), "which is not a file next to it")]
    paths = [
        changed(plain, folder, change).rename(folder / f"{i}.onnx") for i, (change, _) in enumerate(wanted)
    ]
    for (_, why), message in zip(wanted, refused(*(("verify", path) for path in paths)), strict=True):
        assert why in message


def test_weights_larger_than_memory_are_not_read(plain: Made, tmp_path: Path) -> None:
    """The file is sparse, so it takes no disk space."""

    def change(proto: onnx.ModelProto) -> None:
        beside("model.data")(proto)
        weight = next(t for t in proto.graph.initializer if t.name == "dense.weight")
        weight.dims[:] = [3, 10**10]

    path = changed(plain, tmp_path, change)
    with open(tmp_path / "model.data", "wb") as file:
        file.truncate(12 * 10**10)
    (why,) = refused(("verify", path))
    assert "twice the size of its weights" in why


def test_files_that_are_not_regular_are_an_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    (tmp_path / "zero.onnx").symlink_to("/dev/zero")
    with open(tmp_path / "large.onnx", "wb") as file:
        file.truncate(3_000_000_000)
    (tmp_path / "rows.csv").write_text(ROWS)
    reasons = {
        "pipe.onnx": "is a pipe (FIFO), not a regular file",
        "zero.onnx": "is a device, not a regular file",
        "large.onnx": "is larger than 2_147_483_647 bytes",
    }
    rows, paths = tmp_path / "rows.csv", [tmp_path / name for name in reasons for _ in range(4)]
    commands = cycle([("verify",), ("show",), ("predict", rows), ("eval", rows)])
    typed = [(name, path, *more) for path, (name, *more) in zip(paths, commands, strict=False)]
    assert refused(*typed) == [f"error: {path} {reasons[path.name]}\n" for path in paths]


# --- metadata ---------------------------------------------------------------------------------------------


def with_text(key: str, text: str) -> Change:
    def change(proto: onnx.ModelProto) -> None:
        entry = next((p for p in proto.metadata_props if p.key == key), None) or proto.metadata_props.add(
            key=key
        )
        entry.value = text

    return change


METADATA = {
    "many values": (
        with_text("dlc.figures", f"[{'[],' * 5_000_000}[]]"),
        "made of more than 4_000_000 values",
    ),
    "a long text": (with_text("dlc.figures", " " * 70_000_000), "takes more than 67_108_864 bytes"),
    "a long text of somebody": (with_text("mine", " " * 70_000_000), "takes more than 67_108_864 bytes"),
    "a deep text": (with_text("dlc.figures", "[" * 1_000_000), "is not JSON"),
    "one text twice": (
        lambda proto: proto.metadata_props.add(key="dlc.spec", value="another"),
        "its metadata has two texts `dlc.spec`",
    ),
}


@pytest.fixture(scope="module")
def of_metadata(plain: Made, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    changes = {kind: change for kind, (change, _) in METADATA.items()}
    return messages(plain, tmp_path_factory.mktemp("metadata"), changes, "verify", "show")


@pytest.mark.parametrize("kind", METADATA)
def test_oversized_metadata_is_not_read(kind: str, of_metadata: dict[str, list[str]]) -> None:
    assert all(METADATA[kind][1] in message for message in of_metadata[kind])


def packed(values: Any) -> dict[str, Any]:
    array = np.array(values, np.float32)
    data = base64.b64encode(array.tobytes()).decode()
    return {"shape": list(array.shape), "step": 1, "dtype": "float32", "data": data}


PROOFS: dict[str, dict[str, Any]] = {
    "another batch": {"batch": 3},
    "a boolean batch": {"batch": True},
    "another range": {"between": [-1e30, 1e30]},
    "a range of NaN": {"between": [float("nan"), float("nan")]},
    "a seed past all seeds": {"seed": 2**31},
    "a seed that is a fraction": {"seed": 0.5},
}
ANSWERS: dict[str, dict[str, Any]] = {
    "a floor that forgives all": {"floor": 1e30},
    "a NaN floor": {"floor": float("nan")},
    "a floor below zero": {"floor": -1.0},
    "another step": {"step": 2},
    "a step of 0": {"step": 0},
    "a shape without measure": {"shape": [2, 10**12, 10**12]},
    "a shape below zero": {"shape": [-2, 3]},
    "another shape": {"shape": [2, 4]},
    "text without measure": {"data": "A" * 10_000_000},
    "text that is not base64": {"data": "\u00e9" * 32},
    "a slack of another shape": {"slack": packed([0, 0])},
    "a slack below zero": {"slack": packed([[-1] * 3] * 2)},
    "a NaN slack": {"slack": packed([[np.nan] * 3] * 2)},
    "an element that pickles": {"dtype": "object"},
    "names for NaN": {"names": ["a", "b"]},
}  # fmt: skip


@pytest.mark.parametrize("kind", [*PROOFS, *ANSWERS])
def test_an_invalid_proof_is_refused(kind: str, plain: Made, tmp_path: Path) -> None:
    proof = json.loads(plain.metadata["dlc.proof"])
    proof |= PROOFS.get(kind, {})
    proof["answers"]["z"] |= ANSWERS.get(kind, {})
    path = changed(plain, tmp_path, with_text("dlc.proof", json.dumps(proof)))
    with pytest.raises(
        ArtifactError, match=r"holds no proof that can be read: (dlc does not write|its inputs)"
    ):
        verify(path)


@pytest.mark.parametrize(
    "parity", [{"worst": float("nan")}, {"worst": "0"}, {"worst": -1}, {"tolerance": 1e30}]
)
def test_another_tolerance_is_refused(parity: dict[str, Any], plain: Made, tmp_path: Path) -> None:
    changed_parity = json.loads(plain.metadata["dlc.parity"]) | parity
    path = changed(plain, tmp_path, with_text("dlc.parity", json.dumps(changed_parity)))
    with pytest.raises(ArtifactError, match="holds no proof that can be read"):
        verify(path)


def test_an_unknown_name_is_refused(plain: Made, tmp_path: Path) -> None:
    proof = json.loads(plain.metadata["dlc.proof"])
    proof["answers"]["y"]["names"] = ["red"]
    path = changed(plain, tmp_path, with_text("dlc.proof", json.dumps(proof)))
    with pytest.raises(ArtifactError, match="dlc does not write its answer `y` like this"):
        verify(path)


def test_inputs_larger_than_memory_are_not_drawn(tmp_path: Path) -> None:
    made = make("input x: float[T]\noutput y: float\nx -> sum -> y\n", tmp_path)
    proof = json.loads(made.metadata["dlc.proof"])
    proof["inputs"]["x"]["shape"] = [10**11]
    path = changed(made, tmp_path, with_text("dlc.proof", json.dumps(proof)))
    (why,) = refused(("verify", path))
    assert "of memory is free" in why


# --- outputs that differ from the metadata ----------------------------------------------------------------


def swapped(name: str, make_: Callable[[str], onnx.NodeProto]) -> Change:
    """Insert a node before an output."""

    def change(proto: onnx.ModelProto) -> None:
        last = next(n for n in proto.graph.node if n.output[0] == name)
        last.output[0] = f"{name} was"
        proto.graph.node.append(make_(f"{name} was"))
        for value in (v for v in proto.graph.output if v.name == name):
            value.type.tensor_type.ClearField("shape")

    return change


def test_outputs_outside_of_the_classes_are_an_error(tmp_path: Path) -> None:
    made = make(
        "input x: float[3]\noutput y: class(3)\nx -> dense(3) -> y\n"
        "train { metrics = [accuracy, confusion_matrix, f1, auroc] }\n",
        tmp_path,
    )
    far = numpy_helper.from_array(np.array(10**15), "far")
    change = swapped("y", lambda was: helper.make_node("Add", [was, "far"], ["y"]))
    path = changed(made, tmp_path, lambda proto: (change(proto), proto.graph.initializer.append(far)))
    (tmp_path / "rows.csv").write_text("x,x,x,y\n1,2,3,0\n4,5,6,2\n")
    (why,) = refused(("eval", path, tmp_path / "rows.csv"))
    assert "returns values of `y` that are not of its type: class" in why


def test_outputs_that_are_not_per_row_are_an_error(plain: Made, tmp_path: Path) -> None:
    change = swapped("z", lambda was: helper.make_node("ReduceMax", [was], ["z"], keepdims=0))
    path = changed(plain, tmp_path, change)
    rows = tmp_path / "rows.csv"
    for why in refused(("predict", path, rows), ("eval", path, rows)):
        assert "does not return one output for each row" in why


# --- valid use --------------------------------------------------------------------------------------------


def test_more_rows_than_fit_in_memory_are_predicted_in_parts(
    plain: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.default_rng(0).normal(size=(200_000, 3)).astype(np.float32)
    whole = dlc.load(plain.path).predict({"x": x})
    sizes: list[int] = []

    def counted(session: Any, feed: Any, longest: Any) -> Any:
        answers = run(session, feed, longest)
        sizes.append(len(feed["x"]))
        return answers

    monkeypatch.setattr(opened, "run", counted)
    monkeypatch.setattr(memory, "free", lambda: 8 << 20)
    found = dlc.load(plain.path).predict({"x": x})
    assert sum(sizes) == len(x)
    assert max(sizes) < len(x)
    assert found.keys() == whole.keys()
    for name, answers in whole.items():
        np.testing.assert_array_equal(found[name], answers)


def test_other_sessions_keep_their_memory_limit(plain: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit applies to the artifact, not to the process."""
    import onnxruntime

    monkeypatch.setattr(memory, "free", lambda: 4 << 20)
    dlc.load(plain.path)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.use_env_allocators", "1")
    theirs = onnxruntime.InferenceSession(str(plain.path), options, providers=["CPUExecutionProvider"])
    x = np.zeros((1_000_000, 3), np.float32)
    assert theirs.run(["z"], {"x": x})[0].shape == x.shape


# --- arbitrary changes ------------------------------------------------------------------------------------

ATOMS = st.one_of(
    st.none(), st.booleans(), st.text(max_size=5), st.floats(),
    st.sampled_from([-1, 0, 1, 2, 3, 2**31, 2**63, 10**12, 10**30, 10**400, "float", "class", "x", "O"]),
)  # fmt: skip
JSON = st.recursive(
    ATOMS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner)
)


def replaced(draw: st.DrawFn, value: Any) -> Any:
    """The same JSON with one value replaced."""
    if not isinstance(value, (dict, list)) or not value or draw(st.integers(0, 5)) == 0:
        return draw(JSON)
    copy = value.copy()
    place = draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
    if draw(st.integers(0, 5)) == 0:
        del copy[place]
    else:
        copy[place] = replaced(draw, value[place])
    return copy


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_metadata_gives_outputs_or_an_error(data: st.DataObject, strange: Path) -> None:
    proto = onnx.load(strange / "plain.onnx")
    keys = ["inputs", "outputs", "tensors", "columns", "lengths", "limits", "units", "ahead", "table", "text",
            "drop", "metrics", "parity", "proof", "params", "format"]  # fmt: skip
    key = f"dlc.{data.draw(st.sampled_from(keys))}"
    entry = next(p for p in proto.metadata_props if p.key == key)
    entry.value = json.dumps(data.draw(st.composite(lambda draw: replaced(draw, json.loads(entry.value)))()))
    use(proto.SerializeToString(), strange)


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_bytes_give_outputs_or_an_error(data: st.DataObject, strange: Path) -> None:
    content = bytearray((strange / "plain.onnx").read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    use(bytes(content), strange)


def test_names_of_dimensions_are_text(plain: Made, tmp_path: Path) -> None:
    content = plain.path.read_bytes()
    assert b"\x12\x05batch" in content  # a `dim_param`
    path = tmp_path / "strange.onnx"
    path.write_bytes(content.replace(b"\x12\x05batch", b"\x12\x05\x80atch"))
    with pytest.raises(ArtifactError):
        dlc.load(path)


@pytest.fixture(scope="module")
def strange(plain: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("strange")
    (folder / "plain.onnx").write_bytes(plain.path.read_bytes())
    (folder / "rows.csv").write_text(ROWS)
    return folder


def use(content: bytes, folder: Path) -> None:
    """Use an artifact in every way; only errors of dlc may be raised."""
    from dlc.compiler.diagnostics.problems import CompileError
    from dlc.runtime.artifact import evaluate
    from dlc.show.stored import program_of, read_metadata, spec_of

    path, rows = folder / "strange.onnx", folder / "rows.csv"
    path.write_bytes(content)
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    for act in (
        verify,
        lambda path: spec_of(read_metadata(path)),
        lambda path: program_of(read_metadata(path)),
        lambda path: evaluate.predict(dlc.load(path), rows),
        lambda path: evaluate.evaluate(dlc.load(path), rows),
    ):
        try:
            act(path)
        except (ArtifactError, CompileError):
            continue
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20  # kilobytes
    assert time.monotonic() - begun < SECONDS


# --- terminal escapes -------------------------------------------------------------------------------------

OBEYED = "\033[2J\x9b\u202e"


def named(entry: str, text: str) -> Change:
    """Replace a text of the metadata."""

    def change(proto: onnx.ModelProto) -> None:
        (found,) = (e for e in proto.metadata_props if e.key == f"dlc.{entry}")
        found.value = text

    return change


def twice(proto: onnx.ModelProto) -> None:
    for _ in range(2):
        entry = proto.metadata_props.add()
        entry.key = OBEYED


def domain(proto: onnx.ModelProto) -> None:
    proto.opset_import.add(domain=OBEYED, version=1)


def operator(proto: onnx.ModelProto) -> None:
    proto.graph.node[0].op_type = OBEYED


def renamed(proto: onnx.ModelProto) -> None:
    proto.graph.input[0].name = f"x{OBEYED}"
    for node in proto.graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = f"x{OBEYED}" if name == "x" else name
    (found,) = (e for e in proto.metadata_props if e.key == "dlc.inputs")
    found.value = json.dumps({f"x{OBEYED}": json.loads(found.value)["x"]})


@pytest.mark.parametrize(
    "change",
    [
        twice,
        domain,
        operator,
        beside(f"../{OBEYED}"),
        renamed,
        named("format", json.dumps(OBEYED)),
        named("inputs", json.dumps({"x": {"element": "float", "shape": [OBEYED]}})),
        named("inputs", json.dumps({"x": {"element": OBEYED}})),
    ],
)
def test_no_message_contains_terminal_escapes(plain: Made, tmp_path: Path, change: Change) -> None:
    with pytest.raises(ArtifactError) as error:
        dlc.load(changed(plain, tmp_path, change))(x=np.zeros((1, 2), "float32"))
    assert str(error.value).isprintable()


def test_an_untrusted_spec_is_harmless_on_a_terminal(
    plain: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = changed(plain, tmp_path, named("spec", f"a\n{OBEYED}\n"))
    show.command.main([str(path)], standalone_mode=False)
    assert "\u202e" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    show.command.main([str(path)], standalone_mode=False)
    assert capsys.readouterr().out == "a\n\\x1b[2J\\x9b\\u202e\n"
