"""What the parser left out, so that nothing is said of what only follows from it."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING

from dlc.compiler import syntax

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dlc.compiler.source import Source, Span


class Torn:
    """The places of a text's mistakes, and the names in the statements that were lost with them."""

    def __init__(self) -> None:
        self.places: dict[Source, list[int]] = {}  # where mistakes begin, in order
        self.names: set[str] = set()

    def note(self, tree: syntax.File, places: list[Span]) -> None:
        """Mistakes at these places were found while the tree was parsed."""
        if not places:
            return
        self.places[tree.source] = sorted(p.start for p in places)
        text = tree.source.text
        for start, end in self._left_out(tree.body, 0, len(text)):
            self.names.update(re.findall(r"[^\W\d]\w*", re.sub(r"#[^\n]*", "", text[start:end])))

    def within(self, span: Span) -> bool:
        """Whether one of the mistakes stands there."""
        places = self.places.get(span.source, [])
        first = bisect_left(places, span.start)
        return first < len(places) and places[first] <= span.end

    def _left_out(self, body: Sequence[syntax.Statement], start: int, end: int) -> Iterator[tuple[int, int]]:
        """The pieces of text that no statement covers; of one with a mistake inside, those within it."""
        for statement in body:
            yield start, max(start, statement.span.start)
            if self.within(statement.span):
                yield from self._left_out(syntax.bodies(statement), statement.span.start, statement.span.end)
            start = statement.span.end
        yield start, max(start, end)
