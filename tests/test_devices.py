"""Choice of the device, on machines with and without a GPU."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

import dlc
from dlc.runtime import nvidia
from dlc.runtime.artifact import session
from dlc.runtime.errors import DeviceError
from dlc.runtime.training import device

GATES = (
    "input a, b: bool\noutput both: bool\n"
    "(a, b) -> concat -> dense(1, weight=[[1, 1]], bias=[-1.5]) -> threshold -> both\n"
)
ROWS = {"a": np.array([True, True]), "b": np.array([True, False])}


def test_auto_takes_the_best_available_device() -> None:
    mps, cuda = torch.backends.mps.is_available(), torch.cuda.is_available()
    assert device.choose("auto").type == ("cuda" if cuda else "mps" if mps else "cpu")
    assert device.choose("cpu").type == "cpu"


@pytest.mark.parametrize("wanted", ["cuda:99", "mps:99", "nonsense"])
def test_a_missing_device_is_an_error(wanted: str) -> None:
    with pytest.raises(dlc.CompileError, match=f"there is no device `{wanted}` here"):
        device.choose(wanted)


def test_a_session_that_cannot_use_the_gpu_is_an_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    result = dlc.train(text=GATES, out=tmp_path)
    assert dlc.load(result.model).predict(ROWS)["both"].tolist() == [True, False]
    if torch.cuda.is_available():
        assert dlc.load(result.model, device="cuda").predict(ROWS)["both"].tolist() == [True, False]
    else:
        with pytest.raises(DeviceError, match="ONNX Runtime could not use the GPU"):
            dlc.load(result.model, device="cuda")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("available", "gpus", "missing", "why"), [
    ([session.CPU], ["NVIDIA H200"], [], "this build of it has no CUDA"),
    ([session.CUDA], [], ["libcurand.so.10"], "there is no NVIDIA GPU with a driver"),
    ([session.CUDA], ["NVIDIA H200"], ["libcurand.so.10"], "libcurand.so.10 cannot be loaded"),
    ([session.CUDA], ["NVIDIA H200"], [], "its CUDA provider did not start"),
])  # fmt: skip
def test_the_error_of_a_session_without_the_gpu_has_a_reason(
    available: list[str], gpus: list[str], missing: list[str], why: str,
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: available)
    monkeypatch.setattr(nvidia, "gpus", lambda: gpus)
    monkeypatch.setattr(session, "load_cuda", lambda: missing)

    class OnCpu:
        def get_providers(self) -> list[str]:
            return [session.CPU]

    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *given, **settings: OnCpu())
    with pytest.raises(DeviceError, match=f"^ONNX Runtime could not use the GPU: {re.escape(why)}"):
        session.open_session(b"", "cuda")
    assert capfd.readouterr() == ("", "")


def test_missing_libraries_are_listed_once_and_loaded_by_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "torch.py").write_text("import sys\nsys.torch_was_imported = True\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(sys, "torch_was_imported", False, raising=False)

    def preload() -> None:
        if not sys.torch_was_imported:
            print("Failed to load /a/nvidia/cu13/lib/libcublas.so.13: cannot open shared object file")
            print("Failed to load libcublas.so.13: cannot open shared object file")
        print("Failed to load libcurand.so.10: libcurand.so.10: cannot open shared object file")

    monkeypatch.setattr(onnxruntime, "preload_dlls", preload)
    assert session.preload() == ["libcublas.so.13", "libcurand.so.10"]
    assert session.load_cuda() == ["libcurand.so.10"]
    assert capfd.readouterr() == ("", "")


def test_no_gpu_is_listed_without_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_driver(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(nvidia.ctypes, "CDLL", no_driver)
    assert nvidia.gpus() == []


class Driver:
    """An NVIDIA driver with two GPUs, or with `code` 100 a driver without GPUs."""

    def __init__(self, code: int) -> None:
        self.code = code

    def cuInit(self, flags: int) -> int:
        return self.code

    def cuDeviceGetCount(self, count) -> int:
        count._obj.value = 2
        return 0

    def cuDeviceGetName(self, text, size: int, number: int) -> int:
        text.value = f"NVIDIA H{number + 1}00".encode()
        return 0


@pytest.mark.parametrize(("code", "names"), [(0, ["NVIDIA H100", "NVIDIA H200"]), (100, [])])
def test_gpus_are_those_of_the_driver(code: int, names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvidia.ctypes, "CDLL", lambda name: Driver(code))
    assert nvidia.gpus() == names
