"""Python arguments for numbers, texts and paths: conversions of valid values, and errors for others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import dlc
from dlc.runtime.artifact import ArtifactError, verify

SPEC = """param units = 4
param rate = 0.1
param name = "a"
param flag = true
param sizes = [1, 2]
param anything = none
input x: float[2]
output y: float
x -> dense(units) -> dense(1) -> y
train {
  optimizer = sgd(rate)
  epochs    = 1
}
"""
ROWS = {"x": np.ones((4, 2)), "y": np.ones(4)}
ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)
NO_TEXT = "\udcff"


@pytest.mark.parametrize(("name", "given", "taken"), [
    ("units", np.int64(8), 8), ("units", np.uint8(8), 8), ("units", np.array(8), 8),
    ("units", torch.tensor(8), 8), ("rate", np.float32(0.5), 0.5), ("rate", np.int64(1), 1.0),
    ("name", np.str_("b"), "b"), ("name", Path("b.csv"), "b.csv"), ("flag", np.bool_(False), False),
    ("sizes", np.array([3, 4]), [3, 4]), ("sizes", [np.int64(3)], [3]), ("sizes", (3,), [3]),
    ("anything", None, None), ("anything", np.float64(1.5), 1.5),
])  # fmt: skip
def test_numpy_values_are_converted_to_python(name: str, given: object, taken: object) -> None:
    found = dlc.compile(text=SPEC, params={name: given}).compiled.params[name]
    assert (found, type(found)) == (taken, type(taken))


@pytest.mark.parametrize(("name", "given", "message"), [
    ("units", b"8", "a param is a number, text, true, false or a list, and `units` was set to a `bytes`"),
    ("units", None, "`units` was set to `none`, and its own value is `4`"),
    ("units", np.float32(8), "`units` was set to `8.0`, and its own value is `4`"),
    ("units", np.bool_(True), "`units` was set to `true`, and its own value is `4`"),
    ("units", 10**400, "`units` was set to a whole number of more than 30 digits"),
    ("rate", 10**400, "`rate` was set to a whole number of more than 30 digits"),
    ("rate", float("nan"), "`rate` was set to `nan`"), ("rate", np.inf, "`rate` was set to `inf`"),
    ("name", b"b", "`name` was set to a `bytes` of Python"),
    ("name", NO_TEXT, "`name` was set to text that is not UTF-8"),
    ("sizes", [b"a"], "`sizes` was set to a list that contains a `bytes` of Python"),
    ("sizes", ENDLESS, "`sizes` was set to lists nested more than 50 levels deep"),
    ("anything", {}, "a `dict` of Python"), ("anything", object(), "a `object` of Python"),
    ("anything", 1j, "a `complex` of Python"),
    ("unit", 8, "the spec has no param `unit`"), (3, 8, "the spec has no param `3`"),
    (b"units", 8, "the spec has no param"),
])  # fmt: skip
def test_values_that_no_spec_can_contain_are_an_error(name: Any, given: object, message: str) -> None:
    with pytest.raises(dlc.CompileError) as caught:
        dlc.compile(text=SPEC, params={name: given})
    assert message in str(caught.value)
    with pytest.raises(dlc.CompileError):
        dlc.train(text=SPEC, params={name: given}, data=ROWS)


@pytest.mark.parametrize("given", [[1], "units=3", 8, b"units"])
def test_params_have_names(given: Any) -> None:
    with pytest.raises(TypeError, match="params are a dict of values by name, not"):
        dlc.compile(text=SPEC, params=given)


USES = {
    "compile": lambda path, folder: dlc.compile(path),
    "train": lambda path, folder: dlc.train(path, data=ROWS, out=folder),
    "data": lambda path, folder: dlc.train(text=SPEC, data=path, out=folder),
    "fit": lambda path, folder: dlc.compile(text=SPEC).fit(path),
    "out": lambda path, folder: dlc.train(text=SPEC, data=ROWS, out=path),
    "load": lambda path, folder: dlc.load(path),
    "verify": lambda path, folder: verify(path),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(("path", "error"), [
    (b"x.dl", TypeError), (3, TypeError), (1.5, TypeError), (["x"], TypeError),
    ("", ValueError), (NO_TEXT, ValueError), ("a\0b", ValueError), (Path(NO_TEXT), ValueError),
])  # fmt: skip
def test_invalid_paths_are_an_error(use: str, path: Any, error: type[Exception], tmp_path: Path) -> None:
    with pytest.raises(error) as caught:
        USES[use](path, tmp_path)
    words = str(caught.value)
    assert words.startswith(
        ("the path of ", "the folder of runs ", "data is a path, a frame or a dict of arrays, not ")
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("device", [None, "cpu", np.str_("cpu"), torch.device("cpu")])
def test_devices_are_named_as_in_torch(device: Any, tmp_path: Path) -> None:
    assert dlc.train(text=SPEC, data=ROWS, out=tmp_path, device=device).model.is_file()


@pytest.mark.parametrize("device", ["tpu", b"cpu", 3.5, ""])
def test_invalid_devices_are_an_error(device: Any, tmp_path: Path) -> None:
    with pytest.raises(dlc.CompileError, match="there is no device"):
        dlc.train(text=SPEC, data=ROWS, out=tmp_path, device=device)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", [SPEC.encode(), 3, ["x"]])
def test_a_text_is_text(text: Any) -> None:
    with pytest.raises(TypeError, match="the text of a spec is str, not"):
        dlc.compile(text=text)
    with pytest.raises(dlc.CompileError, match=r"U\+DCFF is not allowed in a spec"):
        dlc.compile(text=f"# {NO_TEXT}\n{SPEC}")


def test_arrays_have_names() -> None:
    with pytest.raises(TypeError, match="data is a dict of arrays by their names, and 1 is not a name"):
        dlc.compile(text=SPEC).fit({1: [1.0]})


def test_a_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"is a folder, and there is no file model\.onnx in it"):
        dlc.load(tmp_path)
