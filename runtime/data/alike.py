"""Names that look alike and are not the same: what the eye does not see is put into words."""

from __future__ import annotations

import unicodedata

from dlc.runtime.data.numerals import called

# Letters of other alphabets, and the Latin ones that they look like.
OTHERS = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u051b\u051d\u04cf"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0423\u0406\u0408\u0405"
    "\u03bf\u03bd\u03c1\u03b1\u03b9\u03ba"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7",
    "aeopcyxijshdqwlABEKMHOPCTXYIJSovpaikABEZHIKMNOPTYX",
)


def skeleton(name: str) -> str:
    """What the eye sees of a name."""
    seen = "".join(sign for sign in unicodedata.normalize("NFKC", name) if not is_unseen(sign))
    return " ".join(seen.translate(OTHERS).split())


def is_unseen(sign: str) -> bool:
    return unicodedata.category(sign) in ("Cf", "Cc", "Co")


def difference(wanted: str, found: str) -> str:
    """In what a name that is found differs from one that is wanted and looks the same; nothing if it looks
    different, or is the same."""
    if wanted == found or skeleton(wanted) != skeleton(found):
        return ""
    for name, whose in ((found, "its name"), (wanted, "the spec")):
        if odd := next((sign for sign in name if is_unseen(sign)), ""):
            return f"{whose} holds {called(odd)}, which is not seen"
    if unicodedata.normalize("NFC", wanted) == unicodedata.normalize("NFC", found):
        name, whose = (found, "its name") if len(found) > len(wanted) else (wanted, "the spec")
        odd = next((sign for sign in name if unicodedata.combining(sign)), "")
        form = f"an accent as a sign of its own, {called(odd)}" if odd else "another form of Unicode"
        return f"{whose} has {form}"
    pairs = enumerate(zip(wanted, found, strict=False), 1)
    for place, (meant, odd) in pairs:
        if meant != odd:
            return f"its letter {place} is {called(odd)}, not {called(meant)}"
    return "its name has other white space"


def can_be_written(name: str) -> bool:
    """Whether a spec can hold the name in quotes."""
    return not any(map(is_unseen, name))
