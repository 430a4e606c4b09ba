"""Text in columns."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

GAP = "  "


def columns(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[int] = ()) -> str:
    """Rows below their headings; `numbers` are the right-aligned columns. Empty columns are left out."""
    kept = [i for i in range(len(head)) if any(row[i] for row in rows)]
    widths = {i: max(width(row[i]) for row in (head, *rows)) for i in kept}
    lines = [head, ["-" * widths.get(i, 0) for i in range(len(head))], *rows]
    return "\n".join(
        GAP.join(pad(line[i], widths[i], right=i in numbers) for i in kept).rstrip() for line in lines
    )


def pad(text: str, size: int, *, right: bool) -> str:
    space = " " * (size - width(text))
    return space + text if right else text + space


def width(text: str) -> int:
    """The number of terminal cells of a text."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )
