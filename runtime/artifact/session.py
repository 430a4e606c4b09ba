"""Sessions of ONNX Runtime, and which device they really got."""

from __future__ import annotations

import ctypes
from math import prod
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import onnxruntime

from dlc.runtime.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"
BFLOAT16, BFLOAT16_NUMBER = "tensor(bfloat16)", 16  # its number in ONNX
DEVICES = ("cpu", "cuda")
QUIET = 4  # fatal mistakes alone; others come as exceptions


def open_session(
    model: bytes | Path, device: str = "cpu", *, plain: bool = False
) -> onnxruntime.InferenceSession:
    """A session on the device, `cpu` or `cuda`; an error if ONNX Runtime did not get the device.

    `plain` switches graph optimizations off.
    """
    if device not in DEVICES:
        raise DeviceError(
            f"there is no device `{device}`: an artifact runs on {' or '.join(f'`{d}`' for d in DEVICES)}"
        )
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
            "ONNX Runtime could not use the GPU: it needs an NVIDIA driver, CUDA and cuDNN, and "
            "`onnxruntime-gpu[cuda,cudnn]`"
        )
    return session


def run(session: onnxruntime.InferenceSession, inputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """All outputs by name."""
    names = [o.name for o in session.get_outputs()]
    if BFLOAT16 in {v.type for v in (*session.get_inputs(), *session.get_outputs())}:
        made = session.run_with_ort_values(names, {n: to_ort(array) for n, array in inputs.items()})
        return dict(zip(names, map(from_ort, made), strict=True))
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))


# --- bfloat16, which ONNX Runtime does not take from NumPy ------------------------------------------------


def to_ort(array: np.ndarray) -> onnxruntime.OrtValue:
    if array.dtype.kind in "OUS":
        return text_to_ort(array)
    if array.dtype == ml_dtypes.bfloat16:
        bits = np.ascontiguousarray(array).view(np.uint16)
        return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(bits, BFLOAT16_NUMBER)
    return onnxruntime.OrtValue.ortvalue_from_numpy(array)


def text_to_ort(array: np.ndarray) -> onnxruntime.OrtValue:
    """Text, which Python can only get as the answer of a model: here of one that holds it."""
    import onnx_ir as ir

    text = ir.StringTensor([str(v).encode() for v in array.ravel()], shape=ir.Shape(array.shape), name="text")
    held = ir.val("text", const_value=text)
    node = ir.node("Identity", [held], name="text")
    graph = ir.Graph([], node.outputs, nodes=[node], initializers=[held], opset_imports={"": 18}, name="text")
    model = ir.to_proto(ir.Model(graph, ir_version=8)).SerializeToString()
    (made,) = open_session(model).run_with_ort_values(None, {})
    return made


def from_ort(value: onnxruntime.OrtValue) -> np.ndarray:
    if value.data_type() != BFLOAT16:
        return value.numpy()
    shape = value.shape()
    bits = ctypes.string_at(value.data_ptr(), 2 * prod(shape)) if prod(shape) else b""
    return np.frombuffer(bits, ml_dtypes.bfloat16).reshape(shape)
