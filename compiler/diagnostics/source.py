"""The text of a spec, places in it, and the uses of blocks that lead to a place."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_BYTES = 1_000_000  # of the file of a spec, and of each file that it imports
COPY = "copy"  # of a `repeat`


@record
class Source:
    """One `.dl` text under the name that messages show (never an absolute path)."""

    name: str
    text: str = field(repr=False)

    @cached_property
    def line_starts(self) -> list[int]:
        return [0, *(i + 1 for i, c in enumerate(self.text) if c == "\n")]

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both from 1."""
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line, counted from 1, without its end."""
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


@record(eq=False)
class Use:
    """A block or net that was entered, and where; or one copy of what is repeated. Compared by identity.

    `prefix` is what the names within begin with. `given` are its tensors and settings by name; `names` is
    what each name of its body stands for at its end, and `decided` how each of its conditions was decided.
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
    """Where something was made: a place, and the uses of blocks that led to it, innermost first."""

    span: Span
    uses: tuple[Use, ...] = ()

    @property
    def place(self) -> str:
        return self.span.place

    @property
    def entered(self) -> tuple[Use, ...]:
        """The blocks and nets alone."""
        return tuple(use for use in self.uses if not use.is_copy)

    def way(self) -> tuple[str, ...]:
        """The uses that led here, in words, innermost first; of many the first and the last."""
        ways = tuple(dict.fromkeys(f"in: {use.what}, used at {use.span.place}" for use in self.entered))
        if len(ways) <= 6:
            return ways
        return (*ways[:3], f"... and {len(ways) - 5} more uses around it ...", *ways[-2:])
