"""A folder in the format of MNIST (idx): images and labels of a training and a test set, plain or gzipped."""

from __future__ import annotations

import gzip
import zlib
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler import reading
from dlc.compiler.diagnostics.quoting import shorten
from dlc.runtime.data import bounds, data_errors
from dlc.runtime.data.source import Column, Opened, display_path, numbers, relative

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import IO, NoReturn

    from dlc.compiler.definitions.sections import Idx

PREFIXES = {"train": "train", "test": "t10k"}
PIECES = (("images", "idx3"), ("labels", "idx1"))
ELEMENTS = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
STEP = 1 << 24
MAX_EXPANSION = 1_032  # maximum ratio of the content of a gzip file to its size


class IdxFolder(Opened):
    def __init__(self, source: Idx, folder: Path, part: str) -> None:
        self.definition = source
        self.file, self.free_layout = display_path(source.path), True
        found = [_find(folder / source.path, PREFIXES[part], *piece) for piece in PIECES]
        self._paths = [path for path in found if path]
        if len(self._paths) < len(PIECES):
            self._shape_error(folder / source.path, PREFIXES[part], found)
        shapes = [
            self._read(path, lambda stream, path: self._header(stream, path)[0]) for path in self._paths
        ]
        self.sizes = tuple(prod(shape[1:]) for shape in shapes)
        self.count, labels = (shape[0] for shape in shapes)
        if self.count != labels:
            message = f"{self.file}: there are {self.count} images and {labels} labels"
            raise data_errors.fail(data_errors.SHAPE, message, (source, "read here"))

    def read(self, indices: Sequence[int]) -> list[Column]:
        return [numbers(self._read(self._paths[index], self._array)) for index in indices]

    def name(self, index: int) -> str:
        return PIECES[index][0]

    def _read(self, path: Path, act: Callable[[Any, Path], Any]) -> Any:
        """The result of `act` on the file, decompressed if it is gzipped."""
        try:
            with reading.open_file(path) as file:
                return act(gzip.open(file) if path.suffix == ".gz" else file, path)
        except reading.Unreadable as error:
            message = f"{self.file}/{path.name} {error.strerror}"
            raise data_errors.fail(data_errors.NO_FILE, message, (self.definition, "read here")) from None
        except (OSError, EOFError, zlib.error) as error:
            raise self._broken(path, str(error)) from None

    def _header(self, stream: IO[bytes], path: Path) -> tuple[tuple[int, ...], np.dtype]:
        head = stream.read(4)
        if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in ELEMENTS or not 1 <= head[3] <= 8:
            raise self._broken(path, "it does not begin like an idx file")
        sizes = stream.read(4 * head[3])
        if len(sizes) < 4 * head[3]:
            raise self._broken(path, "it ends within its header")
        return tuple(np.frombuffer(sizes, ">u4").tolist()), np.dtype(ELEMENTS[head[2]])

    def _array(self, stream: IO[bytes], path: Path) -> np.ndarray:
        """All values. Reads no more than the header announces, and no more than memory allows."""
        shape, dtype = self._header(stream, path)
        wanted, what = prod(shape) * dtype.itemsize, f"{self.file}/{path.name}"
        most = reading.check(path) * (MAX_EXPANSION if path.suffix == ".gz" else 1)
        if wanted <= most:
            copies = 1 if dtype.itemsize == 1 else 2  # in the byte order of the file and in native order
            bounds.check(copies * wanted, bounds.memory_limit(), what, self.definition)
        data = bytearray()
        while len(data) <= wanted <= most and (piece := stream.read(min(STEP, wanted + 1 - len(data)))):
            data += piece
        if len(data) != wanted:
            more = "less" if len(data) < wanted else "more"
            raise self._broken(path, f"it holds {more} than the {wanted} bytes that its header announces")
        try:
            return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
        except ValueError as error:  # empty, in a shape that NumPy does not allow
            raise self._broken(path, str(error)) from None

    def _shape_error(self, folder: Path, prefix: str, found: Sequence[Path | None]) -> NoReturn:
        place = (self.definition, "looked for here")
        if not folder.is_dir():
            what = f"there is no folder {self.file}"
            raise data_errors.fail(data_errors.NO_FILE, what, place, help=relative(self.definition))
        lacking = [f"{prefix}-{what}-{kind}-ubyte"
                   for path, (what, kind) in zip(found, PIECES, strict=True) if not path]  # fmt: skip
        message = f"the folder {self.file} has no file {' and no file '.join(lacking)}"
        raise data_errors.fail(
            data_errors.NO_FILE, message, place, help="gzipped files (.gz) are read as well"
        )

    def _broken(self, path: Path, why: str) -> data_errors.CompileError:
        message = f"{self.file}/{path.name} cannot be read as an idx file: {shorten(why, 200)}"
        return data_errors.fail(data_errors.BROKEN, message, (self.definition, "read here"))


def has_test(source: Idx, folder: Path) -> bool:
    """Whether the folder has a test set of its own."""
    return any(_find(folder / source.path, PREFIXES["test"], *piece) for piece in PIECES)


def _find(folder: Path, prefix: str, what: str, kind: str) -> Path | None:
    names = [f"{prefix}-{what}{sign}{kind}-ubyte{end}" for sign in "-." for end in ("", ".gz")]
    return next((folder / name for name in names if (folder / name).exists()), None)
