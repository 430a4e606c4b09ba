"""Headers of npz and safetensors files: names, elements and shapes of tensors, read without NumPy."""

from __future__ import annotations

import errno
import json
import os
import re
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

from dlc.compiler import reading
from dlc.compiler.types import MAX_RANK, Tensor

if TYPE_CHECKING:
    from typing import BinaryIO

MAX_DIRECTORY = 1 << 24  # bytes of the list of tensors of a file
MAX_ARRAY_HEADER = 10_000  # bytes of the header of an array, as in NumPy
MAX_SIZE = 10**9  # of an axis
MAX_BESIDE = 1000  # files of a folder among which the nearest name is found
FORMATS = (".npz", ".safetensors")
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the methods that NumPy writes
# The header that NumPy writes before an array.
NPY = re.compile(
    r"\{'descr': '[<>|=]?(?P<dtype>\w+)', 'fortran_order': (True|False), "
    r"'shape': \((?P<shape>[\d, ]*)\), *\}\s*"
)
# Exceptions of zipfile for damaged files.
BROKEN = (zipfile.BadZipFile, zlib.error, OverflowError, EOFError, NotImplementedError, RuntimeError)
# The element of a loaded tensor, by the codes of NumPy and of safetensors. Numbers are converted to it.
ELEMENTS = {
    **dict.fromkeys(("f2", "f4", "f8", "F16", "BF16", "F32", "F64"), "float"),
    **dict.fromkeys(("i1", "i2", "i4", "i8", "u1", "u2", "u4", "I8", "I16", "I32", "I64", "U8", "U16", "U32"),
                    "int64"),
    **dict.fromkeys(("b1", "BOOL"), "bool"),
}  # fmt: skip
KINDS = {"U": "text", "S": "text", "O": "Python objects", "c": "complex numbers", "C": "complex numbers",
         "M": "dates", "m": "durations"}  # fmt: skip


class NoTensor(KeyError):
    """A file has no tensor of a name. `names` are those that it has."""

    def __init__(self, names: list[str]):
        super().__init__("no such tensor")
        self.names = names


class NoFile(FileNotFoundError):
    """A file does not exist. `names` are the files of these formats in its folder."""

    def __init__(self, names: list[str]):
        super().__init__(errno.ENOENT, "there is no such file")
        self.names = names


def beside(path: str | os.PathLike[str]) -> list[str]:
    """The names of the first files of these formats in the folder of a path."""
    try:
        names = sorted(os.listdir(os.path.dirname(path) or "."))
    except OSError:
        return []
    return [name for name in names if name.endswith(FORMATS)][:MAX_BESIDE]


def type_in(path: str | os.PathLike[str], name: str) -> Tensor:
    """The type of one tensor of a file, without batch axis. OSError if the file cannot be opened, ValueError
    if it is not of its format or the tensor is not of numbers, `NoTensor` if there is none of that name."""
    header = of_npz if os.fspath(path).endswith(".npz") else of_safetensors
    try:
        with reading.open_file(path) as file:
            code, shape = header(file, name)
    except FileNotFoundError:
        raise NoFile(beside(path)) from None
    if code not in ELEMENTS:
        raise ValueError(f'"{name}" holds {KINDS.get(code[:1], code.lower())}, and a constant holds numbers')
    if len(shape) > MAX_RANK or not all(0 < size <= MAX_SIZE for size in shape):
        raise ValueError(f'"{name}" has the shape {shape}, and a constant has at least one number')
    return Tensor(ELEMENTS[code], tuple(shape), batched=False)


def of_safetensors(file: BinaryIO, name: str) -> tuple[str, list[int]]:
    """The code of the element and the shape of a tensor, from the JSON header."""
    length = int.from_bytes(file.read(8), "little")
    if length > MAX_DIRECTORY:
        raise ValueError("it is not a safetensors file")
    try:
        header: Any = json.loads(file.read(length))
        tensors = {key: value for key, value in header.items() if key != "__metadata__"}
        if name not in tensors:
            raise NoTensor(list(tensors))
        code, shape = tensors[name]["dtype"], tensors[name]["shape"]
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise ValueError("it is not a safetensors file") from None
    except NoTensor:
        raise
    except KeyError:
        raise ValueError("it is not a safetensors file") from None
    if not isinstance(code, str) or not isinstance(shape, list) or not all(type(s) is int for s in shape):
        raise ValueError("it is not a safetensors file")
    return code, shape


def of_npz(file: BinaryIO, name: str) -> tuple[str, list[int]]:
    """The code of the dtype and the shape of an array."""
    try:
        with zipfile.ZipFile(ArchivePieces(file)) as archive:
            names = [n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")]
            if name not in names:
                raise NoTensor(names)
            with archive.open(npy_entry(archive, name)) as array:
                start = array.read(8)
                length = int.from_bytes(array.read(2 if start[6:7] == b"\x01" else 4), "little")
                header = array.read(min(length, MAX_ARRAY_HEADER)).decode("latin-1")
    except BROKEN as error:
        raise ValueError(f"it is not an npz file: {str(error).lower()}") from None
    found = NPY.fullmatch(header) if start.startswith(b"\x93NUMPY") else None
    if found is None:
        raise ValueError(f'"{name}" is not an array of numbers')
    return found["dtype"], [int(size) for size in found["shape"].replace(" ", "").split(",") if size]


def npy_entry(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """The member of an npz file that holds an array. ValueError for a compression that NumPy does not write;
    some need memory of a size that the file states."""
    entry = archive.getinfo(f"{name}.npy")
    if entry.compress_type not in PACKED:
        raise ValueError(f'the array "{name}" has a compression that NumPy does not write')
    return entry


class ArchivePieces:
    """A file that limits the size of one read, because `zipfile` reads the whole list of members at once."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        found = self._file.read(MAX_DIRECTORY + 1 if size < 0 else min(size, MAX_DIRECTORY + 1))
        if len(found) > MAX_DIRECTORY:
            raise zipfile.BadZipFile("its list of members is too long")
        return found
