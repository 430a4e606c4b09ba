"""What the parser left out, so that nothing is said of what only follows from it."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING

from dlc.compiler import syntax

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dlc.compiler.diagnostics.source import Source, Span


BINDING = re.compile(r"^[ \t{}]*((?:[^\W\d]\w*[ \t]*,[ \t]*)*[^\W\d]\w*)[ \t]*=(?!=)", re.MULTILINE)
NAMELESS = re.compile(r"^[ \t]*(?:(?:input|output|param|weight|block|net)[ \t]*[:(=]|=(?!=))", re.MULTILINE)
WITH_BODY = (syntax.Block, syntax.If, syntax.For, syntax.Section)


class Torn:
    """The places of a text's errors, and the names in the statements that were lost with them."""

    def __init__(self) -> None:
        self.places: dict[Source, list[int]] = {}  # where errors begin, in order
        self.names: set[str] = set()
        self.bound: dict[str, tuple[Source, int]] = {}  # what lost statements bind, and where first
        self.nameless = False  # whether a declaration or binding was lost that lacks its name
        self.unended = False  # whether a flow was lost that lacks its end

    def note(self, tree: syntax.File, places: list[Span]) -> None:
        """Errors at these places were found while the tree was parsed."""
        if not places:
            return
        self.places[tree.source] = sorted(p.start for p in places)
        text = tree.source.text
        for start, end in self._left_out(tree.body, 0, len(text)):
            lost = re.sub(r"#[^\n]*", lambda comment: " " * len(comment[0]), text[start:end])
            self.names.update(re.findall(r"[^\W\d]\w*", lost))
            self.nameless = self.nameless or bool(NAMELESS.search(lost))
            self.unended = self.unended or lost.rstrip().endswith("->")
            for binding in BINDING.finditer(lost):
                for name in re.findall(r"\w+", binding[1]):
                    self.bound.setdefault(name, (tree.source, start + binding.start()))

    def rebinds(self, name: str, span: Span) -> bool:
        """Whether a name that stands there may have been bound anew by a statement that was lost."""
        source, start = self.bound.get(name, (None, 0))
        return source is span.source and start < span.start

    def within(self, span: Span) -> bool:
        """Whether one of the errors stands there."""
        places = self.places.get(span.source, [])
        first = bisect_left(places, span.start)
        return first < len(places) and places[first] <= span.end

    def _left_out(self, body: Sequence[syntax.Statement], start: int, end: int) -> Iterator[tuple[int, int]]:
        """The pieces of text that no statement covers; of one with a body and an error, those within it."""
        for statement in body:
            yield start, max(start, statement.span.start)
            if isinstance(statement, WITH_BODY) and self.within(statement.span):
                yield from self._left_out(syntax.bodies(statement), statement.span.start, statement.span.end)
            start = statement.span.end
        yield start, max(start, end)
