"""NumPy archives: a name for each array, a row along its first axis."""

from __future__ import annotations

import zipfile
import zlib
from contextlib import contextmanager
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler import reading
from dlc.compiler.diagnostics.quoting import shorten
from dlc.runtime.data import bounds, data_errors
from dlc.runtime.data.python_columns import OTHERWISE, column_of
from dlc.runtime.data.source import Column, Opened, fix_of, need_file, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import IO, BinaryIO

    from dlc.compiler.definitions.sections import Npz

LISTED = 1 << 24  # bytes that the list of all members takes at most
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # as NumPy writes members
LONGEST = 1 << 48  # no axis is longer
TEXT = 64  # bytes that a text takes at least, beside what the archive has of it
NO_ZIP = "File is not a zip file"  # as zipfile says it, also where the end is missing
# What zipfile and NumPy raise for a file that is not what it says.
BROKEN = (zipfile.BadZipFile, zlib.error, OSError, ValueError, OverflowError, EOFError, MemoryError,
          NotImplementedError, RuntimeError)  # fmt: skip


class NpzFile(Opened):
    def __init__(self, source: Npz, folder: Path) -> None:
        path = need_file(folder / source.path, source)
        self.file, self.definition = shown(source.path), source
        self._path, self._source = path, source
        with self._archive() as archive:
            self.names = tuple(n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy"))
        if not self.names:
            raise data_errors.fail(data_errors.NO_ROWS, f"{self.file} holds no arrays", (source, "read here"))
        self.count = -1

    def read(self, places: Sequence[int]) -> list[Column]:
        names = [self.names[place] for place in places]
        with self._archive() as archive:
            sizes = [self._size(archive, name) for name in names]
            bounds.check(sum(sizes), bounds.most(), self.file, self.definition)
            arrays = [self._array(archive, name) for name in names]
        self.count = len(arrays[0]) if arrays else 0
        for place, array in zip(places, arrays, strict=True):
            if len(array) != self.count:
                message = (f'{self.file}: the arrays have different numbers of rows: {self.count} in '
                           f'"{self.names[places[0]]}", {len(array)} in "{self.names[place]}"')  # fmt: skip
                raise data_errors.fail(data_errors.SHAPE, message, (self.definition, "read here"))
        try:
            return [column_of(array) for array in arrays]
        except (ValueError, SystemError) as error:  # text of characters that there are not
            raise self._broken(str(error)) from None

    def name(self, place: int) -> str:
        return f'array "{self.names[place]}"'

    @contextmanager
    def _archive(self) -> Iterator[zipfile.ZipFile]:
        try:
            with (
                reading.open_file(self._path) as file,
                zipfile.ZipFile(ArchivePieces(file)) as archive,
            ):
                yield archive
        except zipfile.BadZipFile as error:
            help = fix_of(self._path, self._source, b"PK\x03\x04") if str(error) == NO_ZIP else ""
            raise self._broken("it does not end as an archive does" if help else str(error), help) from None
        except BROKEN as error:
            raise self._broken(str(error) or type(error).__name__) from None

    def _size(self, archive: zipfile.ZipFile, name: str) -> int:
        """The bytes that an array takes in memory. One that asks for pickle, or for more memory than
        it fills, is refused before any of it is read."""
        entry = archive.getinfo(f"{name}.npy")
        if entry.compress_type not in PACKED:
            raise self._broken(f'the array "{name}" is packed as NumPy packs none')
        with archive.open(entry) as stream:
            shape, dtype = _header(stream)
        if dtype.hasobject:
            help = "write text, or numbers, in its place: `.astype(str)`, `.astype(float)`"
            raise self._broken(f'the array "{name}" holds Python objects, which are not read', help)
        if dtype.kind not in "biufU":
            why = f'the array "{name}" of {dtype} holds neither numbers nor text'
            raise self._broken(why, OTHERWISE.get(dtype.kind, ""))
        if not shape:
            message = f'{self.file}: the array "{name}" is a single value, and has no rows'
            raise data_errors.fail(data_errors.SHAPE, message, (self.definition, "read here"))
        size = prod(shape) * dtype.itemsize
        if size > entry.file_size:
            raise self._broken(f'the array "{name}" ends too early')
        bounds.check_ratio(size, entry.compress_size, f'{self.file}, array "{name}"', self.definition)
        return size + (TEXT * prod(shape) if dtype.kind == "U" else 0)

    def _array(self, archive: zipfile.ZipFile, name: str) -> np.ndarray:
        with archive.open(f"{name}.npy") as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)

    def _broken(self, why: str, help: str = "") -> data_errors.CompileError:
        message = f"{self.file} cannot be read as an npz file: {shorten(why, 200)}"
        return data_errors.fail(data_errors.BROKEN, message, (self.definition, "read here"), help=help)


class ArchivePieces:
    """An archive of which only so much is read at once: `zipfile` reads the list of all members in one go."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        found = self._file.read(LISTED + 1 if size < 0 else min(size, LISTED + 1))
        if len(found) > LISTED:
            raise zipfile.BadZipFile("its list of members is too long")
        return found


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """The shape and the element of an array. ValueError if it has none."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    if not all(type(size) is int and 0 <= size < LONGEST for size in shape):
        raise ValueError(f"an array of the shape {shape}")
    return shape, dtype
