"""The metadata of an artifact, read with only ONNX Runtime, and the errors of files with false metadata."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from artifacts import Made, make, session
from click.testing import CliRunner

import dlc
from dlc.cli import commands
from dlc.compiler.diagnostics.source import Source
from dlc.program import Program
from dlc.runtime.artifact import ArtifactError, verify
from dlc.runtime.artifact.metadata import from_texts
from dlc.show.stored import read_metadata

SPEC = """# Which iris is it?
# Three of them.
param units = 8
input  sepal_length, sepal_width, petal_length, petal_width: float
output species: class(setosa, versicolor, virginica)

(sepal_length, sepal_width, petal_length, petal_width)
  -> concat -> standardize -> dense(units) -> relu -> dense(3) -> species

data {
  source = builtin("iris")
  test   = 0.2
}
train {
  epochs = 2
}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    return dlc.train(text=SPEC, params={"units": 4}, out=tmp_path_factory.mktemp("runs")).model


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Made:
    text = (
        "input x: float[3]\noutput y: class(a, b)\noutput z: float[2]\nh = x -> dense(2)\nh -> y\n"
        "tanh(h) -> z\n"
    )
    return make(text, tmp_path_factory.mktemp("small"))


def changed(made: Made, folder: Path, change: Callable[[onnx.ModelProto], Any]) -> Path:
    proto = onnx.ModelProto()
    proto.CopyFrom(made.proto)
    change(proto)
    (folder / "changed.onnx").write_bytes(proto.SerializeToString())
    return folder / "changed.onnx"


def with_entry(key: str, value: str) -> Callable[[onnx.ModelProto], None]:
    def change(proto: onnx.ModelProto) -> None:
        next(p for p in proto.metadata_props if p.key == f"dlc.{key}").value = value

    return change


# --- contents ---------------------------------------------------------------------------------------------


def test_a_plain_session_reads_all_metadata(trained: Path) -> None:
    opened = session(trained)
    metadata = opened.get_modelmeta().custom_metadata_map
    assert all(key.startswith("dlc.") for key in metadata)
    assert metadata["dlc.spec"] == SPEC
    assert json.loads(metadata["dlc.params"]) == {"units": 4}
    assert json.loads(metadata["dlc.outputs"])["species"]["names"] == ["setosa", "versicolor", "virginica"]
    assert json.loads(metadata["dlc.inputs"])["sepal_width"] == {
        "classes": None, "element": "float", "names": None, "shape": [],
    }  # fmt: skip
    figures = json.loads(metadata["dlc.figures"])
    assert {"train", "test"} == set(figures)
    assert 0 <= figures["test"]["accuracy"] <= 1
    assert len(metadata["dlc.fingerprint"]) >= 32
    assert {"dlc", "torch", "numpy"} <= set(json.loads(metadata["dlc.versions"]))
    parity = json.loads(metadata["dlc.parity"])
    assert 0 <= parity["worst"] <= parity["tolerance"]
    assert {"1 random rows", "2 random rows", "7 random rows", "0 random rows", "1 real rows"} <= set(
        parity["batches"]
    )
    proof = json.loads(metadata["dlc.proof"])
    assert set(proof["inputs"]) == {i.name for i in opened.get_inputs()}
    assert set(proof["answers"]) == {o.name for o in opened.get_outputs()}
    assert opened.get_modelmeta().description == "Which iris is it?\nThree of them."


def test_no_row_of_the_data_is_in_the_file(trained: Path) -> None:
    proof = json.loads(session(trained).get_modelmeta().custom_metadata_map["dlc.proof"])
    assert set(proof) == {"seed", "batch", "between", "inputs", "answers"}


def test_the_spec_in_it_compiles_to_the_same_graph(trained: Path) -> None:
    metadata = from_texts(session(trained).get_modelmeta().custom_metadata_map)
    again = Program(Source(f"{metadata.name}.dl", metadata.spec), Path(), metadata.params)
    artifact = onnx.load(trained)
    weights = {n: w for n, w in again.fit().weights().items()}
    remade = again.onnx(weights)
    assert len(remade.graph.node) == len(artifact.graph.node)
    assert [*remade.graph.node] == [*artifact.graph.node]
    assert (remade.graph.input, remade.graph.output) == (artifact.graph.input, artifact.graph.output)


