"""The checks of `dlc doctor`: what is installed, and what a run gets on this machine."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Literal

from dlc.runtime import nvidia
from dlc.runtime.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = re.compile(r"[\w.-]+")  # at the start of a requirement
OF_CUDA = re.compile(r"nvidia-.+-cu(\d+)")  # packages that have the major version of CUDA in their name


@dataclass(frozen=True)
class Finding:
    """What a check found: `missing` is optional, a `warning` works with a loss, an `error` does not work."""

    status: Literal["ok", "missing", "warning", "error"]
    message: str
    fix: str = ""


@dataclass(frozen=True)
class Check:
    name: str
    serves: str  # what does not work without it
    look: Callable[[], Finding]


def diagnose() -> Iterator[tuple[Check, Finding]]:
    """Each check with what it found. A check that cannot even look has found an error."""
    for check in CHECKS:
        try:
            found = check.look()
        except Exception as error:  # noqa: BLE001  a broken package raises anything
            message = f"{type(error).__name__}: {error}"
            found = Finding("error", message, "reinstall the package that the message names")
        yield check, found


def machine() -> str:
    """`Linux x86_64, 2 x NVIDIA H200`."""
    names = nvidia.gpus()
    cards = [f"{names.count(name)} x {name}" for name in dict.fromkeys(names)]
    return ", ".join([f"{platform.system()} {platform.machine()}", *(cards or ["no NVIDIA GPU"])])


# --- checks -----------------------------------------------------------------------------------------------


def packages() -> Finding:
    try:
        required = metadata.requires("dlc") or []
    except metadata.PackageNotFoundError:
        return Finding("warning", "dlc runs from its folder and is not installed", "pip install -e .")
    names = [NAME.findall(line)[0] for line in required if "extra ==" not in line]
    names = sorted(name for name in names if not name.startswith("onnxruntime"))
    installed = versions()
    if absent := [name for name in names if canonical(name) not in installed]:
        return Finding("error", f"{', '.join(absent)} cannot be found", "pip install dlc")
    return Finding("ok", ", ".join(f"{name} {installed[canonical(name)]}" for name in names))


def onnx_runtime() -> Finding:
    found = sorted(set(metadata.packages_distributions().get("onnxruntime", ())))
    if not found:
        return Finding("error", "it is not installed", "pip install dlc")
    named = " and ".join(f"{name} {metadata.version(name)}" for name in found)
    if len(found) > 1:
        kept = "onnxruntime-gpu" if "onnxruntime-gpu" in found else found[0]
        message = f"{named} share the folder `onnxruntime`: each overwrites files of the other"
        return Finding("error", message, f"pip uninstall -y {' '.join(found)} && pip install {kept}")
    cuda = runtime_cuda()
    return Finding("ok", f"{named}, built {f'for CUDA {cuda}' if cuda else 'without CUDA'}")


def artifacts_on_cpu() -> Finding:
    from dlc.runtime.artifact import session

    return Finding("ok", f"a session gets {' and '.join(session.providers('cpu'))}")


def artifacts_on_gpu() -> Finding:
    if not nvidia.gpus():
        return Finding("ok", "not available: the machine has no NVIDIA GPU with a driver")
    from dlc.runtime.artifact import session

    try:
        return Finding("ok", f"a session gets {' and '.join(session.providers('cuda'))}")
    except DeviceError as error:
        return Finding("warning", str(error), libraries_for(runtime_cuda()))


def libraries_for(cuda: str) -> str:
    """The command that brings the CUDA libraries of ONNX Runtime, without a second set beside those of torch."""
    built = torch_cuda()
    if not cuda:
        return "pip uninstall -y onnxruntime && pip install onnxruntime-gpu"
    if built and major(built) != major(cuda):
        return f"install a torch for CUDA {major(cuda)}, as ONNX Runtime is: this one is for CUDA {built}"
    return 'pip install "dlc[gpu]"'


def training() -> Finding:
    try:
        import torch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        return Finding("missing", "torch is not installed", 'pip install "dlc[train]"')
    from dlc.runtime import device

    chosen, cuda = device.choose().type, torch.version.cuda
    message = f"torch {torch.__version__}, built {f'for CUDA {cuda}' if cuda else 'without CUDA'}; " \
              f"a run takes `{chosen}`"  # fmt: skip
    if chosen == "cuda" or not nvidia.gpus():
        return Finding("ok", message)
    fix = "update the NVIDIA driver, or install a torch for an older CUDA" if cuda else \
          "pip uninstall -y torch && pip install torch, from an index whose builds have CUDA"  # fmt: skip
    return Finding("warning", f"{message}, and not the GPU", fix)


def cuda_libraries() -> Finding:
    sets: dict[str, list[str]] = {}
    for name, version in versions().items():
        if found := OF_CUDA.fullmatch(name):
            sets.setdefault(found[1], []).append(name)
        elif name == "nvidia-cuda-runtime":
            sets.setdefault(major(version), []).append(name)
    if not sets:
        return Finding("ok", "none are installed as packages")
    if len(sets) == 1:
        return Finding("ok", f"one set, of CUDA {next(iter(sets))}")
    named = "; ".join(f"CUDA {of}: {', '.join(sorted(sets[of]))}" for of in sorted(sets))
    fix = "install into a fresh environment: torch 2.11 and onnxruntime-gpu 1.28, or later, take CUDA 13 both"
    return Finding("warning", f"{len(sets)} sets are installed, of which one is enough. {named}", fix)


CHECKS = (
    Check("packages", "every command", packages),
    Check("ONNX Runtime", "`dlc verify`, `predict`, `eval` and the proof of `export` and `train`", onnx_runtime),
    Check("artifacts on the CPU", "the same commands, and `dlc.load`", artifacts_on_cpu),
    Check("artifacts on the GPU", "`dlc.load(model, device=\"cuda\")`", artifacts_on_gpu),
    Check("training", "`dlc train`, `export`, `test`, `gradcheck` and `program.torch()`", training),
    Check("CUDA libraries", "`--device cuda` of training, and artifacts on the GPU", cuda_libraries),
)  # fmt: skip


# --- what they share --------------------------------------------------------------------------------------


def versions() -> dict[str, str]:
    """The installed packages, by canonical name."""
    return {canonical(d.name): d.version for d in metadata.distributions() if d.name}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def major(version: str) -> str:
    return version.partition(".")[0]


def runtime_cuda() -> str:
    """The version of CUDA that ONNX Runtime is built for, `13.0`; empty in a build for CPUs."""
    import onnxruntime

    return getattr(onnxruntime, "cuda_version", "")


def torch_cuda() -> str:
    """The version of CUDA that torch is built for; empty without CUDA, and without torch."""
    try:
        import torch
    except ModuleNotFoundError:
        return ""
    return torch.version.cuda or ""
