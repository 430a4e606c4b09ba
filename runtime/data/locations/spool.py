"""Parts of a file at a URL, fetched once, in large requests, and kept in a temporary file."""

from __future__ import annotations

import io
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BLOCK = 1 << 22  # bytes of a request
AT_ONCE = 4  # requests


class Spool:
    """The blocks of a file that were fetched. `fetch` gives some bytes of the file, by offset and number."""

    def __init__(self, size: int, fetch: Callable[[int, int], bytes]) -> None:
        self.size, self._fetch = size, fetch
        self._kept = tempfile.TemporaryFile(prefix="dlc-", buffering=0)  # noqa: SIM115  closed with the spool
        self._there: set[int] = set()
        self._lock = Lock()

    def prefetch(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Fetch the blocks of these parts, each from its start to before its end, several at a time."""
        wanted = {block for start, end in ranges for block in self._blocks(start, end)}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for _ in pool.map(self._fill, sorted(wanted)):
                pass

    def read(self, start: int, number: int) -> bytes:
        """These bytes; fewer at the end of the file."""
        end = min(start + number, self.size)
        for block in self._blocks(start, end):
            self._fill(block)
        return os.pread(self._kept.fileno(), max(end - start, 0), start)

    def close(self) -> None:
        self._kept.close()

    def __del__(self) -> None:
        self.close()

    def _blocks(self, start: int, end: int) -> range:
        start, end = max(start, 0), min(end, self.size)
        return range(start // BLOCK, -(-end // BLOCK)) if start < end else range(0)

    def _fill(self, block: int) -> None:
        if block in self._there:
            return
        start = block * BLOCK
        wanted = min(BLOCK, self.size - start)
        content = self._fetch(start, wanted)
        if len(content) != wanted:
            raise OSError(5, "the file is shorter than its server says")
        with self._lock:
            os.pwrite(self._kept.fileno(), content, start)
            self._there.add(block)


class SpoolFile(io.RawIOBase):
    """A spool as a file to read."""

    def __init__(self, spool: Spool) -> None:
        self._spool, self._place = spool, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._spool.size}[whence]
        self._place = max(begin + offset, 0)
        return self._place

    def readinto(self, buffer: Any) -> int:
        content = self._spool.read(self._place, len(buffer))
        buffer[: len(content)] = content
        self._place += len(content)
        return len(content)
