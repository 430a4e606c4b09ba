"""JSON of a stranger: what is read of it has bounds that nothing which dlc writes comes near."""

from __future__ import annotations

import json
from typing import Any

MAX_TEXT = 1 << 26  # characters
MAX_VALUES = 4_000_000  # such as the names of a million classes, four times


def parse(text: str) -> Any:
    """The value of a text. ValueError if it is no JSON, or larger than dlc reads it."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"longer than {MAX_TEXT:_} characters")
    if count(text) > MAX_VALUES:
        raise ValueError(f"made of more than {MAX_VALUES:_} values")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("no JSON") from None


def count(text: str) -> int:
    """Of how many values a text is made, at most."""
    return sum(map(text.count, ",:[{")) + 1


def all_are(kind: type, values: Any) -> bool:
    return all(isinstance(value, kind) for value in values)


def is_table(value: Any, of: type) -> bool:
    """Whether a value is a table by name of values of one kind."""
    return isinstance(value, dict) and all_are(of, value.values())


def is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
