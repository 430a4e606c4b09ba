"""The text of a spec with the params and settings that a command gave it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler import syntax
from dlc.compiler.diagnostics.problems import Problems
from dlc.compiler.diagnostics.source import Source
from dlc.compiler.elaborate.given_settings import names_left, places, settings_of
from dlc.compiler.format.formatter import format
from dlc.compiler.parse.parser import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Edit = tuple[int, int, str]  # start and end of a text, and the text in its place


def with_values(source: Source, params: Mapping[str, str], settings: Mapping[str, str]) -> str:
    """The formatted text with these values of params, and of settings by names such as `train.epochs`.
    CompileError if they make no spec of it, as those of an untrusted artifact may."""
    body = parse(source, Problems()).body
    found = [edit for s in body if isinstance(s, syntax.Param) for edit in of_param(s, params)]
    added = []
    for name, value in settings.items():
        *path, key = name.split(".")
        found_places = [place[-1] for place in places(body, path)]
        if not found_places and len(path) == 1:
            added.append(f"\n{path[0]} {{\n{key} = {value}\n}}\n")
        for place in found_places:
            found += of_section(place, key, value)
    given = Source(source.name, edited(source.text, found) + "".join(added))
    return format(without_names_left(given, body))


def edited(text: str, edits: Iterable[Edit]) -> str:
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def section_of(body: Iterable[syntax.Statement], name: str) -> syntax.Section | None:
    return next((s for s in body if isinstance(s, syntax.Section) and s.name.id == name), None)


def without_names_left(source: Source, before: Iterable[syntax.Statement]) -> Source:
    """The source without the names that only the loss read that its `train` had before."""
    old, new = section_of(before, "train"), section_of(parse(source, Problems()).body, "train")
    if old is None or new is None:
        return source
    left = names_left(old, new)
    edits = [
        (s.span.start, s.span.end, "") for s in settings_of(new.body) if {t.id for t in s.targets} <= left
    ]
    return Source(source.name, edited(source.text, edits))


def of_param(statement: syntax.Param, params: Mapping[str, str]) -> Iterator[Edit]:
    if statement.name.id in params:
        yield statement.value.span.start, statement.value.span.end, params[statement.name.id]


def of_section(section: syntax.Section, key: str, value: str) -> Iterator[Edit]:
    """Set a setting of a section: where it is set, or at the end. It is taken out of `if`."""
    own = next((s for s in section.body if sets(s, key)), None)
    for branch in section.body:
        yield from ((s.span.start, s.span.end, "") for s in nested(branch) if sets(s, key))
    if isinstance(own, syntax.Bind):
        yield own.value.span.start, own.value.span.end, value
    else:
        end = section.span.end - len("}")
        begins_line = section.span.source.text[:end].rstrip(" \t").endswith("\n")
        yield end, end, f"{'' if begins_line else chr(10)}{key} = {value}\n"


def sets(statement: syntax.Statement, key: str) -> bool:
    return isinstance(statement, syntax.Bind) and [t.id for t in statement.targets] == [key]


def nested(statement: syntax.Statement) -> Iterable[syntax.Statement]:
    """The statements within an `if`, also within further ones."""
    for inner in syntax.bodies(statement) if isinstance(statement, syntax.If) else ():
        yield inner
        yield from nested(inner)
