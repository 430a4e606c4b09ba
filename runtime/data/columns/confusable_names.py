"""Confusable names: names that look alike but differ, and a description of the difference."""

from __future__ import annotations

import unicodedata

from dlc.compiler.diagnostics.confusables import LATIN, is_unseen, named


def skeleton(name: str) -> str:
    """The visible form of a name: names with the same skeleton look alike (Unicode TR39)."""
    seen = "".join(sign for sign in unicodedata.normalize("NFKC", name) if not is_unseen(sign))
    return " ".join(seen.translate(LATIN).split())


def difference(wanted: str, found: str) -> str:
    """How a name that was found differs from the wanted name that looks the same; empty if they look
    different or are equal."""
    if wanted == found or skeleton(wanted) != skeleton(found):
        return ""
    for name, whose in ((found, "its name"), (wanted, "the spec")):
        if odd := next((sign for sign in name if is_unseen(sign)), ""):
            return f"{whose} holds {named(odd)}, which is invisible"
    if unicodedata.normalize("NFC", wanted) == unicodedata.normalize("NFC", found):
        name, whose = (found, "its name") if len(found) > len(wanted) else (wanted, "the spec")
        odd = next((sign for sign in name if unicodedata.combining(sign)), "")
        form = f"an accent as a separate character, {named(odd)}" if odd else "another form of Unicode"
        return f"{whose} has {form}"
    pairs = enumerate(zip(wanted, found, strict=False), 1)
    for place, (meant, odd) in pairs:
        if meant != odd:
            return f"its letter {place} is {named(odd)}, not {named(meant)}"
    return "its name has other white space"


def can_be_written(name: str) -> bool:
    """Whether the name has only visible characters, so that a spec can quote it."""
    return not any(map(is_unseen, name))
