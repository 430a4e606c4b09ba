"""Weights from a file, from the spec and from Python have the same checks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

import dlc
from dlc.cli import commands

if TYPE_CHECKING:
    from collections.abc import Callable

SPEC = """input x: float[2]
output y: float
x -> dense(1) -> y
data { source = table([[1, 2, 3], [4, 5, 6]], columns=["x", "x", "y"]) }
"""
Tensors = dict[str, torch.Tensor]


def good() -> Tensors:
    return {"dense.weight": torch.tensor([[2.0, -3.0]]), "dense.bias": torch.tensor([0.5])}


# --- ways to give weights: each returns the answer for [1, 1], or raises the error --------------------------


def exported(given: Tensors, folder: Path) -> float:
    """`dlc export SPEC --weights FILE`."""
    save_file(given, folder / "w.safetensors")
    (folder / "m.dl").write_text(SPEC)
    model = folder / "m.onnx"
    arguments = ["export", folder / "m.dl", "--weights", folder / "w.safetensors", "-o", model]
    done = CliRunner().invoke(commands, [str(a) for a in arguments])
    if done.exit_code:
        assert not model.exists()
        raise RuntimeError(done.stderr)
    return answer(model)


def a_run_exported(given: Tensors, folder: Path) -> float:
    """`dlc export RUN` with a changed file of weights."""
    run = dlc.train(text=SPEC + "train { epochs = 1 }", out=folder / "runs").folder
    save_file(given, run / "weights.safetensors")
    done = CliRunner().invoke(commands, ["export", str(run), "-o", str(folder / "m.onnx")])
    if done.exit_code:
        raise RuntimeError(done.stderr)
    return answer(folder / "m.onnx")


def begun_with(given: Tensors, folder: Path) -> float:
    """`weights = load(...)`, and a step that hardly changes the weights."""
    save_file(given, folder / "w.safetensors")
    train = 'train { weights = load("w.safetensors")\n epochs = 1\n optimizer = sgd(1e-30) }'
    (folder / "m.dl").write_text(SPEC + train)
    try:
        return answer(dlc.train(folder / "m.dl", out=folder / "runs").model)
    except dlc.CompileError:
        assert not (folder / "runs").exists()
        raise


def as_a_module(given: Tensors, folder: Path) -> float:
    module = dlc.compile(text=SPEC).torch(weights=given)
    return module({"x": torch.ones(1, 2)})["y"].item()


def as_a_proto(given: Tensors, folder: Path) -> float:
    (folder / "m.onnx").write_bytes(dlc.compile(text=SPEC).onnx(given).SerializeToString())
    return answer(folder / "m.onnx")


def answer(model: Path) -> float:
    return dlc.load(model).predict({"x": [[1, 1]]})["y"].item()


BY_FILE = (exported, a_run_exported, begun_with)
IN_PYTHON = (as_a_module, as_a_proto)
EVERY_WAY = pytest.mark.parametrize("way", [*BY_FILE, *IN_PYTHON])


@EVERY_WAY
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_floats_of_other_widths_are_converted(
    way: Callable[..., float], dtype: torch.dtype, tmp_path: Path
) -> None:
    given = {name: tensor.to(dtype) for name, tensor in good().items()}
    assert way(given, tmp_path) == -0.5


@EVERY_WAY
@pytest.mark.parametrize(("spoil", "message"), [
    ({"dense.bias": torch.tensor([True])}, "`dense.bias` holds bool instead of floats"),
    ({"dense.bias": torch.tensor([1j])}, "`dense.bias` holds "),
    ({"dense.bias": torch.tensor([torch.nan])}, "`dense.bias` is not finite: it holds nan at [0]"),
    ({"dense.weight": torch.tensor([[1, -torch.inf]])}, "is not finite: it holds -inf at [0, 1]"),
    ({"dense.weight": torch.tensor([[0, -1e300]], dtype=torch.float64)},
     "`dense.weight` holds -1e+300 at [0, 1], and the maximum of float32 is 3.4e+38"),
    ({"dense.bias": torch.ones(2)}, "`dense.bias` has the shape [2] instead of [1]"),
    ({"dense.bias": torch.tensor(1.0)}, "`dense.bias` has the shape [] instead of [1]"),
    ({"dense_2.bias": torch.ones(1)}, "`dense_2.bias` is not a weight of the spec"),
])  # fmt: skip
def test_invalid_weights_are_reported(
    way: Callable[..., float], spoil: Tensors, message: str, tmp_path: Path
) -> None:
    with pytest.raises((dlc.CompileError, RuntimeError)) as caught:
        way(good() | spoil, tmp_path)
    assert "error[E0803]" in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize("way", BY_FILE)
def test_a_file_of_integers_is_rejected(way: Callable[..., float], tmp_path: Path) -> None:
    given = good() | {"dense.weight": torch.tensor([[2, -3]])}
    with pytest.raises((dlc.CompileError, RuntimeError), match="weight` holds int64 instead of floats"):
        way(given, tmp_path)


@pytest.mark.parametrize("way", BY_FILE)
def test_a_missing_weight_is_reported(way: Callable[..., float], tmp_path: Path) -> None:
    with pytest.raises((dlc.CompileError, RuntimeError), match="bias` is missing"):
        way({"dense.weight": torch.ones(1, 2)}, tmp_path)


@pytest.mark.parametrize("way", IN_PYTHON)
@pytest.mark.parametrize("weight", [[[2, -3]], np.array([[2, -3]]), torch.tensor([[2, -3]]), [[2.0, -3]],
                                    np.array([[2, -3]], np.int8), ((2, -3),)])  # fmt: skip
def test_python_integers_are_converted_to_floats(
    way: Callable[..., float], weight: Any, tmp_path: Path
) -> None:
    assert way({"dense.weight": weight, "dense.bias": [0.5]}, tmp_path) == -0.5


@pytest.mark.parametrize("way", IN_PYTHON)
@pytest.mark.parametrize("weight", [
    "w", [["a", "b"]], b"\0" * 8, None, {}, object(), [[1, 2], [3]], [[True, False]], [[1, None]],
    torch.ones(1, 2).to_sparse(), torch.ones(1, 2, device="meta"),
])  # fmt: skip
def test_values_that_are_not_numbers_are_reported(
    way: Callable[..., float], weight: Any, tmp_path: Path
) -> None:
    with pytest.raises(dlc.CompileError) as caught:
        way({"dense.weight": weight, "dense.bias": [0.5]}, tmp_path)
    assert [d.code for d in caught.value.diagnostics] == ["E0803"]
    assert " instead of floats" in str(caught.value)


@pytest.mark.parametrize("given", ["w.safetensors", [1.0], 3, torch.ones(2), b"w"])
def test_weights_from_python_have_names(given: Any) -> None:
    with pytest.raises(TypeError, match="weights are a dict of arrays or tensors by their names, not"):
        dlc.compile(text=SPEC).torch(weights=given)


def test_a_state_dict_in_another_precision_is_converted() -> None:
    module = dlc.compile(text=SPEC).torch(weights=good())
    for dtype in (torch.float64, torch.bfloat16):
        held = module.to(dtype).state_dict()
        assert as_a_module(held, Path()) == -0.5


def test_a_file_of_another_format_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "m.dl").write_text(SPEC)
    torch.save(good(), tmp_path / "w.pt")
    (tmp_path / "w.npz").write_bytes(b"PK\x03\x04")
    (tmp_path / "empty.safetensors").write_bytes(b"")
    for name in ("w.pt", "w.npz", "empty.safetensors"):
        given = ["export", str(tmp_path / "m.dl"), "--weights", str(tmp_path / name)]
        done = CliRunner().invoke(commands, given)
        assert done.exit_code == 1
        message = f"error: {tmp_path / name} cannot be read: it is not a safetensors file:"
        assert done.stderr.startswith(message)
    given = ["export", str(tmp_path / "m.dl"), "--weights", str(tmp_path)]
    done = CliRunner().invoke(commands, given)
    assert done.stderr == f"error: {tmp_path} is a folder, not a regular file\n"


def test_the_weights_of_a_run_have_the_same_checks(tmp_path: Path) -> None:
    result = dlc.train(text=SPEC + "train { epochs = 1 }", out=tmp_path)
    held = load_file(result.folder / "weights.safetensors")
    assert exported(held, tmp_path) == pytest.approx(answer(result.model))
