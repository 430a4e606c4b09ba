"""What operators declare about text that they read."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Self

    from dlc.compiler.vocabularies import Reading, Vocabulary


class TextReader:
    """What passes query about an operator that turns text into classes."""

    # What it makes of a text: `class` or `tokens`; empty if it takes no text. `reading` is how.
    reads: ClassVar[str] = ""
    reading: Reading | None = None
    # The path of the tokenizer that it applies, if it names one.
    tokenizer: ClassVar[str] | property = ""
    # True if dlc applies it before the artifact, which takes classes in place of text.
    outside: ClassVar[bool] | property = False
    # The opset that its ONNX form needs, if that is more than any target has.
    least_opset: ClassVar[int] | property = 0
    # How many tokens of a text it keeps at most, and how many subwords it learns at most.
    max_length: int | None = None
    subwords: ClassVar[int] | property = 0

    @property
    def reads_text(self) -> bool:
        """Whether it turns text into classes."""
        return bool(self.reads)

    @property
    def vocabulary(self) -> Vocabulary:
        """Its vocabulary, which has to be known."""
        assert self.reading is not None and self.reading.vocabulary is not None
        return self.reading.vocabulary

    def with_vocabulary(self, vocabulary: Vocabulary) -> Self:
        """The operator with a vocabulary."""
        raise NotImplementedError

    def learn(self, texts: Mapping[str, int]) -> Vocabulary | None:
        """The vocabulary of texts with these counts; None if it would be empty. ValueError if it is too
        large."""
        raise NotImplementedError

    def tokens(self, texts: Iterable[str]) -> list[list[int]]:
        """The tokens of each text; class -1 for a text without any."""
        raise NotImplementedError
