"""Names that look alike and are not the same: what the eye does not see is put into words."""

from __future__ import annotations

import unicodedata

from dlc.compiler.diagnostics.confusables import LATIN, is_unseen, named


def skeleton(name: str) -> str:
    """What the eye sees of a name."""
    seen = "".join(sign for sign in unicodedata.normalize("NFKC", name) if not is_unseen(sign))
    return " ".join(seen.translate(LATIN).split())


def difference(wanted: str, found: str) -> str:
    """In what a name that is found differs from one that is wanted and looks the same; nothing if it looks
    different, or is the same."""
    if wanted == found or skeleton(wanted) != skeleton(found):
        return ""
    for name, whose in ((found, "its name"), (wanted, "the spec")):
        if odd := next((sign for sign in name if is_unseen(sign)), ""):
            return f"{whose} holds {named(odd)}, which is not seen"
    if unicodedata.normalize("NFC", wanted) == unicodedata.normalize("NFC", found):
        name, whose = (found, "its name") if len(found) > len(wanted) else (wanted, "the spec")
        odd = next((sign for sign in name if unicodedata.combining(sign)), "")
        form = f"an accent as a sign of its own, {named(odd)}" if odd else "another form of Unicode"
        return f"{whose} has {form}"
    pairs = enumerate(zip(wanted, found, strict=False), 1)
    for place, (meant, odd) in pairs:
        if meant != odd:
            return f"its letter {place} is {named(odd)}, not {named(meant)}"
    return "its name has other white space"


def can_be_written(name: str) -> bool:
    """Whether a spec can hold the name in quotes."""
    return not any(map(is_unseen, name))
