"""Names and texts as messages show them: short, and with nothing in them that a terminal would obey."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_SHOWN = 40  # characters of one name
MAX_LISTED = 12  # names
# How values of data stand in a list.
VALUES = '"{}"'


def shorten(text: object, most: int = MAX_SHOWN) -> str:
    """A text short enough for a message."""
    words = printable(str(text)[: most + 1])
    return words if len(words) <= most else f"{words[: most - 3]}..."


def printable(text: str, instead: str = "") -> str:
    """The text with escapes, or this, in place of what is not seen or would be obeyed."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else instead or escaped(sign) for sign in text)


def escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")


def listed(names: Collection[str], form: str = "`{}`", most: int = MAX_SHOWN) -> str:
    """Names one after the other, each in this form, the end of a long list left out."""
    shown = ", ".join(form.format(shorten(name, most)) for name in islice(names, MAX_LISTED))
    return f"{shown} and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else shown
