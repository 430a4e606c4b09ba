"""`load(path, name)`: tensors of npz and safetensors files as constants and as initial values."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from safetensors.numpy import load_file, save_file

import dlc
from dlc.compiler import CompileError
from dlc.runtime import loaded_tensors, pretrained
from dlc.runtime.run_spec import read_spec

WORDS = np.random.default_rng(0).normal(size=(6, 4))
SPEC = """
input  word: class(6)
output kind: class(2)

weight mix: float[4, 4] = load("mix.safetensors", "mix")

(word -> embedding(4, weight=load("words.npz", "words"))) @ mix -> dense(2) -> kind

data { source = table([[0, 0], [1, 1], [2, 0], [3, 1], [4, 0], [5, 1]], columns=["word", "kind"]) }
train { epochs = 2 }
"""
SMALL = 'input  x: float[3]\noutput y: float[3]\n\nx + load("{}", "{}") -> y\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.savez(tmp_path / "words.npz", words=WORDS, numbers=np.arange(3), names=np.array(["a", "b"]))
    save_file({"mix": np.eye(4, dtype=np.float32)}, tmp_path / "mix.safetensors")
    (tmp_path / "spec.dl").write_text(SPEC)
    return tmp_path


def small(folder: Path, file: str, name: str) -> dlc.Program:
    (folder / "small.dl").write_text(SMALL.format(file, name))
    return dlc.compile(folder / "small.dl")


def error(folder: Path, file: str, name: str) -> str:
    with pytest.raises(CompileError) as raised:
        small(folder, file, name)
    (found,) = raised.value.diagnostics
    return f"{found.code} {found.message}; {found.help}"


# --- the story of a training ------------------------------------------------------------------------------


def test_a_constant_of_a_file_is_used_and_not_learnt(folder: Path) -> None:
    result = dlc.train(folder / "spec.dl", out=folder / "runs", device="cpu")
    words = WORDS.astype(np.float32)
    assert np.array_equal(result.weights["load"], words)
    assert not np.array_equal(result.weights["mix"], np.eye(4))
    parameters = dict(dlc.compile(folder / "spec.dl").torch("train").named_parameters())
    assert [*parameters] == ["mix", "dense.weight", "dense.bias"]

    model = onnx.load(result.model)
    stored = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    assert np.array_equal(stored["load"], words)
    w, given = result.weights, np.arange(6)
    scores = torch.from_numpy(words @ w["mix"] @ w["dense.weight"].T + w["dense.bias"])
    session = onnxruntime.InferenceSession(result.model)
    for made in (session.run(None, {"word": given}), ReferenceEvaluator(model).run(None, {"word": given})):
        torch.testing.assert_close(torch.from_numpy(made[1]), scores.softmax(1))


def test_a_run_needs_the_file_no_longer(folder: Path) -> None:
    result = dlc.train(folder / "spec.dl", out=folder / "runs", device="cpu")
    content = result.model.read_bytes()
    for file in ("words.npz", "mix.safetensors"):
        (folder / file).unlink()
    again = folder / "again.onnx"
    command = [sys.executable, "-m", "dlc", "export", str(result.folder), "-o", str(again)]
    subprocess.run(command, check=True, capture_output=True)
    assert again.read_bytes() == content
    assert np.array_equal(load_file(result.folder / "weights.safetensors")["load"], WORDS.astype(np.float32))


def test_the_tensors_are_part_of_the_fingerprint(folder: Path) -> None:
    def fingerprint() -> str:
        result = dlc.train(folder / "spec.dl", out=folder / "runs", device="cpu")
        return json.loads((result.folder / "data.json").read_text())["fingerprint"]

    first = fingerprint()
    assert fingerprint() == first
    np.savez(folder / "words.npz", words=WORDS + 1)
    assert fingerprint() != first


def test_weights_of_a_run_do_not_replace_constants(folder: Path) -> None:
    """The file that the spec names may have changed since the run, or hold another table."""
    before = dlc.train(folder / "spec.dl", out=folder / "runs", device="cpu")
    np.savez(folder / "words.npz", words=WORDS[:, :3] + 1)
    text = SPEC.replace("embedding(4", "embedding(3").replace("@ mix", "@ mix[:3]")
    text = text.replace("epochs = 2", 'epochs = 1\n  freeze = mix\n  weights = load("runs/spec/latest")')
    (folder / "more.dl").write_text(text)
    after = dlc.train(folder / "more.dl", out=folder / "runs", device="cpu")
    assert np.array_equal(after.weights["load"], (WORDS[:, :3] + 1).astype(np.float32))
    assert np.array_equal(after.weights["mix"], before.weights["mix"])


def test_fitted_operators_may_follow_constants(folder: Path) -> None:
    """In a net that an average net follows."""
    text = (
        'input x: float64[4]\noutput y: float\nnet g(x) {\n  return (x - load("words.npz", "words")[0]) * '
        '(load("words.npz", "numbers")[2] + 1) -> standardize -> dense(1)\n}\nnet h = average(g)\n'
        "g(x) -> y\ntrain { loss = mse(y) + mse(y, h(x))\nepochs = 1 }\n"
    )
    (folder / "fitted.dl").write_text(text)
    x = 1e9 + np.random.default_rng(1).normal(size=(30, 4))
    result = dlc.train(folder / "fitted.dl", data={"x": x, "y": x.sum(1) - 4e9}, out=folder, device="cpu")
    (of_g, _) = own = [a for name, a in result.weights.items() if name.endswith("standardize.mean")]
    np.testing.assert_allclose(of_g, 3 * (x - WORDS[0]).mean(0), rtol=1e-12)
    np.testing.assert_array_equal(*own)


def test_a_path_in_an_imported_file_is_relative_to_that_file(folder: Path) -> None:
    (folder / "nets").mkdir()
    (folder / "nets" / "table.dl").write_text(
        'block table(w) { return w -> embedding(4, weight=load("../words.npz", "words")) }\n'
    )
    (folder / "own.dl").write_text(
        'import table from "nets/table.dl"\ninput word: class(6)\noutput y: float[4]\n'
        "(word -> table) - 2 * (word -> table) -> y\n"
    )
    program = dlc.compile(folder / "own.dl")
    assert [*program.weights()] == ["load"]  # uses share it
    copy = pickle.loads(pickle.dumps(program))
    made = copy.torch()({"word": torch.arange(6)})["y"]
    torch.testing.assert_close(made, torch.from_numpy(-WORDS.astype(np.float32)))


def test_given_weights_may_replace_a_constant(folder: Path) -> None:
    program = dlc.compile(folder / "spec.dl")
    assert np.array_equal(program.weights({"load": np.zeros((6, 4))})["load"], np.zeros((6, 4)))


def test_a_weight_file_may_leave_out_constants(folder: Path) -> None:
    program = dlc.compile(folder / "spec.dl")
    trained = {name: array + 1 for name, array in program.weights().items() if name != "load"}
    save_file(trained, folder / "trained.safetensors")
    weights = pretrained.weights_at(folder / "trained.safetensors", program.compiled, folder)
    assert np.array_equal(weights["load"], WORDS.astype(np.float32))
    assert np.array_equal(weights["mix"], np.eye(4) + 1)

    loading = SPEC.replace("epochs = 2", 'epochs = 1\n  weights = load("trained.safetensors")')
    (folder / "spec.dl").write_text(loading)
    result = dlc.train(folder / "spec.dl", out=folder / "runs", device="cpu")
    assert np.array_equal(result.weights["load"], WORDS.astype(np.float32))
    assert np.abs(result.weights["mix"] - trained["mix"]).max() < 0.01


# --- elements ---------------------------------------------------------------------------------------------

ELEMENTS = {
    "float16": np.float16, "float32": np.float32, "float64": np.float64, "bfloat16": ml_dtypes.bfloat16,
    "int8": np.int8, "uint16": np.uint16, "int64": np.int64, "bool": np.bool_, "big": np.dtype(">f4"),
}  # fmt: skip


@pytest.mark.parametrize("element", ELEMENTS)
def test_floats_are_converted_to_float32_and_integers_to_int64(element: str, tmp_path: Path) -> None:
    array = np.array([0, 1, 1]).astype(ELEMENTS[element])
    if element != "bfloat16":
        np.savez(tmp_path / "a.npz", array)
    if element != "big":
        save_file({"arr_0": array}, tmp_path / "a.safetensors")
    for file in tmp_path.iterdir():
        program = small(tmp_path, file.name, "arr_0")
        x = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
        made = program.torch()({"x": torch.from_numpy(x)})["y"].numpy()
        session = onnxruntime.InferenceSession(program.onnx().SerializeToString())
        assert np.array_equal(made, x + np.array([0, 1, 1], np.float32))
        assert np.array_equal(session.run(None, {"x": x})[0], made)


WHOLE = """
input  x: float[3]
output y: float
h = x -> dense(3)
where(load("a.npz", "mask"), h, 0) * (load("a.npz", "index") + [1, 2, 3]) -> dense(1) -> y
data { source = npz("rows.npz") }
train {
  epochs = 1
  precision = PRECISION
}
"""


@pytest.mark.parametrize("precision", ["float32", "bf16", "float64"])
def test_integers_and_booleans_keep_their_elements_in_a_run(precision: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", index=np.array([2, 0, 1]), mask=np.array([True, False, True]))
    x = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    np.savez(tmp_path / "rows.npz", x=x, y=x[:, 0])
    (tmp_path / "a.dl").write_text(WHOLE.replace("PRECISION", precision))
    result = dlc.train(tmp_path / "a.dl", out=tmp_path, device="cpu")
    (tmp_path / "a.npz").unlink()
    spec = read_spec(result.folder)
    kept = dlc.Program(spec.source, result.folder, spec.params, spec.facts, spec.read)
    stored = pretrained.weights_at(result.folder / "weights.safetensors", kept.compiled, result.folder)
    elements = {name: array.dtype.name for name, array in stored.items() if name.startswith("load")}
    assert elements == {"load": "bool", "load_2": "int64"}
    w = result.weights
    hidden = np.where([True, False, True], x @ w["dense.weight"].T + w["dense.bias"], 0) * [3, 2, 4]
    wanted = hidden @ w["dense_2.weight"][0] + w["dense_2.bias"]
    answers = onnxruntime.InferenceSession(result.model).run(None, {"x": x})[0]
    np.testing.assert_allclose(answers, wanted, rtol=1e-4, atol=1e-5)
    with pytest.raises(CompileError, match="holds numbers that are not integers"):
        kept.weights({"load_2": np.array([0.5, 1, 2])})
    with pytest.raises(CompileError, match="`load` holds float64 instead of bool"):
        kept.weights({"load": np.array([0.5, 1, 2])})


def test_an_offset_of_a_file_is_subtracted_in_float64(tmp_path: Path) -> None:
    start = np.array([1.7e9 + 0.5, 1.7e9 + 0.75])
    np.savez(tmp_path / "a.npz", start=start)
    text = 'input t: int64[2]\noutput y: float[2]\n\n(t - load("a.npz", "start")) * 2 -> y\n'
    (tmp_path / "a.dl").write_text(text)
    program = dlc.compile(tmp_path / "a.dl")
    t = np.array([[1_700_000_001, 1_700_000_003]])
    wanted = ((t - start) * 2).astype(np.float32)
    assert np.array_equal(program.torch()({"t": torch.from_numpy(t)})["y"].numpy(), wanted)
    session = onnxruntime.InferenceSession(program.onnx().SerializeToString())
    assert np.array_equal(session.run(None, {"t": t})[0], wanted)
    assert {w.name: w.value.type.element for w in program.compiled.graph.weights} == {
        "load_float64": "float64"
    }


# --- errors -----------------------------------------------------------------------------------------------


def test_a_missing_file_or_tensor_is_an_error_with_the_nearest_name(folder: Path) -> None:
    assert error(folder, "word.npz", "words") == (
        'E0808 word.npz cannot be read: there is no such file; write `"words.npz"`'
    )
    assert error(folder, "words.npz", "word") == 'E0808 words.npz holds no tensor "word"; write `"words"`'
    assert error(folder, "words.npz", "zebra").endswith("it holds `words`, `numbers`, `names`")
    assert error(folder, "words.npz", "names").startswith(
        'E0808 words.npz cannot be read: "names" holds text'
    )
    assert error(folder, "words.txt", "words").startswith("E0403 expected the path of an npz or safetensors")
    assert error(folder, "words.npz", "words").startswith("E0203 these two cannot be added")


def test_a_damaged_file_is_an_error(folder: Path) -> None:
    content = (folder / "words.npz").read_bytes()
    (folder / "half.npz").write_bytes(content[: len(content) // 2])
    (folder / "half.safetensors").write_bytes((folder / "mix.safetensors").read_bytes()[:20])
    (folder / "long.safetensors").write_bytes(b"\xff" * 8 + b"{}")
    for file in ("half.npz", "half.safetensors", "long.safetensors"):
        assert error(folder, file, "words").startswith(f"E0808 {file} cannot be read: it is not a")
    (folder / "folder.npz").mkdir()
    assert error(folder, "folder.npz", "a").startswith("E0808 folder.npz is a folder")


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_compression_that_numpy_does_not_write_is_an_error(method: int, folder: Path) -> None:
    with (
        zipfile.ZipFile(folder / "words.npz") as stored,
        zipfile.ZipFile(folder / "packed.npz", "w", compression=method) as archive,
    ):
        archive.writestr("words.npy", stored.read("words.npy"))
    assert "a compression that NumPy does not write" in error(folder, "packed.npz", "words")
    with pytest.raises(ValueError, match="a compression that NumPy does not write"):
        loaded_tensors.read(folder / "packed.npz", "words")


class Opens:
    """Its pickle creates a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_nothing_of_a_file_is_executed(folder: Path) -> None:
    np.savez(folder / "evil.npz", a=np.array([Opens(folder / "opened")], object))
    assert "holds Python objects" in error(folder, "evil.npz", "a")
    assert not (folder / "opened").exists()


