"""Words of the language that are not built yet: using one is an error that says so."""

from __future__ import annotations

from dlc.compiler.kinds import Reject

NOT_BUILT = "E0901"

# By the family that they will belong to; `train` and `export` are settings of these sections.
LATER: dict[str, tuple[str, ...]] = {
    "operator": (
        "rnn", "lstm", "gru", "attention",
        "vocabulary", "tokenize",
    ),
    "attribute": ("mask", "length"),
    "metric": ("edit_distance",),
    "source": ("images", "text"),
    "section": ("tune",),
    "train": ("step", "phase"),
    "export": ("quantize", "precision", "decode", "lengths"),
}  # fmt: skip
# What to do without them, where there is something to say.
WITHOUT = {
    "section": "take the section out; `--set NAME=value` sets a param",
}


def later(*families: str) -> tuple[str, ...]:
    """The words of these families that are not built yet."""
    return tuple(word for family in families for word in LATER.get(family, ()))


def not_built(family: str, word: str) -> Reject:
    """What to say of a word of `later(family)`."""
    what = {
        "attribute": f"`.{word}`",
        "train": f"`{word}` in `train`",
        "export": f"`{word}` in `export`",
    }.get(family, f"`{word}`")
    help = WITHOUT.get(family, "it will come with a later version of dlc")
    return Reject(f"{what} is not built yet", help=help, code=NOT_BUILT)
