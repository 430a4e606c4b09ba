"""The page of a word: its syntax, meaning, settings, shapes, and a spec that uses it."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.definition import Definition, family
from dlc.compiler.operators.base import Operator
from dlc.reference import forms, signatures
from dlc.reference.errors import fenced
from dlc.reference.language import Entry
from dlc.reference.specs import compiled, first, of_block_call, spec
from dlc.reference.words import FAMILIES, Key, ShippedBlock, Word, link, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dlc.compiler.definitions.definition import Setting
    from dlc.compiler.operators.base import Example
    from dlc.compiler.program import CompiledProgram

LINES = 22  # maximum lines of a form; longer forms are not shown
WIDTH = 90  # maximum characters of a line of a call
ROWS = 10  # maximum rows of a table of shapes


def page(found: list[Word]) -> str:
    """The page of a name, with all words that have it."""
    of = found[0].of
    parts = [f"# {', '.join(of.names) if isinstance(of, Entry) else found[0].name}"]
    for word in found:
        paragraphs = list(body(word))
        if len(found) > 1:
            heading = f"## {word.name}, {word.what}"
            paragraphs = [heading, *(f"#{p}" if p.startswith("## ") else p for p in paragraphs)]
        parts += paragraphs
    return "\n\n".join(parts) + "\n"


def of_settings(name: str, owned: list[tuple[type[Definition], Setting]]) -> str:
    """The page of a setting. Definitions that describe it in the same words are grouped."""
    owners_of: dict[str, list[str]] = {}
    for definition, setting in owned:
        text = f"{signatures.described(setting)}{see(setting)}"
        owners_of.setdefault(text, []).append(f"`{definition.name}`")
    parts = [f"# {name}"]
    for text, owners in owners_of.items():
        parts.append(f"A setting of {', '.join(dict.fromkeys(owners))}: {text.partition(': ')[2]}.")
    return "\n\n".join([*parts, f"`dlc doc {owned[0][0].name}` says more."]) + "\n"


def body(word: Word) -> Iterator[str]:
    what = f"{word.what[:1].upper()}{word.what[1:]}"
    written_as = f", written as {word.where}" if word.where else ""
    yield f"{what}{written_as}, listed under {link(word.heading)}."
    yield from BODIES.get(type(word.of), of_definition)(word.of)


def of_definition(definition: type[Definition]) -> Iterator[str]:
    is_section = definition.family == "section"
    yield fenced("text", written(definition))
    yield from signatures.paragraphs(definition)
    if issubclass(definition, Operator) and definition.differs_on_nan:
        yield definition.differs_on_nan
    if issubclass(definition, Operator) and definition.of_batch:
        yield "It is a loss of a whole batch. For several batches it is their mean, weighted by the rows."
    if definition.settings:
        yield "## Settings"
        describe = signatures.section_setting if is_section else signatures.described
        yield "\n".join(f"- {describe(s)}{see(s)}" for s in signatures.in_order(definition))
        if not is_section and any(s.keyword for s in definition.settings.values()):
            yield "Settings after `*` are given only by name."
    if issubclass(definition, Operator) and definition.examples:
        yield from shapes(definition)
    example = spec(definition)
    if example:
        yield "## A spec that uses it"
        yield fenced("dl", example)
    program = compiled(example) if example else None
    if program and issubclass(definition, Operator):
        yield from written_forms(definition, program)


def written_forms(definition: type[Operator], program: CompiledProgram) -> Iterator[str]:
    """Its forms in that spec; of those that are too long to read, the number of lines."""
    for heading, lines in forms.of(program, definition):
        yield f"## {heading}"
        if len(lines) > LINES:
            yield f"{len(lines)} lines, which are not shown."
            continue
        if heading == "In PyTorch" and any("F." in line for line in lines):
            yield "`F` is `torch.nn.functional`."
        yield fenced("text", "\n".join(lines))


def see(setting: Setting) -> str:
    """A link to the list of values of a setting, if it takes a family of definitions."""
    links = [link(FAMILIES[of]) for of in setting.kind.families() if of in FAMILIES]
    return f"; see {', '.join(links)}" if links else ""


def written(definition: type[Definition]) -> str:
    """The syntax of a definition, wrapped to `WIDTH`."""
    indent = " " * (len(definition.name) + 1)
    return textwrap.fill(signature(definition), WIDTH, subsequent_indent=indent, break_on_hyphens=False)


def signature(of: Any) -> str:
    """The syntax of a definition or block, in one line."""
    if isinstance(of, ShippedBlock):
        return of.text.partition("\n")[0].removesuffix(" {")
    if of.family == "section":
        named = {"step": " NET", "phase": " NAME"}.get(of.name, "")
        return f"{of.name}{named} {{ ... }}"
    sign = getattr(of, "symbol", "")
    if not sign:
        return signatures.call(of)
    names = of.operand_names() if issubclass(of, Operator) else ()
    return f" {sign} ".join(names) if len(names) > 1 else f"{sign} {''.join(names)}"


def shapes(definition: type[Operator]) -> Iterator[str]:
    """Input and output types of the example rows, and the refused calls."""
    yield "## Shapes"
    yield "Shapes of one sample: inputs, call, outputs. Capital letters are free dimensions."
    good = [row for row in definition.examples if not row.rejects and row.gives][:ROWS]
    yield fenced("text", "\n".join(aligned([flow(definition, row) for row in good])))
    refused = [row for row in definition.examples if row.rejects][:ROWS]
    if refused:
        codes = [f"[{code}](../errors/{code}.md)" for code in sorted({row.rejects for row in refused})]
        yield f"Refused, with {', '.join(codes)}:"
        yield fenced("text", "\n".join(aligned([flow(definition, row) for row in refused])))


def flow(definition: type[Operator], row: Example) -> tuple[str, str, str]:
    """`float[2, 8]`, `-> conv(3, 2)`, `: float[3, 7]`; for a refused call, the code in place of outputs."""
    arrow = "-> " if definition.public else ""
    return joined(row.takes), f"{arrow}{row.call}", row.rejects or f": {joined(row.gives)}"


def joined(types: str | tuple[str, ...]) -> str:
    return types if isinstance(types, str) else f"({', '.join(types)})"


def aligned(rows: list[tuple[str, str, str]]) -> Iterator[str]:
    widths = [max(len(row[at]) for row in rows) for at in (0, 1)]
    for takes, call, gives in rows:
        yield f"{takes:{widths[0]}}  {call:{widths[1]}}  {gives}"


def of_key(key: Key) -> Iterator[str]:
    """A setting of a section, with its possible values."""
    yield signatures.section_setting(key.setting)
    for name in key.setting.kind.families():
        members = family(name).values()
        yield "\n".join(f"- `{signatures.call(d)}`: {signatures.summary(d)}" for d in members)
    yield f"`dlc doc {key.section.name}` lists the other settings."
    example = spec(key.section)
    if example:
        yield "## A spec with this section"
        yield fenced("dl", example)


def of_entry(entry: Entry) -> Iterator[str]:
    """A word that is not a definition."""
    yield fenced("text", entry.syntax)
    yield from entry.text
    yield "## A spec that uses it"
    yield fenced("dl", entry.spec)


def of_block(block: ShippedBlock) -> Iterator[str]:
    yield block.summary
    yield f"`import {block.name} from std` imports it. This is its source:"
    yield fenced("text", block.text)
    example = first(of_block_call(block.name))
    if example:
        yield "## A spec that uses it"
        yield fenced("dl", example)


BODIES: dict[type, Callable[[Any], Iterator[str]]] = {Key: of_key, Entry: of_entry, ShippedBlock: of_block}


def bare(word: Word) -> str:
    return f"`{word.name}`"


def signed(word: Word) -> str:
    """The signature of a word. For an entry it is the first syntax line that contains the word."""
    if not isinstance(word.of, Entry):
        return f"`{signature(word.of)}`:"
    wanted = re.compile(rf"\b{word.name}\b" if word.name.isidentifier() else re.escape(word.name))
    return f"`{next(filter(wanted.search, word.of.syntax.splitlines()), word.name)}`:"


def listed(shown: Callable[[Word], str] = bare) -> str:
    """All words by heading, each formatted by `shown`, with its first sentence; equal lines once."""
    parts: list[str] = []
    for word in words():
        if f"## {word.heading}" not in parts:
            parts += [f"## {word.heading}", *([f"Written as {word.where}."] if word.where else []), ""]
        entry = f"- {shown(word)} {word.summary}"
        if entry not in parts[-1].splitlines():
            parts[-1] += f"\n{entry}" if parts[-1] else entry
    return "\n\n".join(parts) + "\n"
