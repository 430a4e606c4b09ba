"""The checks of `dlc doctor`: the installed packages, and the devices of this machine."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Literal

from dlc.runtime import nvidia

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = re.compile(r"[\w.-]+")  # the package name at the start of a requirement
CUDA_PACKAGE = re.compile(r"nvidia-.+-cu(\d+)")  # packages with the major version of CUDA in their name


@dataclass(frozen=True)
class InstallFinding:
    """The result of a check. `missing`: not installed, but optional. `warning`: works in part. `error`: does
    not work."""

    status: Literal["ok", "missing", "warning", "error"]
    message: str
    fix: str = ""


@dataclass(frozen=True)
class DoctorCheck:
    name: str
    serves: str  # the commands that need it
    run: Callable[[], InstallFinding]


def machine() -> dict[str, str | list[str]]:
    """The versions of dlc and Python, the system, and its NVIDIA GPUs by name."""
    from dlc import __version__

    return {
        "dlc": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "gpus": nvidia.gpus(),
    }


# --- checks -----------------------------------------------------------------------------------------------


def packages() -> InstallFinding:
    """The packages that dlc requires without extras, except ONNX Runtime, are installed. Versions are not
    compared: `pip check` does that."""
    try:
        required = metadata.requires("dlc") or []
    except metadata.PackageNotFoundError:
        return InstallFinding("warning", "dlc runs from its folder and is not installed", "pip install -e .")
    names = [NAME.findall(line)[0] for line in required if "extra ==" not in line]
    names = sorted(name for name in names if not name.startswith("onnxruntime"))
    installed = versions()
    if absent := [name for name in names if canonical(name) not in installed]:
        return InstallFinding("error", f"{', '.join(absent)} cannot be found", "pip install dlc")
    return InstallFinding("ok", ", ".join(f"{name} {installed[canonical(name)]}" for name in names))


def onnx_runtime() -> InstallFinding:
    """Exactly one package contains ONNX Runtime, and its sessions run."""
    found = sorted(
        name for name in versions() if name.startswith("onnxruntime") and contains_onnx_runtime(name)
    )
    if not found:
        return InstallFinding("error", "it is not installed", "pip install dlc")
    named = " and ".join(f"{name} {metadata.version(name)}" for name in found)
    if len(found) > 1:
        kept = "onnxruntime-gpu" if "onnxruntime-gpu" in found else found[0]
        message = f"{named} share the folder `onnxruntime`: each overwrites files of the other"
        return InstallFinding("error", message, f"pip uninstall -y {' '.join(found)} && pip install {kept}")
    return providers(found[0], named)


def contains_onnx_runtime(package: str) -> bool:
    """Whether the package installs files into the folder `onnxruntime`. `onnxruntime-extensions` does not."""
    return any(file.parts[0] == "onnxruntime" for file in metadata.files(package) or ())


def providers(package: str, named: str) -> InstallFinding:
    """The provider of a session on the CPU and, if there is a GPU, of a session on the GPU."""
    try:
        from dlc.runtime.artifact import session

        built = f"{named}, built {with_cuda(session.cuda_version())}"
        on_cpu = f"{built}; on the CPU a session gets {session.provider('cpu')}"
    except Exception as error:  # noqa: BLE001  a damaged package raises anything
        fix = f"pip install --force-reinstall --no-deps {package}"
        return InstallFinding("error", f"{named} does not run: {error}", fix)
    if not nvidia.gpus():
        return InstallFinding("ok", on_cpu)
    try:
        return InstallFinding("ok", f"{on_cpu}, on the GPU {session.provider('cuda')}")
    except Exception as error:  # noqa: BLE001  a damaged driver raises anything
        return InstallFinding("warning", f"{on_cpu}. {error}", gpu_fix())


def gpu_fix() -> str:
    """How to make ONNX Runtime use the GPU, without a second set of CUDA libraries in addition to torch's."""
    from dlc.runtime.artifact import session

    cuda = session.cuda_version()
    if not cuda:
        return "pip uninstall -y onnxruntime && pip install onnxruntime-gpu"
    if not session.load_cuda():
        return f"update the NVIDIA driver to one for CUDA {cuda}"
    if (torch := torch_cuda()) and major(torch) != major(cuda):
        return f"install a torch for CUDA {major(cuda)}, like ONNX Runtime; this one is for CUDA {torch}"
    return 'pip install "dlc[gpu]"'


def torch_cuda() -> str | None:
    """The version of CUDA that torch is built for; None for a CPU-only build or without torch."""
    try:
        import torch
    except Exception:  # noqa: BLE001  a damaged package raises anything
        return None
    return torch.version.cuda


def training() -> InstallFinding:
    """The installed torch, and the device that `dlc train` uses."""
    try:
        import torch

        from dlc.runtime.training import device

        chosen, cuda = device.choose().type, torch.version.cuda
    except Exception as error:  # noqa: BLE001  a damaged package raises anything
        if isinstance(error, ModuleNotFoundError) and error.name == "torch":
            return InstallFinding("missing", "torch is not installed", 'pip install "dlc[train]"')
        return InstallFinding("error", f"torch does not run: {error}", "pip install --force-reinstall torch")
    message = f"torch {torch.__version__}, built {with_cuda(cuda)}; training uses the device `{chosen}`"
    if chosen == "cuda" or not nvidia.gpus():
        return InstallFinding("ok", message)
    if cuda:
        fix = "update the NVIDIA driver, or install a torch for an older CUDA"
    else:
        fix = "pip uninstall -y torch, then install a build with CUDA as described on pytorch.org"
    return InstallFinding("warning", f"{message}, not the GPU", fix)


def cuda_libraries() -> InstallFinding:
    """All `nvidia-*` packages have the same major version of CUDA."""
    sets: dict[str, list[str]] = {}
    for name, version in versions().items():
        if found := CUDA_PACKAGE.fullmatch(name):
            sets.setdefault(found[1], []).append(name)
        elif name == "nvidia-cuda-runtime":
            sets.setdefault(major(version), []).append(name)
    if not sets:
        return InstallFinding("ok", "none are installed as packages")
    if len(sets) == 1:
        return InstallFinding("ok", f"one set, of CUDA {next(iter(sets))}")
    named = "; ".join(f"CUDA {of}: {', '.join(sorted(sets[of]))}" for of in sorted(sets))
    fix = "install into a fresh environment: torch 2.11 and onnxruntime-gpu 1.28, or later, both use CUDA 13"
    return InstallFinding("warning", f"{len(sets)} sets are installed; one is enough. {named}", fix)


CHECKS = (
    DoctorCheck("packages", "every command", packages),
    DoctorCheck("ONNX Runtime", "`dlc verify`, `predict`, `eval`, `dlc.load`, and exports", onnx_runtime),
    DoctorCheck("training", "`dlc train`, `export`, `test`, `gradcheck`, `program.torch()`", training),
    DoctorCheck("CUDA libraries", "training and artifacts on an NVIDIA GPU", cuda_libraries),
)


# --- shared functions -------------------------------------------------------------------------------------


def versions() -> dict[str, str]:
    """The installed packages, by canonical name."""
    return {canonical(d.name): d.version for d in metadata.distributions() if d.name}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def major(version: str) -> str:
    return version.partition(".")[0]


def with_cuda(version: str | None) -> str:
    return f"for CUDA {version}" if version else "without CUDA"
