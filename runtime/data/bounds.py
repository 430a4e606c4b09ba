"""Size limits of data. They are checked before memory is allocated, because a file may be untrusted."""

from __future__ import annotations

import io
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from dlc.runtime import memory
from dlc.runtime.data import data_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

RATIO = 2_000  # maximum expansion of a compressed file; gzip reaches about half of that
SMALL = 1 << 26  # bytes that every file may expand to
# Bytes up to which one thread is as fast as several. Short reads start no threads: pyarrow aborts the process
# if threads are still starting when it exits.
ONE_THREAD = 1 << 23
PIECE = 1 << 24  # bytes that are decompressed at a time
FEWER = "take a machine with more memory, or keep fewer rows and only the columns that the spec reads"
UNPACKED = "unpack it, and name the unpacked file"


_allowed: ContextVar[int | None] = ContextVar("allowed", default=None)


@contextmanager
def allowed(size: int | None) -> Iterator[None]:
    """Within the block, a source may take so many bytes of memory; None: half of what is free."""
    token = _allowed.set(size)
    try:
        yield
    finally:
        _allowed.reset(token)


def memory_limit() -> int:
    """The maximum number of bytes that a source may take."""
    return memory.share(_allowed.get())


def check(
    size: int, bound: int, what: str, definition: Any, help: str = FEWER, label: str = "read here"
) -> None:
    """Refuse data that takes more bytes than `bound`, the value of `memory_limit()` before it was read."""
    if size > bound:
        needed, limit = memory.format_size(size), memory.format_size(bound)
        message = f"{what} needs {needed} of memory, and at most {limit} may be used for it"
        raise data_errors.fail(data_errors.TOO_LARGE, message, (definition, label), help=help)


def check_ratio(size: int, packed: int, what: str, definition: Any, help: str = UNPACKED) -> None:
    """Refuse data of `size` bytes that expands too far from `packed` bytes: a decompression bomb."""
    if size > max(RATIO * packed, SMALL):
        times = f"{RATIO:_} times its {memory.format_size(packed)}"
        message = f"{what} expands to more than {times}, which real data does not"
        raise data_errors.fail(data_errors.TOO_LARGE, message, (definition, "read here"), help=help)


def unpacked(pieces: Iterable[bytes], packed: int, what: str, definition: Any) -> Iterator[bytes]:
    """The pieces of a file of `packed` bytes that are decompressed as they are taken, as long as it is no
    decompression bomb."""
    size = 0
    for piece in pieces:
        size += len(piece)
        check_ratio(size, packed, what, definition)
        yield piece


def bounded(pieces: Iterable[bytes], packed: int, what: str, definition: Any) -> Iterator[bytes]:
    """The pieces of a file of `packed` bytes that are decompressed as they are taken, as long as they are not
    too many."""
    bound, size = memory_limit(), 0
    check(packed, bound, what, definition)
    for piece in unpacked(pieces, packed, what, definition):
        size += len(piece)
        check(size, bound, what, definition)
        yield piece


def joined(pieces: Iterable[bytes]) -> bytes:
    """All pieces together. A list of them would take the memory twice."""
    content = io.BytesIO()
    for piece in pieces:
        content.write(piece)
    return content.getvalue()
