"""Words of the language that are not implemented yet. Using one is the error E0901."""

from __future__ import annotations

from dlc.compiler.definitions.definition import Definition, Reject

NOT_BUILT = "E0901"
SECTIONS = ("data", "train", "export")

# Words by family. A key that is not a family is a definition; its words are settings.
UNIMPLEMENTED: dict[str, tuple[str, ...]] = {
    "operator": (
        "rnn", "lstm", "gru", "attention", "rotary", "vocabulary", "tokenize",
        "tan", "erf", "sign", "floor", "ceil", "round", "lgamma", "prod", "var", "std", "logsumexp", "argmin",
        "sort", "channel_dropout", "drop_path", "random_resized_crop", "cutmix", "grid_sample", "spectrogram",
        "mel", "mfcc",
    ),
    "loss": ("quantile", "info_nce"),
    "function": ("eye", "batch", "ramp"),
    "attribute": ("mask", "length"),
    "metric": (
        "top_k", "mcc", "mape", "mse", "quantile_coverage", "edit_distance", "bleu", "chrf",
        "word_error_rate", "sequence_accuracy",
    ),
    "source": ("images", "audio", "text"),
    "field": ("files", "ahead"),
    "section": ("tune",),
    "net": ("average",),
    "data": ("split", "drop"),
    "train": ("step", "phase", "sample", "keep", "parallel", "checkpoint"),
    "export": ("quantize", "precision", "decode", "lengths"),
    "csv": ("separator", "decimal", "encoding", "header", "comment", "series", "order", "window", "step"),
    "column": ("unit",),
    "parquet": ("series", "order", "window", "step"),
    "maxpool": ("dilation", "ceil"),
    "avgpool": ("ceil", "count_padding"),
    "resize": ("align_corners", "antialias"),
    "pad": ("mode",),
    "batchnorm": ("sync",),
    "bce": ("positive",),
    "load": ("from", "names"),
    **dict.fromkeys(("sum", "mean", "max", "min", "norm", "argmax"), ("keepdims",)),
}  # fmt: skip
PLAIN = ("attribute", "function")  # keys that are neither families nor definitions
# Help for the words of a family, if there is a workaround.
WITHOUT = {
    "section": "remove the section; `--set NAME=value` sets a param",
}


def unimplemented_words(*families: str) -> tuple[str, ...]:
    """The words of these families that are not implemented yet."""
    return tuple(word for family in families for word in UNIMPLEMENTED.get(family, ()))


def no_constants() -> Reject:
    """The error for a list of numbers in place of a tensor."""
    return Reject("a list of numbers as a tensor is not built yet",
                  help="it will come with a later version of dlc", code=NOT_BUILT)  # fmt: skip


def not_built(of: str, word: str, written: str = "") -> Reject:
    """The error for a word of `unimplemented_words(of)`; `written` is its name in another library."""
    what = f"`.{word}`" if of == "attribute" else f"`{word}`"
    if of in SECTIONS:
        what += f" in `{of}`"
    elif of not in (*Definition.families, *PLAIN):
        what += f" of `{of}`"
    help = WITHOUT.get(of, "it will come with a later version of dlc")
    name = f"`{written}` is written `{word}` here, and " if written and written != word else ""
    return Reject(f"{what} is not built yet", help=f"{name}{help}", code=NOT_BUILT)
