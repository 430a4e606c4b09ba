"""Source texts, spans in them, and the uses of blocks that lead to a span."""

from __future__ import annotations

import posixpath
import re
from bisect import bisect_right
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_BYTES = 1_000_000  # of a spec file, and of each imported file
COPY = "copy"  # `Use.what` of one copy of a `repeat`


@record
class Source:
    """The text of a `.dl` file, with the name that messages show (never an absolute path)."""

    name: str
    text: str = field(repr=False)

    @cached_property
    def line_starts(self) -> list[int]:
        return [0, *(i + 1 for i, c in enumerate(self.text) if c == "\n")]

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, counted from 1."""
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line, counted from 1, without its newline."""
        start = self.line_starts[number - 1]
        end = self.text.find("\n", start)
        return self.text[start : len(self.text) if end < 0 else end]


@record
class Span:
    """The characters `start` to `end` (exclusive) of a source."""

    source: Source = field(repr=False)
    start: int
    end: int

    @property
    def place(self) -> str:
        line, column = self.source.position(self.start)
        return f"{self.source.name}:{line}:{column}"

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    def to(self, other: Span) -> Span:
        return Span(self.source, min(self.start, other.start), max(self.end, other.end))

    def with_name(self, name: str) -> Span:
        """The argument `name=value` whose value this span is; the span itself if no name is there."""
        found = re.search(rf"\b{re.escape(name)}\s*=\s*$", self.source.text[: self.start])
        return self if found is None else Span(self.source, found.start(), self.end)


@record(eq=False)
class Use:
    """One use (inlining) of a block or net, or one copy of a `repeat`. Compared by identity.

    `prefix` is the prefix of all names inside. `given` are the tensors and settings by name. `names` are the
    bindings at the end of the body. `decided` are its conditions with their values.
    """

    what: str  # "block basic"
    span: Span
    prefix: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, Any] = field(default_factory=dict)
    decided: Sequence[tuple[Any, bool]] = ()

    @property
    def is_copy(self) -> bool:
        return self.what == COPY


@record
class Site:
    """The source location of a value or node: its span, and the chain of block uses, innermost first."""

    span: Span
    uses: tuple[Use, ...] = ()

    @property
    def place(self) -> str:
        return self.span.place

    @property
    def entered(self) -> tuple[Use, ...]:
        """The uses of blocks and nets, without copies."""
        return tuple(use for use in self.uses if not use.is_copy)

    def way(self) -> tuple[str, ...]:
        """The chain of block uses as notes, innermost first; a long chain is cut in the middle."""
        chain = tuple(dict.fromkeys(f"in: {use.what}, used at {use.span.place}" for use in self.entered))
        if len(chain) <= 6:
            return chain
        return (*chain[:3], f"... and {len(chain) - 5} more uses around it ...", *chain[-2:])


def name_of(importing: Source, path: str) -> str:
    """The name of a file that a source names by a path, which is relative to the source."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(importing.name), path))