def test_imports_are_in_it(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "unit.dl").write_text("block unit(x; n) { return x -> dense(n) -> relu }\n")
    (tmp_path / "m.dl").write_text(
        'import unit from "parts/unit.dl"\ninput x: float[3]\noutput y: float[2]\nx -> unit(2) -> y\n'
    )
    from dlc.runtime.artifact.export import export

    face = dlc.compile(tmp_path / "m.dl")
    export(face.compiled, face.weights(), tmp_path / "m.onnx")
    metadata = dlc.load(tmp_path / "m.onnx").metadata
    assert metadata.imports == {"parts/unit.dl": (tmp_path / "parts" / "unit.dl").read_text()}
    again = Program(
        Source("m.dl", metadata.spec), Path("/nowhere"), metadata.params,
        read=lambda importing, path: Source(path, metadata.imports[path]),
    )  # fmt: skip
    assert [*again.onnx().graph.node] == [*face.onnx().graph.node]


def test_inputs_in_the_metadata_are_those_of_the_file(tmp_path: Path) -> None:
    made = make(
        "input x: float[3]\ninput t: float[3]\noutput y: float[3]\nx -> dense(3) -> y\n"
        "train { loss = mse(y, t) }\n",
        tmp_path,
    )
    assert set(json.loads(made.metadata["dlc.inputs"])) == {"x"}


# --- verify -----------------------------------------------------------------------------------------------


def test_an_unchanged_artifact_is_verified(trained: Path, small: Made) -> None:
    for path in (trained, small.path):
        found = verify(path)
        assert found.holds
        assert found.worst <= found.tolerance


def test_a_tampered_weight_is_found(small: Made, tmp_path: Path) -> None:
    def bend(proto: onnx.ModelProto) -> None:
        weight = next(t for t in proto.graph.initializer if t.name == "dense.weight")
        weight.CopyFrom(
            onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight) + np.float32(0.01), weight.name)
        )

    found = verify(changed(small, tmp_path, bend))
    assert not found.holds
    assert "z" in found.wrong


@pytest.mark.parametrize("step", [1e-7, 1e-9])
def test_a_changed_weight_without_effect_on_outputs_is_found(
    step: float, small: Made, tmp_path: Path
) -> None:
    def bend(proto: onnx.ModelProto) -> None:
        weight = next(t for t in proto.graph.initializer if t.name == "dense.weight")
        array = onnx.numpy_helper.to_array(weight).copy()
        array[0, 0] = np.nextafter(array[0, 0], np.float32(9), dtype=np.float32)
        weight.CopyFrom(onnx.numpy_helper.from_array(array, weight.name))

    with pytest.raises(ArtifactError, match="was changed after it was proved"):
        verify(changed(small, tmp_path, bend))


