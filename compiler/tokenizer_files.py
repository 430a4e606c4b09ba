"""Files of the package `tokenizers`: their text, and the number of their tokens, read without the package."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dlc.compiler import reading
from dlc.compiler.types import MAX_CLASSES

if TYPE_CHECKING:
    import os

MAX_BYTES = 1 << 25  # of a file
FORMAT = ".json"


def read(path: str | os.PathLike[str]) -> str:
    """The text of a tokenizer. OSError, or ValueError if it is not text."""
    try:
        return reading.read_text(path, MAX_BYTES)
    except UnicodeDecodeError:
        raise ValueError("it is not text in UTF-8") from None


def count_of(text: str) -> int:
    """The number of tokens of a tokenizer. ValueError if the text is not that of one."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    numbers = [*numbers_of(found)]
    if not numbers:
        raise ValueError(
            "it has no tokens: a `tokenizer.json` is what `Tokenizer.save` of `tokenizers` writes"
        )
    if not all(type(number) is int and 0 <= number < MAX_CLASSES for number in numbers):
        raise ValueError(f"its tokens do not have numbers from 0 to {MAX_CLASSES - 1:_}")
    return max(numbers) + 1


def numbers_of(found: Any) -> list[Any]:
    """The numbers of all tokens: of the model, as a table or as a list, and of those that are added to it."""
    model = found.get("model") if isinstance(found, dict) else None
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    added = found.get("added_tokens") if isinstance(found, dict) else None
    numbers = [*vocabulary.values()] if isinstance(vocabulary, dict) else []
    numbers += range(len(vocabulary)) if isinstance(vocabulary, list) else ()
    return numbers + [token.get("id") if isinstance(token, dict) else None for token in added or ()
                      if isinstance(added, list)]  # fmt: skip
