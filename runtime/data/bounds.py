"""How large data may be: bounds that are looked at before memory is taken,
as any file may come from a stranger."""

from __future__ import annotations

import io
from typing import Any

from dlc.runtime import memory
from dlc.runtime.data import data_errors

SHARE = 2  # a source takes at most one part in so many of the memory that is free
RATIO = 2_000  # how many times its size a packed file unfolds to at most; gzip reaches half of that
SMALL = 1 << 26  # bytes to which any file may unfold
# Bytes that one thread reads about as fast as several. Threads that are still starting when the process ends
# abort it (pyarrow), so short reads start none.
ONE_THREAD = 1 << 23
PIECE = 1 << 24  # bytes that are unpacked at a time
FEWER = "take a machine with more memory, or keep fewer rows and only the columns that the spec reads"
UNPACKED = "unpack it, and name the unpacked file"


def most() -> int:
    """Bytes that a source may take."""
    return memory.free() // SHARE


def check(size: int, bound: int, what: str, definition: Any) -> None:
    """Refuse what takes more bytes than the bound, which is what `most` said before it was read."""
    if size > bound:
        said = f"{what} takes {memory.spell(size)} of memory, and {memory.spell(bound)} may be taken for it"
        raise data_errors.fail(data_errors.TOO_LARGE, said, (definition, "read here"), help=FEWER)


def check_ratio(size: int, packed: int, what: str, definition: Any, help: str = UNPACKED) -> None:
    """Refuse what unfolds from so many packed bytes further than real data does."""
    if size > max(RATIO * packed, SMALL):
        message = (
            f"{what} unfolds to more than {RATIO:_} times its {memory.spell(packed)}, as no real data does"
        )
        raise data_errors.fail(data_errors.TOO_LARGE, message, (definition, "read here"), help=help)


def unpack(stream: Any, packed: int, what: str, definition: Any) -> bytes:
    """The content of a stream that unpacks a file of so many bytes."""
    bound, content = most(), io.BytesIO()
    check(packed, bound, what, definition)
    while piece := stream.read(PIECE):
        content.write(piece)
        check_ratio(content.tell(), packed, what, definition)
        check(content.tell(), bound, what, definition)
    return content.getvalue()
