"""Vocabularies as JSON in run folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.static import is_text
from dlc.compiler.types import MAX_CLASSES
from dlc.compiler.vocabularies import MAX_SPELLINGS, Vocabulary
from dlc.runtime.strict_json import all_are, is_dict_of, is_integer

if TYPE_CHECKING:
    from collections.abc import Mapping


def to_json(known: Mapping[str, Vocabulary]) -> dict[str, Any]:
    """Each vocabulary by its key."""
    return {key: {"count": v.count, "spellings": v.spellings, "numbers": v.numbers, "tokenizer": v.tokenizer}
            for key, v in known.items()}  # fmt: skip


def from_json(written: Any) -> dict[str, Vocabulary]:
    """The vocabularies by key. ValueError if they are invalid."""
    if not is_dict_of(written, dict):
        raise ValueError("these are not vocabularies")
    return {key: vocabulary(value) for key, value in written.items()}


def vocabulary(written: Mapping[str, Any]) -> Vocabulary:
    count: Any = written.get("count")
    spellings: Any = written.get("spellings")
    numbers: Any = written.get("numbers")
    tokenizer: Any = written.get("tokenizer")
    sound = is_integer(count) and 0 < count <= MAX_CLASSES and isinstance(tokenizer, str)
    sound = sound and isinstance(spellings, list) and all_are(str, spellings) and isinstance(numbers, list)
    sound = sound and len(spellings) == len(numbers) == len({*spellings}) <= MAX_SPELLINGS
    if not sound or not all(map(is_text, (*spellings, tokenizer))):
        raise ValueError("this is not a vocabulary")
    if not all(is_integer(n) and 0 <= n < count for n in numbers):
        raise ValueError("this is not a vocabulary")
    return Vocabulary(count, tuple(spellings), tuple(numbers), tokenizer)
