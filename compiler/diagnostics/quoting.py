"""Names and texts in messages: shortened, and with escapes in place of control characters."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_SHOWN = 40  # characters of one name
MAX_LISTED = 12  # names of a list
# Format of data values in a list.
VALUES = '"{}"'


def shorten(text: object, most: int = MAX_SHOWN) -> str:
    """The printable text, shortened to `most` characters."""
    words = printable(str(text)[: most + 1])
    return words if len(words) <= most else f"{words[: most - 3]}..."


def printable(text: str, instead: str = "") -> str:
    """The text with escapes, or with `instead`, in place of characters that are not printable."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else instead or escaped(character) for character in text
    )


def escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def listed(names: Collection[str], form: str = "`{}`", most: int = MAX_SHOWN) -> str:
    """The names, formatted and separated by commas; a long list is cut."""
    shown = ", ".join(form.format(shorten(name, most)) for name in islice(names, MAX_LISTED))
    return f"{shown} and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else shown