CHANGES = {
    "another spec": with_entry("spec", "input x: float[3]\noutput y: class(a, b)\nx -> dense(2) -> y\n"),
    "other figures": with_entry("figures", '{"test": {"accuracy": 1.0}}'),
    "another fingerprint": with_entry("fingerprint", "0" * 64),
    "the placeholder of the digest": with_entry("digest", "0" * 64),
    "no digest": with_entry("digest", ""),
    "something new": lambda proto: proto.metadata_props.add(key="note", value="trained on everything"),
    "another description": lambda proto: setattr(proto, "doc_string", "the best model"),
    "another place": lambda proto: setattr(proto.graph.node[0].metadata_props[0], "value", "text.dl:9:9"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_other_change_is_found(change: str, small: Made, tmp_path: Path) -> None:
    path = changed(small, tmp_path, CHANGES[change])
    session(path)  # ONNX Runtime loads it
    with pytest.raises(ArtifactError, match="was changed after it was proved"):
        verify(path)


def test_a_copy_with_another_name_is_verified(small: Made, tmp_path: Path) -> None:
    (tmp_path / "copy.onnx").write_bytes(small.path.read_bytes())
    assert verify(tmp_path / "copy.onnx").holds


def test_swapped_names_are_found(small: Made, tmp_path: Path) -> None:
    def swap(proto: onnx.ModelProto) -> None:
        names = next(t for t in proto.graph.initializer if list(t.string_data) == [b"a", b"b"])
        names.string_data[:] = [b"b", b"a"]

    assert verify(changed(small, tmp_path, swap)).wrong == ("y",)


def test_a_model_without_a_proof_is_an_error(small: Made, tmp_path: Path) -> None:
    onnx.save(small.face.onnx(), tmp_path / "held.onnx")
    assert dlc.load(tmp_path / "held.onnx").predict({"x": [[1, 2, 3]]})["z"].shape == (1, 2)
    with pytest.raises(ArtifactError, match="holds no proof"):
        verify(tmp_path / "held.onnx")


# --- false metadata ---------------------------------------------------------------------------------------

DEEP = "[" * 100_000
HUGE = 10**12


def proof_with(**changes: Any) -> Callable[[onnx.ModelProto], None]:
    def change(proto: onnx.ModelProto) -> None:
        entry = next(p for p in proto.metadata_props if p.key == "dlc.proof")
        entry.value = json.dumps(json.loads(entry.value) | changes)

    return change


def type_of(**changes: Any) -> dict[str, Any]:
    return {"element": "float", "shape": [3], "classes": None, "names": None} | changes


UNREADABLE = {
    "no JSON": with_entry("inputs", "{"),
    "deep JSON": with_entry("figures", DEEP),
    "JSON of another kind": with_entry("inputs", "[1, 2]"),
    "a number for a type": with_entry("inputs", '{"x": 3}'),
    "no element": with_entry("inputs", '{"x": {"shape": [3]}}'),
    "an unknown element": with_entry("inputs", json.dumps({"x": type_of(element="pickle")})),
    "an element that is a list": with_entry("inputs", json.dumps({"x": type_of(element=["float"])})),
    "a shape of floats": with_entry("inputs", json.dumps({"x": type_of(shape=[1.5])})),
    "a negative shape": with_entry("inputs", json.dumps({"x": type_of(shape=[-3])})),
    "a class without classes": with_entry("inputs", json.dumps({"x": type_of(element="class")})),
    "invalid names": with_entry(
        "outputs", json.dumps({"y": type_of(element="class", classes=2, names=[1, 2])})
    ),
    "ignored values that are no list": with_entry("outputs", json.dumps({"y": type_of(ignore=3)})),
    "an ignored value without end": with_entry("outputs", json.dumps({"y": type_of(ignore=[10**30])})),
    "an ignored value that is not a number": with_entry(
        "outputs", '{"y": {"element": "float", "shape": [], "ignore": [NaN]}}'
    ),
    "other inputs": with_entry("inputs", json.dumps({"other": type_of()})),
    "no inputs": with_entry("inputs", "{}"),
    "metrics that are numbers": with_entry("metrics", '{"y": 3}'),
    "a format of the future": with_entry("format", "99"),
    "a format that is text": with_entry("format", '"1"'),
    "a long number": with_entry("format", "1" * 10_000),
    "params that are a list": with_entry("params", "[]"),
    "parity that is text": with_entry("parity", '"fine"'),
}
UNPROVED = {
    "an empty proof": with_entry("proof", "{}"),
    "a huge batch": proof_with(batch=HUGE),
    "a batch that is text": proof_with(batch="many"),
    "a negative batch": proof_with(batch=-1),
    "an infinite batch": proof_with(batch=float("inf")),
    "a negative seed": proof_with(seed=-1),
    "huge inputs": proof_with(inputs={"x": type_of(shape=[HUGE])}),
    "inputs of many huge axes": proof_with(inputs={"x": type_of(shape=[10**9] * 50)}),
    "inputs of free size": proof_with(inputs={"x": type_of(shape=["T"])}),
    "inputs of another size": proof_with(inputs={"x": type_of(shape=[4])}),
    "inputs of another name": proof_with(inputs={"u": type_of()}),
    "inputs of another element": proof_with(inputs={"x": type_of(element="uint8")}),
    "classes without end": proof_with(inputs={"x": type_of(element="class", classes=HUGE)}),
    "no inputs": proof_with(inputs={}),
    "inputs that are a list": proof_with(inputs=[]),
    "text as input": proof_with(inputs={"x": type_of(element="string")}),
    "a list as range": proof_with(between=[]),
    "no answers": proof_with(answers={}),
    "answers that are numbers": proof_with(answers={"y": 1, "z": 2}),
    "answers of another output": proof_with(answers={"w": {}}),
    "a pickle": proof_with(
        answers={"y": {"shape": [2], "step": 1, "dtype": "O", "data": "gASVCgAAAAAAAAB9lC4="}}
    ),
    "an odd element": proof_with(answers={"y": {"shape": [2], "step": 1, "dtype": "M8[s]", "data": ""}}),
    "no base64": proof_with(answers={"y": {"shape": [2], "step": 1, "dtype": "int64", "data": "???"}}),
    "half a number": proof_with(answers={"y": {"shape": [2], "step": 1, "dtype": "int64", "data": "AAAA"}}),
    "a step of 0": proof_with(
        answers={
            "y": {"shape": [2], "step": 0, "dtype": "int64", "data": base64.b64encode(bytes(16)).decode()}
        }
    ),
    "names of unknown classes": proof_with(
        answers={
            "y": {
                "shape": [2],
                "step": 1,
                "dtype": "int64",
                "data": base64.b64encode(b"\x7f" * 16).decode(),
                "names": ["a"],
            }
        }
    ),
}


@pytest.mark.parametrize("lie", UNREADABLE)
def test_false_metadata_is_refused(lie: str, small: Made, tmp_path: Path) -> None:
    path = changed(small, tmp_path, UNREADABLE[lie])
    for use in (dlc.load, verify):
        with pytest.raises(ArtifactError, match=r"changed\.onnx is not an artifact of dlc: it") as caught:
            use(path)
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize("text", [b"output y", b"dlc.parity", b'"element"', b"worst", b"text"])
def test_metadata_that_is_not_utf_8_is_refused(text: bytes, small: Made, tmp_path: Path) -> None:
    content, path = small.path.read_bytes(), tmp_path / "changed.onnx"
    place = content.rindex(text)
    path.write_bytes(content[:place] + b"\xff" + content[place + 1 :])
    message = f"{path} is not an artifact of dlc: it holds a text that is not in UTF-8"
    for use in (dlc.load, verify, read_metadata):
        with pytest.raises(ArtifactError) as caught:
            use(path)
        assert str(caught.value) == message
    rows = tmp_path / "rows.csv"
    rows.write_text("x,x,x\n1,2,3\n")
    for command in (["show", path], ["verify", path], ["eval", path, rows], ["predict", path, rows]):
        done = CliRunner().invoke(commands, [str(a) for a in command])
        assert (done.exit_code, done.stderr) == (1, f"error: {message}\n")


def test_names_that_are_not_utf_8_are_refused(small: Made, tmp_path: Path) -> None:
    content, path = small.path.read_bytes(), tmp_path / "changed.onnx"
    path.write_bytes(content.replace(b"dense.weight", b"\xffense.weight", 1))
    with pytest.raises(ArtifactError, match=r"changed\.onnx .*: a text in it is not UTF-8"):
        verify(path)


@pytest.mark.parametrize("lie", UNPROVED)
@pytest.mark.filterwarnings("error")
def test_a_false_proof_is_refused(lie: str, small: Made, tmp_path: Path) -> None:
    path = changed(small, tmp_path, UNPROVED[lie])
    with pytest.raises(ArtifactError, match=r"changed\.onnx") as caught:
        verify(path)
    assert len(str(caught.value)) < 400


def test_a_model_of_another_tool_is_refused(small: Made, tmp_path: Path) -> None:
    def strip(proto: onnx.ModelProto) -> None:
        del proto.metadata_props[:]

    with pytest.raises(ArtifactError, match="it holds no spec: dlc did not write it"):
        dlc.load(changed(small, tmp_path, strip))


def test_files_that_are_not_models_are_refused(small: Made, tmp_path: Path, capfd) -> None:
    content = small.path.read_bytes()
    rng = random.Random(0)
    cases = [
        b"",
        b"\0" * 100,
        b"PK\3\4",
        b"{}",
        rng.randbytes(5000),
        *(content[: len(content) * k // 7] for k in range(1, 7)),
    ]
    path = tmp_path / "broken.onnx"
    for case in cases:
        path.write_bytes(case)
        for use in (dlc.load, verify):
            with pytest.raises(ArtifactError, match=r"broken\.onnx"):
                use(path)
    for place, reason in (
        (tmp_path, "is a folder, and there is no file model.onnx in it"),
        (tmp_path / "no.onnx", "there is no file"),
    ):
        with pytest.raises(ArtifactError, match=reason):
            dlc.load(place)
    assert capfd.readouterr() == ("", "")


def test_any_flipped_byte_is_an_error_or_reported(small: Made, tmp_path: Path) -> None:
    content = bytearray(small.path.read_bytes())
    rng = random.Random(1)
    path = tmp_path / "flipped.onnx"
    for place in rng.sample(range(len(content)), 60):
        flipped = content.copy()
        flipped[place] ^= 1 << rng.randrange(8)
        path.write_bytes(flipped)
        try:
            assert not verify(path).holds
        except ArtifactError:
            continue
