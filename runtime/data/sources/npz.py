"""NumPy archives: a name for each array, a row along its first axis."""

from __future__ import annotations

import zipfile
import zlib
from typing import TYPE_CHECKING

import numpy as np

from dlc.runtime.data import mistakes
from dlc.runtime.data.given import column_of
from dlc.runtime.data.source import Column, Opened, need_file, shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import IO

    from dlc.compiler.sections import Npz


class NpzFile(Opened):
    def __init__(self, source: Npz, folder: Path) -> None:
        path = need_file(folder / source.path, source)
        self.file, self.definition, self._path = shown(source.path), source, path
        try:
            with zipfile.ZipFile(self._path) as archive:
                self.names = tuple(n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy"))
        except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
            raise self._broken(str(error)) from None
        self.count = -1

    def read(self, places: Sequence[int]) -> list[Column]:
        arrays = [self._array(self.names[place]) for place in places]
        self.count = len(arrays[0]) if arrays else 0
        for place, array in zip(places, arrays, strict=True):
            if len(array) != self.count:
                message = (f'{self.file}: the arrays have different numbers of rows: {self.count} in '
                           f'"{self.names[places[0]]}", {len(array)} in "{self.names[place]}"')  # fmt: skip
                raise mistakes.fail(mistakes.SHAPE, message, (self.definition, "read here"))
        if not self.count:
            raise mistakes.fail(mistakes.NO_ROWS, f"{self.file} has no rows", (self.definition, "read here"))
        return [column_of(array) for array in arrays]

    def name(self, place: int) -> str:
        return f'array "{self.names[place]}"'

    def _array(self, name: str) -> np.ndarray:
        """One array; an archive that asks for pickle, or for more memory than it fills, is refused."""
        try:
            with zipfile.ZipFile(self._path) as archive:
                entry = archive.getinfo(f"{name}.npy")
                with archive.open(entry) as stream:
                    shape, dtype = _header(stream)
                if dtype.hasobject:
                    raise self._broken(f'the array "{name}" holds Python objects, which are not read')
                if int(np.prod(shape, dtype=object)) * dtype.itemsize > entry.file_size:
                    raise self._broken(f'the array "{name}" ends too early')
                with archive.open(entry) as stream:
                    array = np.lib.format.read_array(stream, allow_pickle=False)
        except (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError, MemoryError,
                NotImplementedError, RuntimeError) as error:  # fmt: skip
            raise self._broken(str(error) or type(error).__name__) from None
        if not array.ndim:
            message = f'{self.file}: the array "{name}" is a single value, and has no rows'
            raise mistakes.fail(mistakes.SHAPE, message, (self.definition, "read here"))
        if array.dtype.kind not in "biufU":
            raise self._broken(f'the array "{name}" of {array.dtype} holds neither numbers nor text')
        return array

    def _broken(self, why: str) -> mistakes.CompileError:
        message = f"{self.file} cannot be read as an npz file: {mistakes.shorten(why, 200)}"
        return mistakes.fail(mistakes.BROKEN, message, (self.definition, "read here"))


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    return shape, dtype
