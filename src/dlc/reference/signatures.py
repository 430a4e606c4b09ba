"""A definition in words: how it is called, what it does, and what its settings are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.definition import REQUIRED, Definition, spell_value

if TYPE_CHECKING:
    from dlc.compiler.definitions.definition import Setting


def call(definition: type[Definition]) -> str:
    """`conv(channels, kernel, stride=1, *, init=auto)`."""
    arguments = list(map(argument, in_order(definition)))
    plain = sum(not s.keyword for s in definition.settings.values())
    if plain < len(arguments):
        arguments.insert(plain, "*")
    return f"{definition.name}({', '.join(arguments)})" if arguments else definition.name


def in_order(definition: type[Definition]) -> list[Setting]:
    """Settings given by name alone stand last."""
    return sorted(definition.settings.values(), key=lambda s: s.keyword)


def argument(setting: Setting) -> str:
    if setting.rest:
        return f"{setting.name}..."
    return setting.name if setting.required else f"{setting.name}={default(setting)}"


def default(setting: Setting) -> str:
    is_word = setting.default is None and setting.shown and " " not in setting.shown
    return setting.shown if is_word else spelled(setting.default)


def spelled(value: Any) -> str:
    return repr(value) if isinstance(value, Definition) else spell_value(value)


def described(setting: Setting) -> str:
    """`kernel`: extent of the filter (a whole number of at least 1)."""
    words = f"`{setting.name}`: {setting.doc} ({setting.kind.describe()})"
    if setting.default is None and setting.shown:
        return f"{words}; if not given: {setting.shown}{usual(setting)}"
    return f"{words}{usual(setting)}"


def usual(setting: Setting) -> str:
    code = "[W0410](../errors/W0410.md)"
    return "; usual are {:g} to {:g} ({})".format(*setting.usual, code) if setting.usual else ""


def section_setting(setting: Setting) -> str:
    """The same in a section, where settings have no order: with the default."""
    has_default = setting.default is not REQUIRED and not (setting.default is None and setting.shown)
    return described(setting) + (f"; default `{spelled(setting.default)}`" if has_default else "")


def paragraphs(definition: type[Definition]) -> list[str]:
    """The documentation, each paragraph in one line."""
    return [" ".join(p.split()) for p in (definition.__doc__ or "").strip().split("\n\n")]


def summary(definition: type[Definition]) -> str:
    return paragraphs(definition)[0]
