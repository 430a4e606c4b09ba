"""Subwords of texts by the package `tokenizers`: learning them, and applying a tokenizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.diagnostics.quoting import shorten
from dlc.compiler.vocabularies import MISSING, Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

UNKNOWN_TOKEN = "[UNK]"
PACKAGE = 'subwords need the package `tokenizers`: pip install "dlc[text]"'


def package() -> Any:
    """The package `tokenizers`. ModuleNotFoundError with the way to install it."""
    try:
        import tokenizers
    except ModuleNotFoundError:
        raise ModuleNotFoundError(PACKAGE, name="tokenizers") from None
    return tokenizers


def learn(texts: Iterable[str], size: int) -> Vocabulary:
    """The subwords of texts by byte-pair encoding of bytes, at most `size` of them (Sennrich et al. 2016,
    Radford et al. 2019). Token 0 is the unknown, which texts do not have, because each byte has a token."""
    tokenizers = package()
    made = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token=UNKNOWN_TOKEN))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=True)
    made.decoder = tokenizers.decoders.ByteLevel()
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size, special_tokens=[UNKNOWN_TOKEN], initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(texts, trainer)
    return Vocabulary(made.get_vocab_size(), tokenizer=made.to_str())


class Subwords:
    """A tokenizer. ValueError if the text of one is invalid, or if it cannot read a text."""

    def __init__(self, text: str, most: int | None = None) -> None:
        self._tokenizer = guarded(package().Tokenizer.from_str, text)
        guarded(self._tokenizer.no_padding)
        if most is not None:
            guarded(self._tokenizer.enable_truncation, most)

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each text; class -1 for a text without any."""
        return [found.ids or [MISSING] for found in guarded(self._tokenizer.encode_batch, list(texts))]


def guarded(function: Any, *given: Any) -> Any:
    """What a function of the package returns. Its exceptions, and Rust's, have no base of their own."""
    try:
        return function(*given)
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # noqa: BLE001
        raise ValueError(shorten(str(error) or type(error).__name__, 200)) from None
