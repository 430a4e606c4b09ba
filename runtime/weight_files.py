"""Weight files in the safetensors format. Other formats are not read, because they can run code."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from dlc.compiler import reading
from dlc.compiler.diagnostics.quoting import shorten
from dlc.compiler.lower.given_weights import Given
from dlc.compiler.tensor_files import MAX_DIRECTORY
from dlc.runtime import memory

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

MAX_HEADER = MAX_DIRECTORY

# Element types by their codes in a file.
ELEMENTS = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8",
    "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


class WeightFile(Given):
    """The tensors of a file, each read on access. OSError if the file cannot be opened, ValueError if it has
    another format."""

    def __init__(self, path: Path) -> None:
        from safetensors import SafetensorError, safe_open

        check_file(path)
        try:
            self._file: Any = safe_open(path, framework="np")
            slices = {name: self._file.get_slice(name) for name in self._file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise ValueError(f"it is not a safetensors file: {shorten(error, 200)}") from None
        self.types = {n: (element(s.get_dtype()), tuple(s.get_shape())) for n, s in slices.items()}

    @property
    def metadata(self) -> dict[str, str]:
        """The texts by name in the header of the file."""
        return self._file.metadata() or {}

    def __getitem__(self, name: str) -> np.ndarray:
        import ml_dtypes  # noqa: F401  registers bfloat16 in NumPy

        return self._file.get_tensor(name)


def check_file(path: Path) -> None:
    """Check a file before the library opens it: it has to be a regular file that fits in memory, with a
    header of limited size. The library itself checks shapes and recognizes other formats. OSError."""
    try:
        reading.check(path, memory.free())
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, "there is no such file", str(path)) from None
    with reading.open_file(path) as file:
        length, begin = int.from_bytes(file.read(8), "little"), file.read(1)
        if begin == b"{" and length > MAX_HEADER:
            raise OSError(errno.EFBIG, f"its header is longer than {MAX_HEADER:_} bytes", str(path))


def element(code: str) -> str:
    return ELEMENTS.get(code, f"the unknown element {code}")
