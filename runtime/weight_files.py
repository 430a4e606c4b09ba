"""Files of weights, in the format safetensors: no other is read, as others can run code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlc.compiler.lower.given import Given

if TYPE_CHECKING:
    import numpy as np

# Elements as messages call them, by their codes in a file.
ELEMENTS = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8",
    "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


class Stored(Given):
    """The tensors of a file, each read when it is taken. OSError where the file cannot be opened, ValueError
    where it is of another format."""

    def __init__(self, path: Path) -> None:
        from safetensors import SafetensorError, safe_open

        if not path.is_file():
            what = "it is a folder" if path.is_dir() else "there is no such file"
            raise FileNotFoundError(2, what, str(path))
        try:
            self._file: Any = safe_open(path, framework="np")
            slices = {name: self._file.get_slice(name) for name in self._file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise ValueError(f"it is no safetensors file: {error}") from None
        self.types = {n: (element(s.get_dtype()), tuple(s.get_shape())) for n, s in slices.items()}

    def __getitem__(self, name: str) -> np.ndarray:
        import ml_dtypes  # noqa: F401  bfloat16, which NumPy does not have

        return self._file.get_tensor(name)


def element(code: str) -> str:
    return ELEMENTS.get(code, f"the unknown element {code}")
