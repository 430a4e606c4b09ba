"""Statements that the parser skipped after an error. Errors that only follow from them are not reported."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING

from dlc.compiler import syntax

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dlc.compiler.diagnostics.source import Source, Span
    from dlc.compiler.elaborate.values import Template


BINDING = re.compile(r"^[ \t{}]*((?:[^\W\d]\w*[ \t]*,[ \t]*)*[^\W\d]\w*)[ \t]*=(?!=)", re.MULTILINE)
NAMELESS = re.compile(r"^[ \t]*(?:(?:input|output|param|weight|block|net)[ \t]*[:(=]|=(?!=))", re.MULTILINE)
WITH_BODY = (syntax.Block, syntax.If, syntax.For, syntax.Section)


class ErrorRecovery:
    """The locations of syntax errors, and the names in the statements that the parser skipped."""

    def __init__(self) -> None:
        self.offsets: dict[Source, list[int]] = {}  # offsets of the errors, sorted
        self.names: set[str] = set()
        self.bound: dict[str, tuple[Source, int]] = {}  # bound by lost statements; first offset
        self.name_lost = False  # whether a lost declaration or binding has no name
        self.flow_end_lost = False  # whether a lost flow has no end
        self.unknown_settings: set[tuple[Template, str]] = set()  # reported ones, of blocks
        self.unknown_names: set[str] = set()  # reported ones
        self.unmeasured: set[str] = set()  # reported figures that are not measured

    def record(self, tree: syntax.File, spans: list[Span]) -> None:
        """Record the spans of errors that were found while the tree was parsed."""
        if not spans:
            return
        self.offsets[tree.source] = sorted(span.start for span in spans)
        text = tree.source.text
        for start, end in self._skipped_ranges(tree.body, 0, len(text)):
            lost = re.sub(r"#[^\n]*", lambda comment: " " * len(comment[0]), text[start:end])
            self.names.update(re.findall(r"[^\W\d]\w*", lost))
            self.name_lost = self.name_lost or bool(NAMELESS.search(lost))
            self.flow_end_lost = self.flow_end_lost or lost.rstrip().endswith("->")
            for binding in BINDING.finditer(lost):
                for name in re.findall(r"\w+", binding[1]):
                    self.bound.setdefault(name, (tree.source, start + binding.start()))

    def may_rebind(self, name: str, span: Span) -> bool:
        """Whether a lost statement before the span may have bound the name again."""
        source, start = self.bound.get(name, (None, 0))
        return source is span.source and start < span.start

    def has_error_in(self, span: Span) -> bool:
        """Whether an error begins within the span."""
        offsets = self.offsets.get(span.source, [])
        first = bisect_left(offsets, span.start)
        return first < len(offsets) and offsets[first] <= span.end

    def _skipped_ranges(
        self, body: Sequence[syntax.Statement], start: int, end: int
    ) -> Iterator[tuple[int, int]]:
        """The ranges of text that no statement covers, also within bodies that contain an error."""
        for statement in body:
            yield start, max(start, statement.span.start)
            if isinstance(statement, WITH_BODY) and self.has_error_in(statement.span):
                yield from self._skipped_ranges(
                    syntax.bodies(statement), statement.span.start, statement.span.end
                )
            start = statement.span.end
        yield start, max(start, end)
