"""How large data may be: bounds that are looked at before memory is taken,
as any file may come from a stranger."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from dlc.runtime import memory
from dlc.runtime.data import mistakes

if TYPE_CHECKING:
    from dlc.compiler.diagnostics import CompileError

SHARE = 2  # a source takes at most one part in so many of the memory that is free
RATIO = 2_000  # how many times its size a packed file unfolds to at most; gzip reaches half of that
SMALL = 1 << 26  # bytes to which any file may unfold
PIECE = 1 << 24  # bytes that are unpacked at a time
FEWER = "take a machine with more memory, or keep fewer rows and only the columns that the spec reads"
UNPACKED = "unpack it, and name the unpacked file"


def most() -> int:
    """Bytes that a source may take."""
    return memory.free() // SHARE


def check(size: int, what: str, definition: Any) -> None:
    """Refuse what would take so many bytes if that is more than a source may take."""
    if size > (bound := most()):
        raise too_large(f"{what} takes {memory.spell(size)}", bound, definition)


def check_ratio(size: int, packed: int, what: str, definition: Any) -> None:
    """Refuse what unfolds from so many packed bytes further than real data does."""
    if size > max(RATIO * packed, SMALL):
        message = (
            f"{what} unfolds to more than {RATIO:_} times its {memory.spell(packed)}, as no real data does"
        )
        raise mistakes.fail(mistakes.TOO_LARGE, message, (definition, "read here"), help=UNPACKED)


def unpack(stream: Any, packed: int, what: str, definition: Any) -> bytes:
    """The content of a stream that unpacks a file of so many bytes."""
    check(packed, what, definition)
    bound, content = most(), io.BytesIO()
    while piece := stream.read(PIECE):
        content.write(piece)
        check_ratio(content.tell(), packed, what, definition)
        if content.tell() > bound:
            raise too_large(f"{what} takes more than {memory.spell(bound)} unpacked", bound, definition)
    return content.getvalue()


def too_large(message: str, bound: int, definition: Any) -> CompileError:
    said = f"{message}; of the memory that is free, {memory.spell(bound)} may be taken for it"
    return mistakes.fail(mistakes.TOO_LARGE, said, (definition, "read here"), help=FEWER)
