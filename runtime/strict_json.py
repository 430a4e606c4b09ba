"""Parse untrusted JSON, with size limits that are far above anything that dlc writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_TEXT = 1 << 26  # characters
MAX_VALUES = 4_000_000  # such as the names of a million classes, four times


class NotJSON(ValueError):
    """A text that is not JSON, and the line that shows it; 0 if it is nested too deeply."""

    def __init__(self, line: int) -> None:
        super().__init__("not JSON")
        self.line = line


def parse(text: str, *, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """The value of a JSON text. ValueError if it is not JSON or exceeds the limits. `pairs` makes the value
    of an object; without it, the last of equal names counts."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"longer than {MAX_TEXT:_} characters")
    if count(text) > MAX_VALUES:
        raise ValueError(f"made of more than {MAX_VALUES:_} values")
    try:
        return json.loads(text, object_pairs_hook=pairs)
    except json.JSONDecodeError as error:
        raise NotJSON(error.lineno) from None
    except (ValueError, RecursionError):
        raise NotJSON(0) from None


def count(text: str) -> int:
    """An upper bound of the number of values in a JSON text."""
    return sum(map(text.count, ",:[{")) + 1


def all_are(kind: type, values: Any) -> bool:
    return all(isinstance(value, kind) for value in values)


def is_dict_of(value: Any, of: type) -> bool:
    """Whether a value is a dict whose values have the type `of`."""
    return isinstance(value, dict) and all_are(of, value.values())


def is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
