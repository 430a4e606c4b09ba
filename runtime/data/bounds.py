"""Size limits of data. They are checked before memory is allocated, because a file may be untrusted."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from dlc.runtime import memory
from dlc.runtime.data import data_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SHARE = 2  # a source takes at most 1 / SHARE of the free memory
RATIO = 2_000  # maximum expansion of a compressed file; gzip reaches about half of that
SMALL = 1 << 26  # bytes that every file may expand to
# Bytes up to which one thread is as fast as several. Short reads start no threads: pyarrow aborts the process
# if threads are still starting when it exits.
ONE_THREAD = 1 << 23
PIECE = 1 << 24  # bytes that are decompressed at a time
FEWER = "take a machine with more memory, or keep fewer rows and only the columns that the spec reads"
UNPACKED = "unpack it, and name the unpacked file"


def memory_limit() -> int:
    """The maximum number of bytes that a source may take."""
    return memory.free() // SHARE


def check(size: int, bound: int, what: str, definition: Any) -> None:
    """Refuse data that takes more bytes than `bound`, the value of `memory_limit()` before it was read."""
    if size > bound:
        needed, limit = memory.format_size(size), memory.format_size(bound)
        message = f"{what} needs {needed} of memory, and at most {limit} may be used for it"
        raise data_errors.fail(data_errors.TOO_LARGE, message, (definition, "read here"), help=FEWER)


def check_ratio(size: int, packed: int, what: str, definition: Any, help: str = UNPACKED) -> None:
    """Refuse data of `size` bytes that expands too far from `packed` bytes: a decompression bomb."""
    if size > max(RATIO * packed, SMALL):
        times = f"{RATIO:_} times its {memory.format_size(packed)}"
        message = f"{what} expands to more than {times}, which real data does not"
        raise data_errors.fail(data_errors.TOO_LARGE, message, (definition, "read here"), help=help)


def bounded(pieces: Iterable[bytes], packed: int, what: str, definition: Any) -> Iterator[bytes]:
    """The pieces of a file of `packed` bytes that are decompressed as they are taken, as long as they are not
    too many."""
    bound, size = memory_limit(), 0
    check(packed, bound, what, definition)
    for piece in pieces:
        size += len(piece)
        check_ratio(size, packed, what, definition)
        check(size, bound, what, definition)
        yield piece


def joined(pieces: Iterable[bytes]) -> bytes:
    """All pieces together. A list of them would take the memory twice."""
    content = io.BytesIO()
    for piece in pieces:
        content.write(piece)
    return content.getvalue()
