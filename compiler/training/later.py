"""Words of the language that are not built yet: using one is an error that says so."""

from __future__ import annotations

from dlc.compiler.kinds import Reject

NOT_BUILT = "E0901"

LATER: dict[str, tuple[str, ...]] = {
    "optimizer": ("nadam", "radam", "adamax", "adagrad", "adadelta", "muon", "lbfgs"),
    "schedule": ("plateau",),
    "metric": ("perplexity", "edit_distance"),
    "source": ("images", "text"),
    "train": ("freeze", "weights", "accumulate", "ema", "step", "phase"),
    "export": ("quantize", "precision", "decode", "lengths"),
    "precision": ("bf16", "float64"),
}


def is_later(family: str, word: str) -> bool:
    return word in LATER.get(family, ())


def not_built(family: str, word: str, help: str = "") -> Reject:
    """What to say of a word for which `is_later` is true."""
    what = f"`{word}` in `train`" if family == "train" else f"the {family} `{word}`"
    return Reject(f"{what} is not built yet", help=help, code=NOT_BUILT)
