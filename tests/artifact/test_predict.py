"""`Artifact.predict` with lists and arrays, with only ONNX Runtime, and its errors for invalid inputs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pyarrow as pa
import pytest
import torch
from artifacts import Made, make, random_weights

import dlc
from dlc.compiler.diagnostics.problems import CompileError
from dlc.runtime.artifact import Artifact, ArtifactError
from dlc.runtime.artifact.session import open_session
from dlc.runtime.errors import DeviceError

TEXT = """input colour: class(red, green)
input kind: class(3)
input size: float
input image: uint8[2, 2]
input series: float[T]
input mask: bool[T]
output answer: class(no, yes)
output total: float
h = size + sum(image) + sum(series * mask) + where(colour == 0, 1.0, 0.0) + where(kind == 2, 1.0, 0.0)
h -> total
concat(h, -h) -> answer
"""
ROWS: dict[str, Any] = {
    "colour": ["red", "green"],
    "kind": [0, 2],
    "size": [1, 2.5],
    "image": [[[0, 255], [1, 0]], [[0, 0], [0, 0]]],
    "series": [[1, 2, 3], [4, 5, 6]],
    "mask": [[True, False, True], [False, False, False]],
}


@pytest.fixture(scope="module")
def artifact(tmp_path_factory) -> Artifact:
    return dlc.load(make(TEXT, tmp_path_factory.mktemp("predict")).path)


def test_lists_are_predicted(artifact: Artifact) -> None:
    found = artifact.predict(ROWS)
    assert list(found) == ["answer", "answer_probabilities", "total"] or list(found)[:1] == ["answer"]
    assert found["total"].tolist() == [1 + 256 + 4 + 1, 2.5 + 1]
    assert found["answer"].tolist() == ["no", "no"]
    assert found["answer_probabilities"].shape == (2, 2)


@pytest.mark.parametrize(
    "arrays",
    [
        {"colour": np.array(["red", "green"])},
        {"colour": np.array([b"red", b"green"])},
        {"colour": np.array(["red", "green"], object)},
        {"colour": ("red", "green")},
        {"kind": np.array([0, 2], np.uint8)},
        {"kind": np.array([0.0, 2.0])},
        {"size": np.array([1, 2.5], np.float64)},
        {"size": np.array([1, 2.5], np.float16)},
        {"size": np.array([1, 2.5], ml_dtypes.bfloat16)},
        {"image": np.array(ROWS["image"], np.float64)},
        {"image": torch.tensor(ROWS["image"])},
        {"image": np.asfortranarray(np.array(ROWS["image"], np.uint8))},
        {"series": np.array(ROWS["series"], np.int64)[::1]},
        {"mask": [[1, 0, 1], [0, 0, 0]]},
        {"mask": [[1.0, 0.0, 1.0], [0, 0, 0]]},
    ],
    ids=lambda a: "-".join(f"{k}:{type(v).__name__}:{getattr(v, 'dtype', '')}" for k, v in a.items()),
)
def test_any_container_of_values_is_accepted(arrays: dict[str, Any], artifact: Artifact) -> None:
    assert artifact.predict(ROWS | arrays)["total"].tolist() == [262, 3.5]


def test_one_row_and_no_rows_are_predicted(artifact: Artifact) -> None:
    one = {name: rows[:1] for name, rows in ROWS.items()}
    assert artifact.predict(one)["total"].tolist() == [262]
    shapes = {
        "colour": (0,),
        "kind": (0,),
        "size": (0,),
        "image": (0, 2, 2),
        "series": (0, 3),
        "mask": (0, 3),
    }
    found = artifact.predict({n: np.zeros(s) for n, s in shapes.items()})
    assert found["total"].shape == (0,)


UNKNOWN: dict[str, tuple[dict[str, Any], str]] = {
    "another name": (
        {"colour": ["blue", "red"]},
        '1 of the 2 values of `colour` is not among its classes ("blue")',
    ),
    "a name and a missing one": (
        {"colour": ["blue", None]},
        '("blue"), 1 is missing: they count as class -1',
    ),
    "past the last place": ({"colour": [2, 0]}, 'not among its classes ("2")'),
    "yes for a name": ({"colour": [True, False]}, 'are not among its classes ("True", "False")'),
    "past the last number": ({"kind": [2**40, 3]}, '("1099511627776", "3")'),
    "below the first": ({"kind": [-1, 0]}, '1 of the 2 values of `kind` is not among its classes ("-1")'),
    "half a class": ({"kind": [0, 0.5]}, '("0.5")'),
    "an infinite one": ({"kind": [0, np.inf]}, '("inf")'),
    "text": ({"kind": ["2", "02"]}, '("02")'),
}  # fmt: skip


@pytest.mark.parametrize("case", UNKNOWN)
def test_an_unknown_value_is_class_minus_1(case: str, artifact: Artifact) -> None:
    change, message = UNKNOWN[case]
    with pytest.warns(UserWarning) as warned:
        found = artifact.predict(ROWS | change)
    assert [message in str(w.message) for w in warned] == [True]
    assert found["total"].shape == (2,)


def test_missing_classes_are_class_minus_1_without_a_warning(artifact: Artifact) -> None:
    rows = ROWS | {"colour": [None, float("nan")], "kind": [float("nan"), None]}
    assert artifact.predict(rows)["total"].tolist() == [261, 2.5]


def test_indices_stand_for_names(artifact: Artifact) -> None:
    assert artifact.predict(ROWS | {"colour": [0, 1]})["total"].tolist() == [262, 3.5]


@pytest.mark.parametrize("none", [[], (), np.zeros(0), np.array([], object), torch.zeros(0)], ids=repr)
def test_an_empty_list_stands_for_no_rows_of_any_shape(none: Any, artifact: Artifact) -> None:
    found = artifact.predict(dict.fromkeys(ROWS, none))
    shapes = {name: (answer.dtype.kind, answer.shape) for name, answer in found.items()}
    assert shapes == {"answer": ("O", (0,)), "answer_probabilities": ("f", (0, 2)), "total": ("f", (0,))}


def test_an_empty_batch_has_a_free_size_that_the_model_accepts(tmp_path: Path) -> None:
    text = "input x: float[2, T]\noutput y: float[3, T - 4]\nx -> conv(3, 5) -> y\n"
    made = make(text, tmp_path)
    assert dlc.load(made.path).predict({"x": []})["y"].shape[:2] == (0, 3)
    assert dlc.load(made.path).predict({"x": np.zeros((0, 2, 9))})["y"].shape == (0, 3, 5)
    assert dlc.load(made.path).predict({"x": np.zeros((0, 2, 0))})["y"].shape[:2] == (0, 3)
    with pytest.raises(ArtifactError, match=r"`x` takes \[batch, 2, T\], found \[0, 3, 9\]"):
        dlc.load(made.path).predict({"x": np.zeros((0, 3, 9))})


PROOFS = (
    {},
    [],
    {"inputs": 3},
    {"inputs": {"x": 3}},
    {"inputs": {"x": {"element": "float", "shape": [10**40] * 2}}},
)


@pytest.mark.parametrize("proof", PROOFS, ids=str)
def test_an_empty_batch_is_predicted_or_refused_for_any_proof(proof: Any, tmp_path: Path) -> None:
    made = make("input x: float[2, T]\noutput y: float[2, T]\nx -> relu -> y\n", tmp_path)
    next(p for p in made.proto.metadata_props if p.key == "dlc.proof").value = json.dumps(proof)
    onnx.save(made.proto, tmp_path / "lies.onnx")
    try:
        assert dlc.load(tmp_path / "lies.onnx").predict({"x": []})["y"].shape == (0, 2, 1)
    except ArtifactError as error:
        assert "not a possible array type" in str(error) or "not an artifact of dlc" in str(error)


WRONG = {
    "a missing input": (lambda r: r.pop("size"), "the input `size` is missing: the model takes colour, kind"),
    "an unknown input": (
        lambda r: r.update(sise=[1, 2]),
        "the model has no input `sise`: it takes colour, kind",
    ),
    "no batch": (lambda r: r.update(size=1.0), "`size` takes [batch], found []; the batch is the first axis"),
    "an axis too many": (lambda r: r.update(size=[[1.0], [2.0]]), "`size` takes [batch], found [2, 1]"),
    "another size": (
        lambda r: r.update(image=np.zeros((2, 2, 3))),
        "`image` takes [batch, 2, 2], found [2, 2, 3]",
    ),
    "text for numbers": (lambda r: r.update(size=["1", "two"]), '`size`, row 2: "two" is not a number'),
    "a decimal comma": (lambda r: r.update(size=["1", "1,5"]), "is not a number; it has a decimal comma"),
    "a missing number": (lambda r: r.update(size=[1, None]), "`size`, row 2: the value is missing"),
    "NaN": (lambda r: r.update(size=[np.nan, 1]), "`size`, row 1: the value is missing"),
    "infinity": (lambda r: r.update(size=[1, -np.inf]), "`size`, row 2: the value is infinite"),
    "complex numbers": (lambda r: r.update(size=[1, 2j]), "`size` takes float: values of complex128 are"),
    "dates": (
        lambda r: r.update(size=np.array(["2024-01-01", "2024-01-02"], "datetime64[D]")),
        'neither numbers nor text; `.astype("datetime64[s]").astype("int64")` converts them to seconds',
    ),
    "objects": (lambda r: r.update(size=[1, object()]), "is neither a number nor text"),
    "bytes that are not text": (
        lambda r: r.update(colour=[b"red", b"\xff"]),
        "`colour` takes class: a value is not text in UTF-8",
    ),
    "such bytes in an array": (
        lambda r: r.update(colour=np.array([b"red", b"\xff"])), "is not text in UTF-8",
    ),
    "half a character": (lambda r: r.update(colour=["red", "\ud800"]), "is not text in UTF-8"),
    "more than float64 holds": (lambda r: r.update(size=[1, 10**400]), "takes float: a number is too large"),
    "more digits than are written": (lambda r: r.update(size=[1, 10**5000]), "a number is too large"),
    "a huge integer with fractions": (lambda r: r.update(size=[0.5, 10**5000]), "a number is too large"),
    "a huge integer with text": (lambda r: r.update(colour=["red", 10**5000]), "a number is too large"),
    "a number past its range": (
        lambda r: r.update(image=np.full((2, 2, 2), 256)),
        "`image`, row 1: 256 does not fit uint8, which holds 0 to 255",
    ),
    "a negative number": (lambda r: r.update(image=np.full((2, 2, 2), -1)), "-1 does not fit uint8"),
    "a fraction": (lambda r: r.update(image=np.full((2, 2, 2), 0.5)), "0.5 is not a whole number"),
    "NaN for a whole number": (lambda r: r.update(image=np.full((2, 2, 2), np.nan)), "the value is missing"),
    "a float past its range": (
        lambda r: r.update(size=[1e300, 1]),
        "`size`, row 1: the value is too large for float32",
    ),
    "neither yes nor no": (lambda r: r.update(mask=[[2, 0, 0]] * 2), "`mask`, row 1: 2 is not 0 or 1"),
    "rows of different lengths": (
        lambda r: r.update(series=[[1, 2], [1]]),
        "`T` is 2 in `series` and 3 in `mask`, row 1",
    ),
    "a row of another length": (
        lambda r: r.update(image=[[[0, 1], [2, 3]], [[0, 1]]]),
        "`image`, row 2: its length is 1, and 2 is wanted",
    ),
    "steps of different shapes": (
        lambda r: r.update(image=[[[0, 1], [2]], [[0, 1]]]),
        "`image` takes uint8[2, 2]: its rows are not all of one shape",
    ),
    "other batches": (lambda r: r.update(size=[1.0]), "`batch` is 2 in `colour` and 1 in `size`"),
    "other lengths": (lambda r: r.update(mask=[[True]] * 2), "`T` is 3 in `series` and 1 in `mask`"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_invalid_inputs_are_reported(case: str, artifact: Artifact, capfd) -> None:
    change, message = WRONG[case]
    rows = dict(ROWS)
    change(rows)
    with pytest.raises(ArtifactError) as caught:
        artifact.predict(rows)
    assert message in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("given", [5, None, [1, 2], "rows.csv"], ids=repr)
def test_inputs_that_are_not_a_dict_are_an_error(given: Any, artifact: Artifact) -> None:
    with pytest.raises(TypeError, match=f"takes a dict of arrays or a frame, not {type(given).__name__}"):
        artifact.predict(given)


def test_arrow_text_that_is_not_utf8_is_an_error(tmp_path: Path) -> None:
    made = make("input c: class(red, green)\noutput y: float\nwhere(c == 1, 1.0, 0.0) -> y\n", tmp_path)
    text = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(bytes([0] * 4 + [1] + [0] * 3)), pa.py_buffer(b"\xff")]
    )
    with pytest.raises(CompileError, match='the frame given, column "c": it holds bytes that are not text'):
        dlc.load(made.path).predict(pa.table({"c": text}))


def test_errors_of_onnx_runtime_are_reported_in_one_line(tmp_path: Path) -> None:
    """Two lengths that contradict each other in a way that the declarations cannot express."""
    made = make(
        "input a: float[T]\ninput b: float[2 * T]\noutput y: float[2 * T]\nconcat(a, a) + b -> y\n", tmp_path
    )
    with pytest.raises(ArtifactError, match="cannot run these inputs") as caught:
        dlc.load(made.path).predict({"a": [[1, 2]], "b": [[1, 2, 3]]})
    assert "\n" not in str(caught.value)


def test_types_are_as_declared(artifact: Artifact) -> None:
    assert [str(t) for t in artifact.inputs.values()] == [
        "class",
        "class",
        "float",
        "uint8[2, 2]",
        "float[T]",
        "bool[T]",
    ]
    assert artifact.outputs["answer"].classes.names == ("no", "yes")
    assert artifact.inputs["kind"].classes.count == 3


def test_a_name_may_be_given_as_a_number(tmp_path: Path) -> None:
    made = make('input c: class("1", "2")\noutput y: float\nwhere(c == 1, 1.0, 0.0) -> y\n', tmp_path)
    assert dlc.load(made.path).predict({"c": [1, "2", np.int64(2)]})["y"].tolist() == [0, 1, 1]


# --- devices ----------------------------------------------------------------------------------------------


def test_a_missing_gpu_is_reported_in_one_line(tmp_path: Path) -> None:
    made = make("input x: float[2]\noutput y: float\nsum(x) -> y\n", tmp_path)
    program = (
        "import sys, dlc\nfrom dlc.runtime.errors import DeviceError\n"
        "try:\n    print(dlc.load(sys.argv[1], device='cuda').session.get_providers()[0])\n"
        "except DeviceError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, made.path], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    (line,) = done.stdout.splitlines()
    if torch.cuda.is_available():
        assert line == "CUDAExecutionProvider"
    else:
        assert line.startswith("ONNX Runtime could not use the GPU")


class Session:
    def __init__(self, providers: list[str]) -> None:
        self.providers = providers

    def get_providers(self) -> list[str]:
        return self.providers


@pytest.mark.parametrize("got", [["CUDAExecutionProvider", "CPUExecutionProvider"], ["CPUExecutionProvider"]])
def test_the_device_is_the_one_of_the_session(got: list[str], monkeypatch) -> None:
    """Not the devices that the package was built for."""
    import onnxruntime

    asked: list[list[str]] = []

    def session(source: bytes, options: Any, providers: list[str], **more: Any) -> Session:
        asked.append(providers)
        return Session(got)

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    monkeypatch.setattr(onnxruntime, "set_default_logger_severity", lambda level: None)
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    if len(got) == 2:
        assert open_session(b"", "cuda").get_providers() == got
    else:
        with pytest.raises(DeviceError):
            open_session(b"", "cuda")
    assert asked == [["CUDAExecutionProvider", "CPUExecutionProvider"]]
    assert open_session(b"", "cpu").get_providers() == got
    assert asked[-1] == ["CPUExecutionProvider"]


def test_an_unknown_device_is_an_error(tmp_path: Path) -> None:
    made: Made = make("input x: float[2]\noutput y: float\nsum(x) -> y\n", tmp_path)
    assert random_weights(made.face) == {}
    with pytest.raises(DeviceError, match="there is no device `tpu`: an artifact runs on `cpu` or `cuda`"):
        dlc.load(made.path, device="tpu")
