"""Settings of sections that a command gives: `--set train.epochs=3`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlc.compiler import static, syntax
from dlc.compiler.definitions.definition import family, spell_value
from dlc.compiler.definitions.parameter_types import Reject
from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.diagnostics.quoting import listed
from dlc.compiler.diagnostics.source import Source, Span
from dlc.compiler.diagnostics.suggest import did_you_mean
from dlc.compiler.elaborate.loss_names import names_of_loss
from dlc.compiler.parse.parser import parse

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

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
    text = ""
    paths: dict[int, list[str]] = {}  # to the section of each setting, by its place in the text
    for name, value in settings.items():
        *path, key = name.split(".")
        opened = openings(tree.body, path)
        if opened:
            paths[len(text)] = path
            text += f"{' '.join(opened)} {key} = {value} {' '.join('}' * len(opened))}\n"
        else:
            problems.add(unknown_place(tree.body, name))
    body = tree.body
    for statement in parse(Source(SOURCE, text.removesuffix("\n")), problems).body:
        path = paths.get(statement.span.start)
        if isinstance(statement, syntax.Section) and path:
            path = [statement.name.id, *path[1:]]  # also where the name is corrected
            body = (*with_settings(body, path, statement),)
        else:
            problems.report("E0602", statement.span, "expected a setting, `name = value`")
    return replace(tree, body=body)


def openings(body: Sequence[syntax.Statement], path: Sequence[str]) -> list[str]:
    """The first lines of the sections on the way to a setting, such as `train {` and `step critic {`; empty
    if there is no such step or phase. A section of the file may be missing."""
    if len(path) == 1:
        return [f"{path[0]} {{"]
    place = next(places(body, path), ())
    return [" ".join(filter(None, (part.name.id, ", ".join(n.id for n in part.of), "{"))) for part in place]


def unknown_place(body: Sequence[syntax.Statement], name: str) -> Diagnostic:
    """The error for a setting in a step or a phase that the file does not have."""
    section, *path, _ = name.split(".")
    known = family("section").get(section)
    if section != "train" or path[0] in getattr(known, "settings", ()):
        message = f"`{name}` is not the name of a setting, which is `SECTION.SETTING`"
        help = f"set the whole value: `--set '{section}.{path[0]}=...'`"
        return Diagnostic("E0601", message, (), help=help)
    depth = next(n for n in range(1, len(path) + 1) if not any(places(body, [section, *path[:n]])))
    around = [section, *path[: depth - 1]]
    titles = [title for place in places(body, around) for _, title in titled(place[-1].body) if title]
    help = did_you_mean(path[depth - 1], titles) or f"it has {listed(dict.fromkeys(titles))}" * bool(titles)
    message = f"`{'.'.join(around)}` has no step and no phase `{path[depth - 1]}`"
    return Diagnostic("E0601", message, (), help=help or "steps and phases are sections of `train`")


def titled(
    body: Iterable[syntax.Statement], counts: dict[str, int] | None = None
) -> Iterator[tuple[syntax.Statement, str]]:
    """The statements of a body, each with the name of the section that it is: `train`, the name of a phase,
    or the first name of a step, numbered from its second step on (`critic_2`). Sections within an `if` are
    included. `counts` are the steps of each name before the statement."""
    counts = {} if counts is None else counts
    for statement in body:
        title = ""
        if isinstance(statement, syntax.Section):
            title = statement.of[0].id if statement.of else statement.name.id
            if statement.name.id == "step":
                counts[title] = counts.get(title, 0) + 1
                title += f"_{counts[title]}" * (counts[title] > 1)
        yield statement, title
        if isinstance(statement, syntax.If):
            branches = [dict(counts), dict(counts)]
            for branch, own in zip((statement.then, statement.otherwise), branches, strict=True):
                yield from titled(branch, own)
            counts |= {name: max(own.get(name, 0) for own in branches) for own in branches for name in own}


def places(body: Iterable[syntax.Statement], path: Sequence[str]) -> Iterator[tuple[syntax.Section, ...]]:
    """The sections on the way to a setting: `train`, then a phase, a step or both. Several in an `if`."""
    for statement, title in titled(body):
        if isinstance(statement, syntax.Section) and title == path[0]:
            rest = places(statement.body, path[1:]) if path[1:] else iter([()])
            yield from ((statement, *inner) for inner in rest)


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


def with_settings(
    body: Sequence[syntax.Statement], path: Sequence[str], given: syntax.Section
) -> Iterator[syntax.Statement]:
    """The statements of a file with the given settings in their section, which is added if it is missing.
    `given` is that section, with the steps and phases on the way to the settings."""
    wanted = {id(place[-1]) for place in places(body, path)}
    if not wanted:
        yield from (*body, given)
        return
    settings: Sequence[syntax.Statement] = given.body
    for _ in path[1:]:
        settings = next((s.body for s in settings if isinstance(s, syntax.Section)), ())
    yield from within(body, wanted, settings)


def within(
    body: Iterable[syntax.Statement], wanted: Container[int], settings: Sequence[syntax.Statement]
) -> Iterator[syntax.Statement]:
    """The statements with new settings in the sections with these identities."""
    names = {target.id for s in settings if isinstance(s, syntax.Bind) for target in s.targets}
    for statement in body:
        if isinstance(statement, syntax.If):
            then, otherwise = (
                tuple(within(branch, wanted, settings)) for branch in (statement.then, statement.otherwise)
            )
            yield replace(statement, then=then, otherwise=otherwise)
        elif isinstance(statement, syntax.Section):
            inner = tuple(within(statement.body, wanted, settings))
            if id(statement) in wanted:
                inner = (*without(inner, names), *settings)
            section = replace(statement, body=inner)
            yield replace(section, body=(*without(section.body, names_left(statement, section)),))
        else:
            yield statement


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
