"""Settings of sections that a command gives: `--set train.epochs=3`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlc.compiler import static, syntax
from dlc.compiler.definitions.definition import family, spell_value
from dlc.compiler.definitions.parameter_types import Reject
from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.diagnostics.source import Source, Span
from dlc.compiler.elaborate.loss_names import names_of_loss
from dlc.compiler.parse.parser import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dlc.compiler.diagnostics.problems import Problems

SOURCE = "--set"  # what messages show in place of a file name


def is_setting(name: object) -> bool:
    """Whether a name is `SECTION.SETTING`; others are names of params."""
    return isinstance(name, str) and "." in name


def spelled(overrides: Mapping[Any, Any], problems: Problems) -> dict[str, str]:
    """The settings among the values that a command gives, as texts. A `str` is an expression of the
    language; other values are spelled as one."""
    found: dict[str, str] = {}
    for name in filter(is_setting, overrides):
        value = overrides[name]
        try:
            found[name] = value if isinstance(value, str) else spell_value(static.plain(value))
        except Reject as reject:
            problems.add(Diagnostic(reject.code, f"`{name}` was set to {reject.message}", ()))
    return found


def apply(tree: syntax.File, settings: Mapping[str, str], problems: Problems) -> syntax.File:
    """The tree with these settings in place of those of the file, each as if it stood in its section."""
    lines = []
    for name, value in settings.items():
        section, _, key = name.partition(".")
        if "." in key:
            message = f"`{name}` is not the name of a setting, which is `SECTION.SETTING`"
            help = f"set the whole value: `--set '{section}.{key.partition('.')[0]}=...'`"
            problems.add(Diagnostic("E0601", message, (), help=help))
        else:
            lines.append(f"{section} {{ {key} = {value} }}")
    body = tree.body
    for statement in parse(Source(SOURCE, "\n".join(lines)), problems).body:
        if isinstance(statement, syntax.Section):
            body = (*with_settings(body, statement),)
        else:
            problems.report("E0602", statement.span, "expected a setting, `name = value`")
    return replace(tree, body=body)


def comments_of(before: syntax.File, after: syntax.File) -> list[tuple[Span, str]]:
    """The comments of a file, without those on the lines of settings that were replaced."""
    left = {id(setting) for setting in settings_of(after.body)}
    replaced = [s.span for s in settings_of(before.body) if id(s) not in left]
    position = before.source.position
    lines = {line for s in replaced for line in range(position(s.start)[0], position(s.end)[0] + 1)}
    return [(span, text) for span, text in before.comments if position(span.start)[0] not in lines]


def settings_of(body: Iterable[syntax.Statement]) -> Iterator[syntax.Bind]:
    """The settings in the sections of a file, also within `if`."""
    for statement in body:
        if isinstance(statement, syntax.Bind):
            yield statement
        elif isinstance(statement, (syntax.Section, syntax.If)):
            yield from settings_of(syntax.bodies(statement))


def with_settings(body: Iterable[syntax.Statement], given: syntax.Section) -> Iterator[syntax.Statement]:
    """The statements of a file with the given settings in their section, which is added if it is missing."""
    names = {target.id for s in given.body if isinstance(s, syntax.Bind) for target in s.targets}
    is_there = False
    for statement in body:
        if isinstance(statement, syntax.Section) and statement.name.id == given.name.id and not is_there:
            is_there = True
            section = replace(statement, body=(*without(statement.body, names), *given.body))
            yield replace(section, body=(*without(section.body, names_left(statement, section)),))
        else:
            yield statement
    if not is_there:
        yield given


def names_left(before: syntax.Section, after: syntax.Section) -> set[str]:
    """The names that the loss of a section read, and that its new loss does not read."""
    definition = family("section").get(before.name.id)
    if definition is None or "loss" not in definition.settings:
        return set()
    old, new = (
        names_of_loss([s for s in written if s.targets[0].id not in definition.settings], written)
        for written in ([*settings_of(section.body)] for section in (before, after))
    )
    return old - new


def without(body: Iterable[syntax.Statement], names: set[str]) -> Iterator[syntax.Statement]:
    """The statements of a section, also within `if`, except the settings with these names."""
    for statement in body:
        if isinstance(statement, syntax.If):
            then, otherwise = (tuple(without(s, names)) for s in (statement.then, statement.otherwise))
            yield replace(statement, then=then, otherwise=otherwise)
        elif not (isinstance(statement, syntax.Bind) and {t.id for t in statement.targets} <= names):
            yield statement
