"""Scopes: the names of a file and of a body."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.definition import STAGES, Definition

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.compiler.diagnostics.source import Source

# Built-in functions of static values.
FUNCTIONS = ("range", "len", "reversed", "zip")
# Functions that make constant tensors.
CONSTANTS = ("load", "eye")
# Functions of losses.
LOSS_FUNCTIONS = ("batch", "ramp")
# Words of the language that can name other things too.
UNRESERVED = (*CONSTANTS, *LOSS_FUNCTIONS, "average", "ahead")


class FileScope:
    """The declarations of one file. Blocks and nets see all of them."""

    def __init__(self, source: Source):
        self.source = source
        self.params: dict[str, Any] = {}
        self.templates: dict[str, Any] = {}
        self.inputs: dict[str, Any] = {}  # name -> InputRef
        self.groups: dict[str, Any] = {}  # name -> tuple of Values
        self.outputs: dict[str, Any] = {}
        self.weights: dict[str, Any] = {}
        self.free: set[str] = set()
        self.declared: dict[str, Any] = {}  # name -> the span of its declaration
        self.rejected: set[Any] = set()  # declarations whose names were rejected

    def known(self) -> Iterable[str]:
        return chain(*self._tables())

    def knows(self, name: str) -> bool:
        return any(name in table for table in self._tables())

    def _tables(self) -> tuple[dict[str, Any], ...]:
        return self.params, self.templates, self.inputs, self.groups, self.outputs, self.weights


class Scope:
    """The names of one body: the file's statements, or one use of a block."""

    def __init__(self, file: FileScope, *, top: bool = False):
        self.file = file
        self.top = top
        self.names: dict[str, Any] = {}
        self.decided: list[tuple[Any, bool]] = []  # each condition and its value
        self.blocks: list[tuple[str, Any, Scope]] = []  # used in losses: the name, the value, the scope

    def candidates(self) -> list[str]:
        """All names in scope, for suggestions."""
        language = (*operator_names(), *FUNCTIONS, *CONSTANTS, *LOSS_FUNCTIONS)
        return [*self.names, *self.file.known(), *self.file.free, *language]


def operator_names() -> list[str]:
    return [name for family in STAGES for name in Definition.families[family] if is_public(family, name)]


def is_public(family: str, name: str) -> bool:
    return getattr(Definition.families[family][name], "public", True)


def find_operator(name: str, *, losses: bool) -> type[Definition] | None:
    """The operator or combinator with that name; or the loss, where losses are allowed."""
    for family in STAGES:
        if family == "loss" and not losses:
            continue
        found = Definition.families[family].get(name)
        if found is not None and is_public(family, name):
            return found
    return None


def settings_only_fix(name: str) -> str:
    """The fix for a name that is valid only in settings, such as `he_normal`. Empty for other names."""
    if name in Definition.families["section"]:
        return f"it is a section: `{name} {{ ... }}`"
    for family, members in Definition.families.items():
        if name in members and family not in STAGES:
            return f"`{name}` is {Definition.spoken[family]}: {location_of(family)}"
    return ""


def location_of(family: str) -> str:
    """The section and setting in which the members of a family are written."""
    if family == "net":
        return "declare one with `net NAME = average(...)`"
    for section in outer_sections_first():
        for setting in section.settings.values():
            if family in setting.kind.families():
                return f"it belongs in `{section.name} {{ {setting.name} = ... }}`"
    return "write it in the setting that takes it"


def outer_sections_first() -> list[type[Definition]]:
    """The sections, those within `train` last, because most of their settings are also its."""
    return sorted(Definition.families["section"].values(), key=lambda s: s.name in ("step", "phase"))
