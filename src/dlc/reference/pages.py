"""A word as a page: how it is written, what it does, its settings, shapes, and a spec that uses it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from dlc.compiler.definition import Definition, family
from dlc.compiler.operators.base import Operator
from dlc.reference import forms, spell
from dlc.reference.errors import fenced
from dlc.reference.language import Entry
from dlc.reference.specs import compiled, first, of_block_call, spec
from dlc.reference.words import FAMILIES, SIGNS, Key, Word, where, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.definition import Setting
    from dlc.compiler.operators.base import Example
    from dlc.compiler.program import Program

LINES = 16  # of a form, at most; what is longer says little
WIDTH = 90  # of a call
ROWS = 10  # of a table of shapes, at most


def page(found: list[Word]) -> str:
    """The page of a name, with all that have it."""
    of = found[0].of
    parts = [f"# {', '.join(of.names) if isinstance(of, Entry) else found[0].name}"]
    for word in found:
        said = list(body(word))
        if len(found) > 1:
            heading = f"## {word.name}, {word.what}"
            said = [heading, *(f"#{part}" if part.startswith("## ") else part for part in said)]
        parts += said
    return "\n\n".join(parts) + "\n"


def body(word: Word) -> Iterator[str]:
    yield f"{word.what[:1].upper()}{word.what[1:]}{place(word)}."
    if isinstance(word.of, Key):
        yield from of_key(word.of)
    elif isinstance(word.of, Entry):
        yield from of_entry(word.of)
    elif isinstance(word.of, str):
        yield from of_std(word)
    else:
        yield from of_definition(word.of)


def place(word: Word) -> str:
    """Where it is listed or written, where its kind does not say so already."""
    if not isinstance(word.of, type):
        return ""
    if word.heading == SIGNS:
        return ""
    if word.of.family == "operator":
        return f", listed under {word.heading}"
    if word.of.family == "loss":
        return ", written as `loss` in `train`"
    written_as = where(word.of.family)
    return f", written as {written_as}" if written_as else ""


def of_definition(definition: type[Definition]) -> Iterator[str]:
    is_section = definition.family == "section"
    yield fenced("text", written(definition))
    yield from spell.paragraphs(definition)
    if definition.settings:
        yield "## Settings"
        say = spell.section_setting if is_section else spell.described
        yield "\n".join(f"- {say(s)}{see(s)}" for s in spell.in_order(definition))
    if issubclass(definition, Operator) and definition.examples:
        yield from shapes(definition)
    example = spec(definition)
    if example:
        yield "## A spec that uses it"
        yield fenced("dl", example)
    program = compiled(example) if example else None
    if program and issubclass(definition, Operator):
        yield from written_forms(definition, program)


def written_forms(definition: type[Operator], program: Program) -> Iterator[str]:
    """Its forms in that spec, those that a person can take in."""
    found = [(heading, lines) for heading, lines in forms.of(program, definition) if len(lines) <= LINES]
    for heading, lines in found:
        yield f"## {heading}"
        if heading == "In PyTorch" and any("F." in line for line in lines):
            yield "`F` is `torch.nn.functional`, or `torch` for what is not there."
        yield fenced("text", "\n".join(lines))


def see(setting: Setting) -> str:
    """Where what a setting takes is listed, if that is a family."""
    headings = [FAMILIES[of][1] for of in setting.kind.families() if of in FAMILIES]
    links = [f"[{h}](../reference.md#{h.lower().replace(' ', '-')})" for h in headings]
    return f"; see {', '.join(links)}" if links else ""


def written(definition: type[Definition]) -> str:
    """How a spec writes it."""
    if definition.family == "section":
        return f"{definition.name} {{ ... }}"
    sign = getattr(definition, "sign", "")
    if not sign:
        behind = " " * (len(definition.name) + 1)
        return textwrap.fill(spell.call(definition), WIDTH, subsequent_indent=behind, break_on_hyphens=False)
    names = definition.operand_names() if issubclass(definition, Operator) else ()
    return f" {sign} ".join(names) if len(names) > 1 else f"{sign} {''.join(names)}"


def shapes(definition: type[Operator]) -> Iterator[str]:
    """What flows in and what comes out, for the example rows, and what is refused."""
    yield "## Shapes"
    yield "Of one sample: what flows in, the call, what comes out. Capital letters are free dimensions."
    good = [row for row in definition.examples if not row.rejects and row.gives][:ROWS]
    yield fenced("text", "\n".join(aligned([flow(definition, row) for row in good])))
    refused = [row for row in definition.examples if row.rejects][:ROWS]
    if refused:
        codes = [f"[{code}](../errors/{code}.md)" for code in sorted({row.rejects for row in refused})]
        yield f"Refused, with {', '.join(codes)}:"
        yield fenced("text", "\n".join(aligned([flow(definition, row) for row in refused])))


def flow(definition: type[Operator], row: Example) -> tuple[str, str, str]:
    """`float[2, 8]`, `-> conv(3, 2)`, `: float[3, 7]`; the code in place of what is refused."""
    arrow = "-> " if definition.public else ""
    return joined(row.takes), f"{arrow}{row.call}", row.rejects or f": {joined(row.gives)}"


def joined(types: str | tuple[str, ...]) -> str:
    return types if isinstance(types, str) else f"({', '.join(types)})"


def aligned(rows: list[tuple[str, str, str]]) -> Iterator[str]:
    widths = [max(len(row[at]) for row in rows) for at in (0, 1)]
    for takes, call, gives in rows:
        yield f"{takes:{widths[0]}}  {call:{widths[1]}}  {gives}"


def of_key(key: Key) -> Iterator[str]:
    """A setting of a section, with what it may be."""
    yield spell.section_setting(key.setting)
    for name in key.setting.kind.families():
        members = family(name).values()
        yield "\n".join(f"- `{spell.call(d)}`: {spell.summary(d)}" for d in members)
    yield f"`dlc doc {key.section.name}` lists the other settings."
    example = spec(key.section)
    if example:
        yield "## A spec with this section"
        yield fenced("dl", example)


def of_entry(entry: Entry) -> Iterator[str]:
    """A word that is no definition."""
    yield fenced("text", entry.written)
    yield from entry.text
    yield "## A spec that uses it"
    yield fenced("dl", entry.spec)


def of_std(word: Word) -> Iterator[str]:
    yield word.summary
    yield f"`import {word.name} from std` brings it; this is the whole of it:"
    yield fenced("text", word.of)
    example = first(of_block_call(word.name))
    if example:
        yield "## A spec that uses it"
        yield fenced("dl", example)


def listed(link: str = "`{0}`") -> str:
    """All words by heading, each with its first sentence; `link` is how a word is written."""
    parts: list[str] = []
    for word in words():
        if f"## {word.heading}" not in parts:
            parts += [f"## {word.heading}", *note(word)]
            parts.append("")
        entry = f"- {link.format(word.name, word.page)} {word.summary}"
        parts[-1] += f"\n{entry}" if parts[-1] else entry
    return "\n\n".join(parts) + "\n"


def note(word: Word) -> list[str]:
    """Where words of this heading are written, if that is a setting."""
    written_as = where(word.of.family) if isinstance(word.of, type) else ""
    return [f"Written as {written_as}."] if written_as else []
