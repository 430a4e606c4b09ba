"""ONNX Runtime sessions, with a check of the device that they use."""

from __future__ import annotations

import ctypes
import io
import os
import re
from contextlib import contextmanager, nullcontext, redirect_stdout, suppress
from math import prod
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import ml_dtypes
import numpy as np
import onnxruntime

from dlc.runtime import memory, nvidia
from dlc.runtime.artifact.model_scan import mapped, node_types
from dlc.runtime.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import onnx_ir as ir

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"
BFLOAT16, BFLOAT16_NUMBER = "tensor(bfloat16)", 16  # its value in the ONNX enum of data types
TEXT = "tensor(string)"
STR_OVERHEAD = 80  # bytes of a Python string in addition to its characters
OUT_OF_MEMORY = re.compile("available memory of|failed to allocate|bad.?alloc|out of memory", re.IGNORECASE)
ALLOCATORS = Lock()
BATCH = "batch"  # the name of the first axis of inputs and outputs
DEVICES = ("cpu", "cuda")
# Operators that fail, or end the process, for an empty batch, and for rows without entries along an axis.
NEED_ROWS, NEED_STEPS = frozenset({"Loop", "Attention", "GRU", "LSTM"}), frozenset({"InstanceNormalization"})
# The operators of these among the nodes of a session.
FATAL: WeakKeyDictionary[onnxruntime.InferenceSession, frozenset[str]] = WeakKeyDictionary()
QUIET = 4  # log fatal errors only; others are raised as exceptions


def open_session(
    model: bytes | Path, device: str = "cpu", *, plain: bool = False, memory_limit: int | None = None
) -> onnxruntime.InferenceSession:
    """A session on a device, `cpu` or `cuda`. `DeviceError` if ONNX Runtime cannot use the device.

    `plain` disables graph optimizations. `memory_limit` limits the host memory of all tensors except
    weights, in bytes. It also disables constant folding, which does not respect the limit in all releases
    of ONNX Runtime.
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
    missing = []
    if device == "cuda" and CUDA in onnxruntime.get_available_providers():
        onnxruntime.set_default_logger_severity(QUIET)
        missing = load_cuda()
        providers = [CUDA, CPU]
    source = model if isinstance(model, bytes) else str(model)
    disabled = ["ConstantFolding"] if memory_limit else None
    with limited_memory(options, memory_limit):
        try:  # the fallback of the Python package prints to stdout, so it is off
            session = onnxruntime.InferenceSession(
                source, options, providers=providers, disabled_optimizers=disabled, enable_fallback=0
            )
        except (ValueError, RuntimeError):
            if CUDA not in providers:
                raise
            onnxruntime.InferenceSession(source, options, providers=[CPU], disabled_optimizers=disabled)
            raise DeviceError(f"ONNX Runtime could not use the GPU: {gpu_problem(missing)}") from None
    # get_available_providers() lists what the package was built with, not what this machine has.
    if device == "cuda" and CUDA not in session.get_providers():
        raise DeviceError(f"ONNX Runtime could not use the GPU: {gpu_problem(missing)}")
    with nullcontext(model) if isinstance(model, bytes) else mapped(model) as content:
        FATAL[session] = (NEED_ROWS | NEED_STEPS).intersection(node_types(content))
    return session


def needs_rows(session: onnxruntime.InferenceSession) -> bool:
    """Whether an empty batch would fail or end the process."""
    return not NEED_ROWS.isdisjoint(FATAL.get(session, ()))


def needs_steps(session: onnxruntime.InferenceSession) -> bool:
    """Whether rows without entries along an axis would end the process."""
    return not NEED_STEPS.isdisjoint(FATAL.get(session, ()))


def provider(device: str) -> str:
    """The first provider of a session on the device, found by opening one."""
    import onnx_ir as ir

    return open_session(constant(ir.tensor([0.0], name="zero")), device).get_providers()[0]


def cuda_version() -> str:
    """The version of CUDA that ONNX Runtime is built for, as `13.0`; empty in a build without CUDA."""
    return getattr(onnxruntime, "cuda_version", "")


def load_cuda() -> list[str]:
    """Load the CUDA libraries that ONNX Runtime is linked to. Returns the names of missing ones. They are
    searched in the `nvidia-*` packages, which torch and `dlc[gpu]` install, then in the system, then in a
    torch that contains them."""
    missing = preload()
    if missing:
        with suppress(ImportError, OSError):
            import torch  # noqa: F401  the import loads its CUDA libraries

            return preload()
    return missing


def preload() -> list[str]:
    """Load CUDA libraries by ONNX Runtime, which prints the names of missing ones. Returns these names."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        onnxruntime.preload_dlls()
    names = re.findall(r"^Failed to load (.*?): ", printed.getvalue(), re.MULTILINE)
    return list(dict.fromkeys(os.path.basename(name) for name in names))


