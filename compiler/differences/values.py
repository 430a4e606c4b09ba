"""Values of settings in a form that two programs can be compared by, and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.definition import Definition, spell_value
from dlc.compiler.definitions.parameter_types import OneOf, ParameterType, Text
from dlc.compiler.format.printer import print_value
from dlc.compiler.ir.graph import Value

if TYPE_CHECKING:
    from collections.abc import Mapping


def comparable(value: Any, matched: Mapping[Value, Value]) -> Any:
    """A hashable form, equal for values that mean the same. `matched` are the values of the other program for
    those of this one."""
    if isinstance(value, Definition):
        return value.name, tuple((key, comparable(v, matched)) for key, v in value.values().items())
    if isinstance(value, (list, tuple)):
        return tuple([comparable(item, matched) for item in value])
    if isinstance(value, Value):
        return matched.get(value, value)
    name = named(value)
    if name is not None:
        return "named", name
    return value, type(value) is bool


def spelled(value: Any) -> str:
    """The value as the language writes it; a list of one, such as one optimizer, without brackets."""
    if isinstance(value, Definition):
        settings = value.settings
        given = [(k, v) for k, v in value.values().items() if v != settings[k].default]
        texts = [(k, f'"{v}"' if is_text(v, settings[k].kind) else spelled(v)) for k, v in given]
        inside = ", ".join(text if settings[k].required else f"{k}={text}" for k, text in texts)
        return f"{value.name}({inside})" if given else value.name
    if isinstance(value, (list, tuple)):
        if len(value) == 1 and isinstance(value[0], Definition):
            return spelled(value[0])
        return f"[{', '.join(map(spelled, value))}]" if any(map(is_named, value)) else print_value(value)
    if isinstance(value, Value):
        return value.name
    return named(value) or spell_value(value)


def is_text(value: Any, kind: ParameterType) -> bool:
    """Whether a value of a setting is a text in quotes, not a word of the language."""
    kinds = kind.kinds if isinstance(kind, OneOf) else (kind,)
    return isinstance(value, str) and value not in kind.words and any(isinstance(k, Text) for k in kinds)


def is_named(value: Any) -> bool:
    return isinstance(value, (Definition, Value)) or named(value) is not None


def named(value: Any) -> str | None:
    """What stands in a spec for a value that is no number and no text: the name of a net or an output, or a
    comparison."""
    for key in ("net", "text", "name"):
        if isinstance(found := getattr(value, key, None), str):
            return " ".join(found.split())
    return None
