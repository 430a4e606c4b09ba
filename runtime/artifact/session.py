"""Sessions of ONNX Runtime, and which device they really got."""

from __future__ import annotations

import ctypes
import re
from contextlib import contextmanager, suppress
from math import prod
from threading import Lock
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import onnxruntime

from dlc.runtime import memory
from dlc.runtime.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"
BFLOAT16, BFLOAT16_NUMBER = "tensor(bfloat16)", 16  # its number in ONNX
TEXT, OF_PYTHON = "tensor(string)", 80  # and the bytes of a text in Python beside its own
OUT_OF_MEMORY = re.compile("available memory of|failed to allocate|bad.?alloc|out of memory", re.IGNORECASE)
ALLOCATORS = Lock()
BATCH = "batch"  # the first axis of what is given and answered row by row
DEVICES = ("cpu", "cuda")
QUIET = 4  # fatal errors alone; others come as exceptions


def open_session(
    model: bytes | Path, device: str = "cpu", *, plain: bool = False, most: int | None = None
) -> onnxruntime.InferenceSession:
    """A session on the device, `cpu` or `cuda`; an error if ONNX Runtime did not get the device.

    `plain` switches graph optimizations off. `most` bounds the bytes of the host that all tensors but the
    weights take at a time. Constants are then not computed as the model is opened: releases of ONNX Runtime
    differ in whether that keeps to the bound.
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
    with bounded(options, most):
        session = onnxruntime.InferenceSession(
            source, options, providers=providers, disabled_optimizers=["ConstantFolding"] if most else None
        )
    # get_available_providers() lists what the package was built with, not what this machine has.
    if device == "cuda" and CUDA not in session.get_providers():
        raise DeviceError(
            "ONNX Runtime could not use the GPU: it needs an NVIDIA driver, CUDA and cuDNN, and "
            "`onnxruntime-gpu[cuda,cudnn]`"
        )
    return session


@contextmanager
def bounded(options: onnxruntime.SessionOptions, most: int | None) -> Iterator[None]:
    """Within it a session gets an allocator of its own, with a bound. ONNX Runtime takes it from those of the
    whole process, where another is put in its place afterwards."""
    if most is None:
        yield
        return
    with ALLOCATORS:
        options.add_session_config_entry("session.use_env_allocators", "1")
        register({"max_mem": most})
        try:
            yield
        finally:
            register({})


def register(arena: dict[str, int]) -> None:
    """Give the process another allocator; releases that take one alone keep the first, and its bound."""
    place = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    with suppress(RuntimeError):
        onnxruntime.create_and_register_allocator(place, onnxruntime.OrtArenaCfg(arena))


def run(
    session: onnxruntime.InferenceSession, inputs: Mapping[str, np.ndarray], longest: int | None = None
) -> dict[str, Any]:
    """All outputs by name. `longest` is the most bytes of a text among them, where texts are to be held
    against the memory that is free. MemoryError if there is not enough."""
    try:
        return answers(session, inputs, longest)
    except MemoryError:
        raise
    except Exception as error:
        if OUT_OF_MEMORY.search(str(error)):
            raise MemoryError("it takes more memory than it may") from None
        raise


def answers(
    session: onnxruntime.InferenceSession, inputs: Mapping[str, np.ndarray], longest: int | None
) -> dict[str, Any]:
    names = [o.name for o in session.get_outputs()]
    given, made = {v.type for v in session.get_inputs()}, {v.type for v in session.get_outputs()}
    counted = longest is not None and TEXT in made and TEXT not in given
    if not counted and BFLOAT16 not in given | made:
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))
    values = session.run_with_ort_values(names, {n: to_ort(array) for n, array in inputs.items()})
    texts = sum(prod(value.shape()) for value in values if value.data_type() == TEXT)
    if longest is not None and texts * (OF_PYTHON + longest) > memory.free():
        raise MemoryError("its answers take more memory than is free")
    return dict(zip(names, map(from_ort, values), strict=True))


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
