"""Texts of specs and data on the page: bounded, and without characters that change what is around them."""

from __future__ import annotations

import re

LETTERS = 400  # maximum of a text
# Control characters, those that change the direction of what follows, and halves of surrogate pairs.
UNSHOWN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff]"
)


def clean(text: str) -> str:
    """The text without characters that no page should have."""
    return UNSHOWN.sub("\ufffd", text)


def clipped(text: object, most: int = LETTERS) -> str:
    """A text in one line, cut if it is long. An empty text is shown as such."""
    words = clean(str(text)[: most + 1].replace("\n", "\u23ce "))
    cut = f"{words[: most - 1]}\u2026" if len(words) > most else words
    return cut or "(empty)"
