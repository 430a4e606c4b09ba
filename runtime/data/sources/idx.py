"""A folder in the format of MNIST (idx): images and labels of a training and a test set, maybe compressed."""

from __future__ import annotations

import gzip
import zlib
from contextlib import ExitStack, contextmanager
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler import reading
from dlc.compiler.diagnostics.quoting import shorten
from dlc.runtime.data import bounds, data_errors
from dlc.runtime.data.locations.location import LocalFile
from dlc.runtime.data.source import PIECE, Column, Opened, display_path, numbers, read_exactly, relative

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import IO, NoReturn

    from dlc.compiler.definitions.sections import Idx

PREFIXES = {"train": "train", "test": "t10k"}
FILES = (("images", "idx3"), ("labels", "idx1"))
ELEMENTS = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
MAX_EXPANSION = 1_032  # maximum ratio of the content of a gzip file to its size


class IdxFolder(Opened):
    def __init__(self, source: Idx, folder: Path, part: str) -> None:
        self.definition = source
        self.file, self.free_layout = display_path(source.path), True
        found = [_find(folder / source.path, PREFIXES[part], *piece) for piece in FILES]
        self._paths = [path for path in found if path]
        if len(self._paths) < len(FILES):
            self._shape_error(folder / source.path, PREFIXES[part], found)
        shapes = [self._shape(path) for path in self._paths]
        self.sizes = tuple(prod(shape[1:]) for shape in shapes)
        self.count, labels = (shape[0] for shape in shapes)
        if self.count != labels:
            message = f"{self.file}: there are {self.count} images and {labels} labels"
            raise data_errors.fail(data_errors.SHAPE, message, (source, "read here"))

    def read(self, indices: Sequence[int]) -> list[Column]:
        for index in indices:
            what = f"{self.file}/{self._paths[index].name}"
            bounds.check(self.size([index]), bounds.memory_limit(), what, self.definition)
        return next(self._pieces(indices, self.count))

    def pieces(self, indices: Sequence[int]) -> Iterator[list[Column]]:
        yield from self._pieces(indices, max(PIECE * self.count // max(self.size(indices), 1), 1))

    def size(self, indices: Sequence[int]) -> int:
        """Values of several bytes are in memory twice: as in the file, and in the byte order of NumPy."""
        total = 0
        for path in (self._paths[index] for index in indices):
            with self._opened(path) as stream:
                shape, dtype = self._announced(stream, path)
            total += prod(shape) * dtype.itemsize * (1 if dtype.itemsize == 1 else 2)
        return total

    def identity(self) -> list[tuple[str, ...]]:
        return [LocalFile(path, path.name).identity() for path in self._paths]

    def _pieces(self, indices: Sequence[int], rows: int) -> Iterator[list[Column]]:
        """The columns, at most so many rows at a time."""
        with ExitStack() as stack:
            files = [self._paths[index] for index in indices]
            arrays = [self._arrays(stack.enter_context(self._opened(path)), path, rows) for path in files]
            for piece in zip(*arrays, strict=True):
                yield [numbers(array) for array in piece]

    def name(self, index: int) -> str:
        return FILES[index][0]

    @contextmanager
    def _opened(self, path: Path) -> Iterator[Any]:
        """The file, decompressed. Its errors name it."""
        try:
            with reading.open_file(path) as file:
                yield self._unpacked(file, path)
        except reading.Unreadable as error:
            message = f"{self.file}/{path.name} {error.strerror}"
            raise data_errors.fail(data_errors.NO_FILE, message, (self.definition, "read here")) from None
        except (OSError, EOFError, zlib.error) as error:
            raise self._broken(path, str(error)) from None

    def _shape(self, path: Path) -> tuple[int, ...]:
        with self._opened(path) as stream:
            return self._header(stream, path)[0]

    @staticmethod
    def _unpacked(file: IO[bytes], path: Path) -> Any:
        if path.suffix != ".zst":
            return gzip.open(file) if path.suffix == ".gz" else file
        import pyarrow as pa

        return pa.CompressedInputStream(file, "zstd")

    def _header(self, stream: IO[bytes], path: Path) -> tuple[tuple[int, ...], np.dtype]:
        head = stream.read(4)
        if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in ELEMENTS or not 1 <= head[3] <= 8:
            raise self._broken(path, "it does not begin like an idx file")
        sizes = stream.read(4 * head[3])
        if len(sizes) < 4 * head[3]:
            raise self._broken(path, "it ends within its header")
        return tuple(np.frombuffer(sizes, ">u4").tolist()), np.dtype(ELEMENTS[head[2]])

    def _announced(self, stream: IO[bytes], path: Path) -> tuple[tuple[int, ...], np.dtype]:
        """The shape and the dtype of a file that is large enough to have so many values."""
        shape, dtype = self._header(stream, path)
        size = reading.check(path)
        most = {".gz": MAX_EXPANSION * size, ".zst": max(bounds.RATIO * size, bounds.SMALL)}
        if prod(shape) * dtype.itemsize > most.get(path.suffix, size):
            raise self._other_size(path, "less", shape, dtype)
        return shape, dtype

    def _arrays(self, stream: IO[bytes], path: Path, rows: int) -> Iterator[np.ndarray]:
        """All values, at most so many rows at a time; one array at least. Reads no more than the header
        announces."""
        shape, dtype = self._announced(stream, path)
        for start in range(0, max(shape[0], 1), max(rows, 1)):
            part = (min(rows, shape[0] - start), *shape[1:])
            data = read_exactly(stream, prod(part) * dtype.itemsize)
            if len(data) != prod(part) * dtype.itemsize:
                raise self._other_size(path, "less", shape, dtype)
            if start + part[0] == shape[0] and stream.read(1):
                raise self._other_size(path, "more", shape, dtype)
            try:
                yield np.frombuffer(data, dtype).reshape(part).astype(dtype.newbyteorder("="), copy=False)
            except ValueError as error:  # empty, in a shape that NumPy does not allow
                raise self._broken(path, str(error)) from None

    def _other_size(
        self, path: Path, more: str, shape: tuple[int, ...], dtype: np.dtype
    ) -> data_errors.CompileError:
        wanted = prod(shape) * dtype.itemsize
        return self._broken(path, f"it holds {more} than the {wanted} bytes that its header announces")

    def _shape_error(self, folder: Path, prefix: str, found: Sequence[Path | None]) -> NoReturn:
        place = (self.definition, "looked for here")
        if not folder.is_dir():
            what = f"there is no folder {self.file}"
            raise data_errors.fail(data_errors.NO_FILE, what, place, help=relative(self.definition))
        lacking = [f"{prefix}-{what}-{kind}-ubyte"
                   for path, (what, kind) in zip(found, FILES, strict=True) if not path]  # fmt: skip
        message = f"the folder {self.file} has no file {' and no file '.join(lacking)}"
        raise data_errors.fail(
            data_errors.NO_FILE, message, place, help="compressed files (.gz, .zst) are read as well"
        )

    def _broken(self, path: Path, why: str) -> data_errors.CompileError:
        message = f"{self.file}/{path.name} cannot be read as an idx file: {shorten(why, 200)}"
        return data_errors.fail(data_errors.BROKEN, message, (self.definition, "read here"))


def has_test(source: Idx, folder: Path) -> bool:
    """Whether the folder has a test set of its own."""
    return any(_find(folder / source.path, PREFIXES["test"], *piece) for piece in FILES)


def _find(folder: Path, prefix: str, what: str, kind: str) -> Path | None:
    names = [f"{prefix}-{what}{sign}{kind}-ubyte{end}" for sign in "-." for end in ("", ".gz", ".zst")]
    return next((folder / name for name in names if (folder / name).exists()), None)
