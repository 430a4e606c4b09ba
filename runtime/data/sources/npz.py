"""NumPy archives (npz): named arrays, rows along the first axis."""

from __future__ import annotations

import zipfile
import zlib
from contextlib import ExitStack, contextmanager
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dlc.compiler import reading
from dlc.compiler.diagnostics.quoting import shorten
from dlc.compiler.tensor_files import ArchivePieces, npy_entry
from dlc.runtime.data import bounds, data_errors
from dlc.runtime.data.columns.python_columns import DTYPE_FIXES, column_of
from dlc.runtime.data.locations.location import LocalFile
from dlc.runtime.data.source import PIECE, Column, Opened, display_path, fix_of, need_file, read_exactly

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import IO

    from dlc.compiler.definitions.sections import Npz

MAX_AXIS = 1 << 48  # maximum length of an axis
TEXT = 64  # minimum bytes of a text in memory, in addition to its bytes in the archive
NO_ZIP = "File is not a zip file"  # the message of zipfile, also for a truncated file
# Exceptions of zipfile and NumPy for damaged files.
BROKEN = (zipfile.BadZipFile, zlib.error, OSError, ValueError, OverflowError, EOFError, MemoryError,
          NotImplementedError, RuntimeError)  # fmt: skip


class Head(NamedTuple):
    """What is said about an array: whether its columns stand beside each other, and its bytes in memory."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    by_columns: bool
    size: int


class NpzFile(Opened):
    def __init__(self, source: Npz, folder: Path) -> None:
        path = need_file(folder / source.path, source)
        self.file, self.definition = display_path(source.path), source
        self._path, self._source = path, source
        with self._archive() as archive:
            self.names = tuple(n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy"))
        if not self.names:
            raise data_errors.fail(data_errors.NO_ROWS, f"{self.file} holds no arrays", (source, "read here"))
        self.count = -1

    def read(self, indices: Sequence[int]) -> list[Column]:
        with self._archive() as archive:
            heads = self._heads(archive, indices)
            bounds.check(sum(head.size for head in heads), bounds.memory_limit(), self.file, self.definition)
            self._count(heads)
            return [self._column(self._array(archive, head.name)) for head in heads]

    def pieces(self, indices: Sequence[int]) -> Iterator[list[Column]]:
        with self._archive() as archive, ExitStack() as stack:
            heads = self._heads(archive, indices)
            self._count(heads)
            streams = [stack.enter_context(archive.open(f"{head.name}.npy")) for head in heads]
            for stream in streams:
                array_header(stream)
            rows = max(PIECE * self.count // max(sum(head.size for head in heads), 1), 1)
            for start in range(0, max(self.count, 1), rows):
                count = min(rows, self.count - start)
                parts = (self._part(stream, head, count) for stream, head in zip(streams, heads, strict=True))
                yield [*map(self._column, parts)]

    def size(self, indices: Sequence[int]) -> int:
        """Arrays in the order of Fortran have no rows beside each other, and are read whole."""
        with self._archive() as archive:
            heads = self._heads(archive, indices)
        return 0 if any(head.by_columns for head in heads) else sum(head.size for head in heads)

    def identity(self) -> list[tuple[str, ...]]:
        return [LocalFile(self._path, self.file).identity()]

    def _heads(self, archive: zipfile.ZipFile, indices: Sequence[int]) -> list[Head]:
        """What is said about arrays."""
        return [self._head(archive, self.names[index]) for index in indices]

    def _count(self, heads: Sequence[Head]) -> None:
        """Refuse arrays with different numbers of rows."""
        self.count = heads[0].shape[0] if heads else 0
        for head in heads:
            if head.shape[0] != self.count:
                message = (f"{self.file}: the arrays have different numbers of rows: {self.count} in "
                           f'"{heads[0].name}", {head.shape[0]} in "{head.name}"')  # fmt: skip
                raise data_errors.fail(data_errors.SHAPE, message, (self.definition, "read here"))

    def _column(self, array: np.ndarray) -> Column:
        try:
            return column_of(array)
        except (ValueError, SystemError) as error:  # text with invalid code points
            raise self._broken(str(error)) from None

    def name(self, index: int) -> str:
        return f'array "{self.names[index]}"'

    @contextmanager
    def _archive(self) -> Iterator[zipfile.ZipFile]:
        try:
            with (
                reading.open_file(self._path) as file,
                zipfile.ZipFile(ArchivePieces(file)) as archive,
            ):
                yield archive
        except zipfile.BadZipFile as error:
            help = (
                fix_of(LocalFile(self._path, self.file), self._source, b"PK\x03\x04")
                if str(error) == NO_ZIP
                else ""
            )
            raise self._broken("it does not end as an archive does" if help else str(error), help) from None
        except BROKEN as error:
            raise self._broken(str(error) or type(error).__name__) from None

    def _head(self, archive: zipfile.ZipFile, name: str) -> Head:
        """What is said about an array. One that needs pickle, or whose header announces more than the archive
        contains, is refused before it is read."""
        entry = npy_entry(archive, name)
        with archive.open(entry) as stream:
            shape, by_columns, dtype = array_header(stream)
        if dtype.hasobject:
            help = "write text or numbers instead: `.astype(str)`, `.astype(float)`"
            raise self._broken(f'the array "{name}" holds Python objects, which are not read', help)
        if dtype.kind not in "biufU":
            why = f'the array "{name}" of {dtype} holds neither numbers nor text'
            raise self._broken(why, DTYPE_FIXES.get(dtype.kind, ""))
        if not shape:
            message = f'{self.file}: the array "{name}" is a single value, and has no rows'
            raise data_errors.fail(data_errors.SHAPE, message, (self.definition, "read here"))
        size = prod(shape) * dtype.itemsize
        if size > entry.file_size:
            raise self._broken(f'the array "{name}" ends too early')
        bounds.check_ratio(size, entry.compress_size, f'{self.file}, array "{name}"', self.definition)
        size += TEXT * prod(shape) if dtype.kind == "U" else 0
        return Head(name, shape, dtype, by_columns and len(shape) > 1, size)

    def _part(self, stream: IO[bytes], head: Head, rows: int) -> np.ndarray:
        """The next rows of an array."""
        shape = (rows, *head.shape[1:])
        data = read_exactly(stream, prod(shape) * head.dtype.itemsize)
        if len(data) != prod(shape) * head.dtype.itemsize:
            raise self._broken(f'the array "{head.name}" ends too early')
        return np.frombuffer(data, head.dtype).reshape(shape)

    def _array(self, archive: zipfile.ZipFile, name: str) -> np.ndarray:
        with archive.open(f"{name}.npy") as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)

    def _broken(self, why: str, help: str = "") -> data_errors.CompileError:
        message = f"{self.file} cannot be read as an npz file: {shorten(why, 200)}"
        return data_errors.fail(data_errors.BROKEN, message, (self.definition, "read here"), help=help)


def array_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """The shape of an array, whether its first axis is the innermost (Fortran), and its dtype. ValueError if
    the header is invalid."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, by_columns, dtype = read(stream)
    if not all(type(size) is int and 0 <= size < MAX_AXIS for size in shape):
        raise ValueError(f"an array of the shape {shape}")
    return shape, by_columns, dtype
