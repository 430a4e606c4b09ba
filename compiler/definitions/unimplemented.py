"""Words of the language that are not implemented yet. Using one is the error E0901."""

from __future__ import annotations

from dlc.compiler.definitions.definition import Definition, Reject

NOT_BUILT = "E0901"
SECTIONS = ("data", "train", "export")

# Words by family. A key that is not a family is a definition; its words are settings.
UNIMPLEMENTED: dict[str, tuple[str, ...]] = {
    "section": ("tune",),
    "train": ("parallel", "checkpoint"),
    "export": ("quantize", "precision"),
    "batchnorm": ("sync",),
}  # fmt: skip
# Help for the words of a family, if there is a workaround.
WITHOUT = {
    "section": "remove the section; `--set NAME=value` sets a param",
}


def unimplemented_words(*families: str) -> tuple[str, ...]:
    """The words of these families that are not implemented yet."""
    return tuple(word for family in families for word in UNIMPLEMENTED.get(family, ()))


def not_built(of: str, word: str, written: str = "") -> Reject:
    """The error for a word of `unimplemented_words(of)`; `written` is its name in another library."""
    what = f"`{word}`"
    if of in SECTIONS:
        what += f" in `{of}`"
    elif of not in Definition.families:
        what += f" of `{of}`"
    help = WITHOUT.get(of, "it will come with a later version of dlc")
    name = f"`{written}` is written `{word}` here, and " if written and written != word else ""
    return Reject(f"{what} is not built yet", help=f"{name}{help}", code=NOT_BUILT)