def test_a_header_that_announces_too_much_is_refused_before_memory_is_allocated(folder: Path) -> None:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (100000, 90000), }".ljust(117) + b"\n"
    with zipfile.ZipFile(folder / "lie.npz", "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(CompileError, match="cannot be added: float\\[3\\] and float\\[100000, 90000\\]"):
        small(folder, "lie.npz", "a")
    with pytest.raises(ValueError, match="ends too early"):
        loaded_tensors.read(folder / "lie.npz", "a")


def test_a_file_that_has_changed_since_the_check_is_an_error(folder: Path) -> None:
    np.savez(folder / "a.npz", a=np.ones(3))
    program = small(folder, "a.npz", "a")
    for changed, why in (
        (np.ones(4), "has the shape \\[4\\] now"),
        (np.array([1, np.nan, 1]), "is not finite"),
        (np.array([1, 1e39, 1]), "the maximum of float32"),
    ):
        np.savez(folder / "a.npz", a=changed)
        with pytest.raises(CompileError, match=why):
            program.torch()
    (folder / "a.npz").unlink()
    with pytest.raises(CompileError, match="no such file"):
        program.torch()


def test_a_tensor_that_is_gone_since_the_check_is_an_error(folder: Path) -> None:
    save_file({"a": np.ones(3)}, folder / "a.safetensors")
    program = small(folder, "a.safetensors", "a")
    save_file({"b": np.ones(3)}, folder / "a.safetensors")
    with pytest.raises(CompileError, match='it holds no tensor "a" now'):
        program.torch()


def test_check_imports_no_numpy(folder: Path) -> None:
    (folder / "small.dl").write_text(SMALL.format("words.npz", "numbers"))
    script = (
        "import sys; from dlc.compiler import *; from dlc.compiler import tensor_reader\n"
        f"folder = {str(folder)!r}\n"
        "compile(read_source(folder + '/small.dl'), type_in=tensor_reader(folder))\n"
        "assert 'numpy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