def gpu_problem(missing: list[str]) -> str:
    """The reason why a session does not use the GPU, and a fix."""
    if CUDA not in onnxruntime.get_available_providers():
        return "this build of it has no CUDA; `pip install onnxruntime-gpu` in place of `onnxruntime`"
    if not nvidia.gpus():
        return 'there is no NVIDIA GPU with a driver in this machine; `device="cpu"` needs none'
    if missing:
        return f"{', '.join(missing)} cannot be loaded; `dlc doctor` says which packages bring them"
    return "its CUDA provider did not start; `dlc doctor` says which CUDA it needs and which is installed"


@contextmanager
def limited_memory(options: onnxruntime.SessionOptions, memory_limit: int | None) -> Iterator[None]:
    """A context in which new sessions have a limited allocator. ONNX Runtime takes allocators from the
    environment of the process, so the allocator is replaced again at the end of the context."""
    if memory_limit is None:
        yield
        return
    with ALLOCATORS:
        options.add_session_config_entry("session.use_env_allocators", "1")
        register_allocator({"max_mem": memory_limit})
        try:
            yield
        finally:
            register_allocator({})


def register_allocator(arena: dict[str, int]) -> None:
    """Register a CPU allocator of the process. Releases that allow only one keep the first, with its
    limit."""
    memory_info = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    with suppress(RuntimeError):
        onnxruntime.create_and_register_allocator(memory_info, onnxruntime.OrtArenaCfg(arena))


def run(
    session: onnxruntime.InferenceSession, inputs: Mapping[str, np.ndarray], longest: int | None = None
) -> dict[str, Any]:
    """All outputs by name. `longest` is the maximum number of bytes of a text output; with it, the memory of
    text outputs is checked before they are converted. MemoryError if there is not enough memory.

    An empty batch that would end the process is answered from a made-up row."""
    if needs_rows(session) and any(array.shape[:1] == (0,) for array in inputs.values()):
        answers = run(session, {name: made_up_row(array) for name, array in inputs.items()}, longest)
        by_rows = {output.name for output in session.get_outputs() if output.shape[:1] == [BATCH]}
        return {name: answer[:0] if name in by_rows else answer for name, answer in answers.items()}
    try:
        return outputs_of(session, inputs, longest)
    except MemoryError:
        raise
    except Exception as error:
        if OUT_OF_MEMORY.search(str(error)):
            raise MemoryError("it needs more memory than the limit") from None
        raise


def made_up_row(array: np.ndarray) -> np.ndarray:
    """A batch of one row of an input: zeros, or empty text. The seed is none of rows."""
    if not array.ndim:
        return array
    steps = (max(size, 1) for size in array.shape[1:])
    return np.full((1, *steps), "" if array.dtype.kind in "OUS" else 0, array.dtype)


def outputs_of(
    session: onnxruntime.InferenceSession, inputs: Mapping[str, np.ndarray], longest: int | None
) -> dict[str, Any]:
    names = [o.name for o in session.get_outputs()]
    input_types = {v.type for v in session.get_inputs()}
    output_types = {v.type for v in session.get_outputs()}
    checks_memory = longest is not None and TEXT in output_types and TEXT not in input_types
    if not checks_memory and BFLOAT16 not in input_types | output_types:
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))
    values = session.run_with_ort_values(names, {n: to_ort(array) for n, array in inputs.items()})
    texts = sum(prod(value.shape()) for value in values if value.data_type() == TEXT)
    if longest is not None and texts * (STR_OVERHEAD + longest) > memory.free():
        raise MemoryError("its outputs take more memory than is free")
    return dict(zip(names, map(from_ort, values), strict=True))


# --- text and bfloat16, which ONNX Runtime does not convert from NumPy ----------------------------------


def to_ort(array: np.ndarray) -> onnxruntime.OrtValue:
    if array.dtype.kind in "OUS":
        return text_to_ort(array)
    if array.dtype == ml_dtypes.bfloat16:
        bits = np.ascontiguousarray(array).view(np.uint16)
        return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(bits, BFLOAT16_NUMBER)
    return onnxruntime.OrtValue.ortvalue_from_numpy(array)


def text_to_ort(array: np.ndarray) -> onnxruntime.OrtValue:
    """Text as an OrtValue. In Python it can be created only as the output of a model, here of a constant."""
    import onnx_ir as ir

    text = ir.StringTensor([str(v).encode() for v in array.ravel()], shape=ir.Shape(array.shape), name="text")
    (made,) = open_session(constant(text)).run_with_ort_values(None, {})
    return made


def constant(tensor: ir.TensorProtocol) -> bytes:
    """A model with one node and without inputs. Its output is the tensor."""
    import onnx_ir as ir

    held = ir.val(tensor.name, const_value=tensor)
    node = ir.node("Identity", [held], name="constant")
    graph = ir.Graph(
        [], node.outputs, nodes=[node], initializers=[held], opset_imports={"": 18}, name="constant"
    )
    return ir.to_proto(ir.Model(graph, ir_version=8)).SerializeToString()


def from_ort(value: onnxruntime.OrtValue) -> np.ndarray:
    if value.data_type() != BFLOAT16:
        return value.numpy()
    shape = value.shape()
    bits = ctypes.string_at(value.data_ptr(), 2 * prod(shape)) if prod(shape) else b""
    return np.frombuffer(bits, ml_dtypes.bfloat16).reshape(shape)
