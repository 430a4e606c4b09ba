"""Tensors of files: the values of `load(path, name)` in a spec."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler import reading
from dlc.compiler.definitions.initializers import LoadInitial
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.lower.given_weights import rounded
from dlc.compiler.lower.initial_weights import dtype
from dlc.compiler.tensor_files import ArchivePieces, npy_entry
from dlc.runtime import memory
from dlc.runtime.data.sources.npz import array_header
from dlc.runtime.weight_files import WeightFile

if TYPE_CHECKING:
    from collections.abc import Container, Mapping
    from pathlib import Path

    from dlc.compiler.ir.graph import Weight
    from dlc.compiler.program import CompiledProgram

UNREADABLE = "E0808"
# Exceptions of zipfile and NumPy for damaged files, and of a tensor that is not there any more.
BROKEN = (zipfile.BadZipFile, zlib.error, KeyError, ValueError, TypeError, OverflowError, EOFError,
          MemoryError, NotImplementedError, RuntimeError)  # fmt: skip


def tensors_of(program: CompiledProgram, folder: Path, known: Container[str] = ()) -> dict[str, np.ndarray]:
    """The values of all weights and constants that the spec loads, except for those in `known`. Raises
    `CompileError` for a file that cannot be read, or that has changed since the spec was checked."""
    loads = {w: w.initial for w in program.graph.weights if isinstance(w.initial, LoadInitial)}
    return {w.name: tensor(w, load, folder) for w, load in loads.items() if w.name not in known}


def tensor(weight: Weight, load: LoadInitial, folder: Path) -> np.ndarray:
    """The tensor of one `load` in the dtype of its weight."""
    try:
        array = read(folder / load.path, load.tensor)
        if array.shape != load.type.shape:
            raise ValueError(f'"{load.tensor}" has the shape {[*array.shape]} now')
        wanted = dtype(weight)
        if array.dtype.kind == "f":
            return rounded(array, wanted)
        return np.asarray(array, wanted, order="C")
    except OSError as error:
        why = reading.why(error)
    except BROKEN as error:
        why = f"cannot be read: {error or type(error).__name__}"
    raise CompileError.of(UNREADABLE, f"{load.path} {why}", load.span)


def read(path: Path, name: str) -> np.ndarray:
    """One array of a file. Its size is compared with the file and with the free memory before it is read."""
    if path.suffix != ".npz":
        file = WeightFile(path)
        if name not in file.types:
            raise ValueError(f'it holds no tensor "{name}" now')
        array = file[name]
        return array.astype(np.float32) if array.dtype.name == "bfloat16" else array
    with reading.open_file(path) as file, zipfile.ZipFile(ArchivePieces(file)) as archive:
        entry = npy_entry(archive, name)
        with archive.open(entry) as stream:
            shape, _, kind = array_header(stream)
        size = prod(shape) * kind.itemsize
        if kind.kind not in "biuf" or size > entry.file_size:
            raise ValueError(f'"{name}" is not an array of numbers, or ends too early')
        if size > memory.free():
            raise ValueError(f'"{name}" needs {memory.format_size(size)} of memory')
        with archive.open(entry) as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)


def fingerprint(data: str, tensors: Mapping[str, np.ndarray]) -> str:
    """The fingerprint of the data of a run and of the tensors that it loads: SHA-256."""
    if not tensors:
        return data
    digest = hashlib.sha256(data.encode())
    for name, array in sorted(tensors.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
