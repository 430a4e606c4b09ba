"""The words of the language that are not definitions: declarations, statements, types, functions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dlc.compiler.reading import shipped
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADING = re.compile(r"^# (.*)$", re.MULTILINE)
ENTRY = re.compile(
    r"^## (?P<page>\w+)(?:: (?P<names>.*))?\n\n(?P<what>.*)\n\n(?P<syntax>(?: {4}.*\n)+)\n"
    r"(?P<text>(?:.+\n|\n(?!```))+)\n```dl\n(?P<spec>(?:.*\n)*?)```$",
    re.MULTILINE,
)


@record
class Entry:
    """The entry of one word, or of several related words."""

    page: str
    names: tuple[str, ...]
    what: str
    heading: str
    syntax: str
    text: tuple[str, ...]  # paragraphs
    spec: str


def entries() -> Iterator[Entry]:
    _, *parts = HEADING.split(shipped(__file__, "language.md"))
    for heading, part in zip(parts[::2], parts[1::2], strict=True):
        for found in ENTRY.finditer(part):
            names = tuple((found["names"] or found["page"]).split(", "))
            syntax = "\n".join(line.strip() for line in found["syntax"].splitlines())
            paragraphs = tuple(" ".join(p.split()) for p in found["text"].strip().split("\n\n"))
            yield Entry(found["page"], names, found["what"], heading, syntax, paragraphs, found["spec"])
