"""A file with rows, wherever it is stored."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, BinaryIO

from dlc.compiler import reading
from dlc.runtime.data import bounds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# The compressed files that are unpacked as they are read, by the ending of their names.
PACKED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".lz4": "lz4"}
NO_PARTITION: Mapping[str, str | None] = {}


class Location(ABC):
    """A file: its `name` in messages, and its `partition`, the values that the names of its folders give."""

    name: str
    partition: Mapping[str, str | None] = NO_PARTITION
    is_remote = False

    @abstractmethod
    def size(self) -> int:
        """Its size in bytes. OSError if it cannot be read."""

    @abstractmethod
    def open(self) -> BinaryIO:
        """The file, for reading at any place of it. OSError if it cannot be read."""

    @abstractmethod
    def native(self) -> Any:
        """The file for pyarrow, for reading at any place of it. OSError if it cannot be read."""

    @abstractmethod
    def stream(self) -> Any:
        """The file, for reading from its beginning. OSError if it cannot be read."""

    def prefetch(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Say which parts will be read, each from its start to before its end."""
        return

    @abstractmethod
    def identity(self) -> tuple[str, ...]:
        """What changes if its content does: its address, its size, and the time of its last change."""

    def pieces(self, size: int = bounds.PIECE) -> Iterator[bytes]:
        """Its content from the beginning, unpacked if its name says that it is compressed, in pieces of at
        most `size` bytes. OSError if it cannot be read."""
        with self.stream() as raw, unpacked(raw, self.name) as stream:
            yield from iter(lambda: stream.read(size), b"")

    def expansion(self) -> float:
        """How many times its size its content has, by its beginning."""
        if not packing(self.name):
            return 1.0
        with self.stream() as raw, unpacked(raw, self.name) as stream:
            size = len(stream.read(bounds.ONE_THREAD))
            return size / max(raw.tell(), 1)


class LocalFile(Location):
    """A regular file of this machine."""

    def __init__(self, path: Path, name: str, partition: Mapping[str, str | None] = NO_PARTITION) -> None:
        self.path, self.name, self.partition = path, name, partition

    def size(self) -> int:
        return reading.check(self.path)

    def open(self) -> BinaryIO:
        return reading.open_file(self.path)

    def native(self) -> Any:
        import pyarrow as pa

        reading.check(self.path)
        return pa.OSFile(str(self.path))

    def stream(self) -> Any:
        return self.native()

    def identity(self) -> tuple[str, ...]:
        found = self.path.stat()
        return str(self.path.resolve()), str(found.st_size), str(found.st_mtime_ns)


class Content(Location):
    """Bytes that were read already."""

    def __init__(self, content: bytes, name: str) -> None:
        self.name, self._content = name, content

    def size(self) -> int:
        return len(self._content)

    def open(self) -> BinaryIO:
        return io.BytesIO(self._content)

    def native(self) -> Any:
        import pyarrow as pa

        return pa.BufferReader(self._content)

    def stream(self) -> Any:
        return self.native()

    def identity(self) -> tuple[str, ...]:
        import hashlib

        return (hashlib.sha256(self._content).hexdigest(),)


def packing(name: str) -> str | None:
    """The compression of a file, by its name."""
    return PACKED.get(PurePath(name.lower()).suffix)


def unpacked(raw: Any, name: str) -> Any:
    """The content of a file that is read from its beginning."""
    kind = packing(name)
    if kind is None:
        return raw
    import pyarrow as pa

    return pa.CompressedInputStream(raw, kind)


def unpacked_suffix(name: str) -> str:
    """The ending of a name in lower case, without that of the compression: `.csv` of `rows.csv.gz`."""
    path = PurePath(name.lower())
    return PurePath(path.stem).suffix if path.suffix in PACKED else path.suffix
