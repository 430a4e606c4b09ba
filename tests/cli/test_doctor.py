"""`dlc doctor` with and without a GPU, torch, and a working ONNX Runtime.

Packages are faked by their metadata in a folder on the path, a GPU by the name from its driver.
"""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING

import onnxruntime
import pytest
import torch
from stories import dlc

from dlc.doctor import CHECKS
from dlc.runtime import nvidia
from dlc.runtime.artifact import session

if TYPE_CHECKING:
    from pathlib import Path


def found(check: str) -> dict[str, str]:
    """The output of `dlc doctor` for a check."""
    done = dlc("doctor", "--format", "json")
    record = json.loads(done.stdout)
    assert done.exit_code == any(c["status"] == "error" for c in record["checks"])
    (one,) = [c for c in record["checks"] if c["name"] == check]
    assert bool(one["fix"]) == (one["status"] != "ok")
    return one


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for the metadata of additional packages."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def install(folder: Path, name: str, version: str, files: str = "") -> None:
    about = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "utf-8")
    (about / "RECORD").write_text(files, "utf-8")


@pytest.fixture
def h200(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine has a GPU. Neither torch nor ONNX Runtime of this process can use it."""
    monkeypatch.setattr(nvidia, "gpus", lambda: ["NVIDIA H200"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [session.CPU])


def test_every_check_is_shown_and_no_problem_gives_exit_code_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvidia, "gpus", list)
    done = dlc("doctor")
    assert (done.exit_code, done.stderr) == (0, "")
    first, _, *lines = done.stdout.splitlines()
    assert re.fullmatch(r"dlc \d+\.\d+\.\d+, Python 3\.\d+\.\S+, .*, no NVIDIA GPU", first)
    assert all(any(line[9:].startswith(check.name) for line in lines) for check in CHECKS)
    assert max(map(len, lines)) <= 100


def test_the_names_of_gpus_are_shown(h200: None) -> None:
    assert dlc("doctor").stdout.splitlines()[0].endswith(", NVIDIA H200")
    assert json.loads(dlc("doctor", "--format", "json").stdout)["gpus"] == ["NVIDIA H200"]


def test_the_devices_of_training_and_sessions_are_shown() -> None:
    assert "on the CPU a session gets CPUExecutionProvider" in found("ONNX Runtime")["message"]
    if not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        assert found("training")["message"].endswith("training uses the device `cpu`")


def test_without_torch_training_is_missing_and_nothing_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    done = dlc("doctor")
    assert (done.exit_code, done.stderr) == (0, "")
    missing = done.stdout[done.stdout.index("missing") :].splitlines()
    assert re.fullmatch(r"missing +training +torch is not installed", missing[0])
    assert "needed for `dlc train`" in missing[1]
    assert 'fix: pip install "dlc[train]"' in map(str.strip, missing)


def test_a_torch_that_cannot_be_imported_is_an_error(packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (packages / "torch.py").write_text("raise OSError('libcudart.so.13: cannot open shared object file')")
    monkeypatch.delitem(sys.modules, "torch")
    one = found("training")
    assert (one["status"], one["fix"]) == ("error", "pip install --force-reinstall torch")
    assert one["message"] == "torch does not run: libcudart.so.13: cannot open shared object file"


def test_two_packages_with_onnx_runtime_are_an_error(packages: Path) -> None:
    (kept,) = [d for d in ("onnxruntime", "onnxruntime-gpu") if d in found("ONNX Runtime")["message"].split()]
    other = {"onnxruntime": "onnxruntime-gpu", "onnxruntime-gpu": "onnxruntime"}[kept]
    install(packages, other, "1.30.0", files="onnxruntime/__init__.py,,\n")
    install(packages, "onnxruntime-extensions", "0.14.0", files="onnxruntime_extensions/__init__.py,,\n")
    one = found("ONNX Runtime")
    assert one["status"] == "error"
    assert f"{other} 1.30.0" in one["message"]
    assert one["fix"] == "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu"


def test_a_damaged_onnx_runtime_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """This is the state after `pip uninstall onnxruntime` if `onnxruntime-gpu` is installed too."""
    monkeypatch.delattr(onnxruntime, "SessionOptions")
    one = found("ONNX Runtime")
    assert one["status"] == "error"
    assert "does not run: module 'onnxruntime' has no attribute 'SessionOptions'" in one["message"]
    assert re.fullmatch(r"pip install --force-reinstall --no-deps onnxruntime(-gpu)?", one["fix"])


def test_a_missing_package_is_an_error(packages: Path) -> None:
    about = packages / "dlc-0.1.0.dist-info"
    about.mkdir()
    required = "Requires-Dist: no-such_package>=1\nRequires-Dist: torch>=2; extra == 'train'\n"
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: dlc\nVersion: 0.1.0\n{required}", "utf-8")
    one = found("packages")
    assert (one["status"], one["message"]) == ("error", "no-such_package cannot be found")
    assert one["fix"] == "pip install dlc"


@pytest.mark.parametrize(("built", "fix"), [(None, "install a build with CUDA"), ("13.0", "NVIDIA driver")])
def test_a_gpu_that_torch_does_not_use_is_a_warning(
    built: str | None, fix: str, h200: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.version, "cuda", built)
    one = found("training")
    assert one["status"] == "warning"
    assert one["message"].endswith("training uses the device `cpu`, not the GPU")
    assert fix in one["fix"]


@pytest.mark.parametrize(("torch_cuda", "runtime_cuda", "missing", "fix"), [
    ("13.0", "13.0", ["libcurand.so.10"], 'pip install "dlc[gpu]"'),
    (None, "13.0", ["libcublas.so.13"], 'pip install "dlc[gpu]"'),
    ("12.6", "13.0", ["libcublas.so.13"],
     "install a torch for CUDA 13, like ONNX Runtime; this one is for CUDA 12.6"),
    ("13.0", "13.0", [], "update the NVIDIA driver to one for CUDA 13.0"),
    ("13.0", "", [], "pip uninstall -y onnxruntime && pip install onnxruntime-gpu"),
])  # fmt: skip
def test_a_gpu_that_onnx_runtime_does_not_use_is_a_warning(
    torch_cuda: str | None, runtime_cuda: str, missing: list[str], fix: str, h200: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(torch.version, "cuda", torch_cuda)
    monkeypatch.setattr(session, "cuda_version", lambda: runtime_cuda)
    monkeypatch.setattr(session, "load_cuda", lambda: missing)
    one = found("ONNX Runtime")
    assert (one["status"], one["fix"]) == ("warning", fix)
    assert "ONNX Runtime could not use the GPU" in one["message"]


def test_the_provider_on_the_gpu_is_that_of_a_session(h200: None, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = session.open_session

    class OnGpu:
        def get_providers(self) -> list[str]:
            return [session.CUDA, session.CPU]

    monkeypatch.setattr(
        session, "open_session", lambda model, device: OnGpu() if device == "cuda" else opened(model)
    )
    one = found("ONNX Runtime")
    assert one["status"] == "ok"
    assert one["message"].endswith("on the GPU CUDAExecutionProvider")


def test_two_sets_of_cuda_libraries_are_a_warning(packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, version in (("nvidia-cuda-runtime-cu12", "12.8.90"), ("nvidia-cudnn-cu12", "9.10.2.21")):
        install(packages, name, version)
    install(packages, "nvidia-cuda-runtime", "13.0.96")
    one = found("CUDA libraries")
    assert one["status"] == "warning"
    assert "CUDA 12: nvidia-cuda-runtime-cu12, nvidia-cudnn-cu12; CUDA 13: " in one["message"]
    assert "fresh environment" in one["fix"]


def test_doctor_has_no_arguments() -> None:
    done = dlc("doctor", "model.onnx")
    assert done.exit_code == 2
    assert "got unexpected extra argument (model.onnx)" in done.stderr
