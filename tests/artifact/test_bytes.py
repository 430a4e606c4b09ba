"""Reproducible artifacts: the same bytes for the same spec, data and seed, and no data of the machine."""

from __future__ import annotations

import getpass
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from artifacts import make

import dlc
from dlc.compiler.lower import onnx as to_onnx
from dlc.runtime.artifact.export import export

SPECS = Path(__file__).parents[2] / "specs"
TRAIN = "import sys, dlc; print(dlc.train(sys.argv[1], out='runs').model)"
EXPORT = (
    "import sys, dlc; from pathlib import Path; from dlc.runtime.artifact.export import export\n"
    "face = dlc.compile(sys.argv[1]); print(export(face.compiled, face.weights(), Path('out.onnx')).path)"
)
IRIS = """# Which iris is it?
input  sepal_length, sepal_width, petal_length, petal_width: float
output species: class(setosa, versicolor, virginica)

(sepal_length, sepal_width, petal_length, petal_width)
  -> concat -> standardize -> dense(8) -> relu -> dropout(0.1) -> dense(3) -> species

data {
  source   = builtin("iris")
  test     = 0.2
  stratify = species
}
train {
  epochs = 3
  batch  = 16
  seed   = 7
}
"""


def elsewhere(program: str, spec: Path, folder: Path, hash_seed: str) -> bytes:
    """The file that a separate process writes in its own folder."""
    folder.mkdir(parents=True)
    environment = os.environ | {
        "PYTHONHASHSEED": hash_seed,
        "TZ": "UTC" if hash_seed == "1" else "Asia/Tokyo",
    }
    command = [sys.executable, "-c", program, str(spec)]
    made = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert (made.returncode, made.stderr) == (0, "")
    return (folder / made.stdout.strip()).read_bytes()


def own_words(folder: Path) -> list[str]:
    """Words that identify this machine."""
    words = {
        str(folder),
        str(Path.home()),
        socket.gethostname(),
        sys.prefix,
        os.getcwd(),
        "site-packages",
        "/tmp",
    }
    if len(getpass.getuser()) > 4:
        words.add(getpass.getuser())
    return [w for w in words if len(w) > 3]


@pytest.mark.slow
def test_the_same_training_gives_the_same_bytes(tmp_path: Path) -> None:
    made = []
    for seed, name in enumerate(("one", "another/and deeper"), 1):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "iris.dl").write_text(IRIS, "utf-8")
        made.append(elsewhere(TRAIN, tmp_path / name / "iris.dl", tmp_path / f"runs of {name}", str(seed)))
    one, other = made
    assert one == other
    assert not [word for word in own_words(tmp_path) if word.encode() in one]
    assert not re.search(rb"20\d\d-\d\d-\d\d", one)


@pytest.mark.slow
def test_the_same_export_gives_the_same_bytes(tmp_path: Path) -> None:
    one, other = (elsewhere(EXPORT, SPECS / "lenet.dl", tmp_path / name, name) for name in "12")
    assert one == other
    assert not [word for word in own_words(tmp_path) if word.encode() in one]


@pytest.mark.slow
def test_free_dimensions_are_read_in_one_order(tmp_path: Path) -> None:
    (tmp_path / "m.dl").write_text("input x: float[H, W]\noutput y: float[H * W]\nx -> reshape(H * W) -> y\n")
    one, other = (elsewhere(EXPORT, tmp_path / "m.dl", tmp_path / name, name) for name in "12")
    assert one == other


def test_a_file_that_imports_is_named_from_the_spec(tmp_path: Path) -> None:
    (tmp_path / "parts" / "deep").mkdir(parents=True)
    (tmp_path / "parts" / "unit.dl").write_text(
        'import act from "deep/act.dl"\nblock unit(x; n) { return x -> dense(n) -> act() }\n'
    )
    (tmp_path / "parts" / "deep" / "act.dl").write_text("block act(x) { return relu(x) }\n")
    (tmp_path / "m.dl").write_text(
        'import unit from "parts/../parts/unit.dl"\ninput x: float[3]\noutput y: float[2]\n'
        "x -> unit(2) -> y\n"
    )
    face = dlc.compile(tmp_path / "m.dl")
    export(face.compiled, face.weights(), tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    assert [n.metadata_props[0].value for n in model.graph.node] == [
        "parts/unit.dl:2:32",
        "parts/deep/act.dl:1:23",
    ]
    assert str(tmp_path).encode() not in (tmp_path / "m.onnx").read_bytes()


def test_other_white_space_gives_the_same_graph(tmp_path: Path) -> None:
    text = "input x: float[3]\noutput y: float[2]\nx -> dense(2) -> y\n"
    one = make(text, tmp_path, weights={})
    other = make(text.replace(" -> ", "   ->  "), tmp_path, weights={})
    assert one.metadata["dlc.spec"] == other.metadata["dlc.spec"]
    for proto in (one.proto, other.proto):
        del proto.metadata_props[:]
        for node in proto.graph.node:
            del node.metadata_props[:]
    assert one.proto == other.proto


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    text = "input x: float[3]\noutput y: float[2]\nx -> dense(2) -> y\ntrain { seed = SEED }\n"
    one, other = (make(text.replace("SEED", seed), tmp_path, weights={}) for seed in "12")
    assert (one.stored["dense.weight"] != other.stored["dense.weight"]).any()


def test_the_model_in_memory_is_the_same(tmp_path: Path) -> None:
    made = make("input x: float[3]\noutput y: class(2)\nx -> dense(2) -> y\n", tmp_path)
    held = made.face.onnx(made.weights)
    assert isinstance(held, onnx.ModelProto)
    assert held.graph == made.proto.graph
    assert (held.opset_import, held.ir_version) == (made.proto.opset_import, made.proto.ir_version)


@pytest.mark.parametrize("size", [0, 1, 255])
def test_serializing_twice_gives_the_same_bytes(size: int) -> None:
    face = dlc.compile(text=f"input x: float[{size + 1}]\noutput y: float[2]\nx -> dense(2) -> y\n")
    from dlc.runtime.artifact.write import untrained

    models = [untrained(face.compiled, face.weights()) for _ in range(2)]
    assert to_onnx.serialize(models[0]) == to_onnx.serialize(models[1])
