"""Sessions of ONNX Runtime, and which device they really got."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnxruntime

from dlc.runtime.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"
QUIET = 4  # fatal mistakes alone; others come as exceptions


def open_session(
    model: bytes | Path, device: str = "cpu", *, plain: bool = False
) -> onnxruntime.InferenceSession:
    """A session on the device, `cpu` or `cuda`; an error if ONNX Runtime did not get the device.

    `plain` switches graph optimizations off.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = QUIET
    if plain:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    providers = [CPU]
    if device == "cuda" and CUDA in onnxruntime.get_available_providers():
        onnxruntime.set_default_logger_severity(QUIET)
        if hasattr(onnxruntime, "preload_dlls"):
            onnxruntime.preload_dlls()
        providers = [CUDA, CPU]
    source = model if isinstance(model, bytes) else str(model)
    session = onnxruntime.InferenceSession(source, options, providers=providers)
    # get_available_providers() lists what the package was built with, not what this machine has.
    if device == "cuda" and CUDA not in session.get_providers():
        raise DeviceError(
            "ONNX Runtime could not use the GPU: it needs an NVIDIA driver, CUDA and cuDNN, and `onnxruntime-gpu[cuda,cudnn]`"
        )
    return session


def run(session: onnxruntime.InferenceSession, inputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))
