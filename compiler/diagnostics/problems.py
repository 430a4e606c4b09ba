"""Diagnostics collected, and raised as an error of the compiler."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.diagnostics.render import render_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dlc.compiler.diagnostics.source import Span


UNKNOWN_NAMES = ("E0301", "E0901")  # unknown and unimplemented names: one diagnostic for each name
SYNTAX = ("E0101", "E0102", "E0105")  # syntax errors: one diagnostic for equal texts with the same help
MAX_MARKS = 10  # spans of a merged diagnostic


class CompileError(Exception):
    """A spec that cannot be compiled. `diagnostics` are the errors and warnings, in source order."""

    def __init__(self, diagnostics: Iterable[Diagnostic]):
        self.diagnostics = tuple(diagnostics)
        super().__init__(self.diagnostics)

    @classmethod
    def of(
        cls, code: str, message: str, span: Span | None = None, *, notes: tuple[str, ...] = (), help: str = ""
    ) -> CompileError:
        """An error of one diagnostic."""
        return cls([Diagnostic(code, message, (Label(span),) if span else (), notes, help)])

    def __str__(self) -> str:
        return "\n".join(render_all(self.diagnostics))


def merged(equal: Sequence[Diagnostic]) -> Diagnostic:
    """One diagnostic for several that differ only in their spans, with the labels of all."""
    first, marked = equal[0], equal[:MAX_MARKS]
    if len(equal) == 1:
        return first
    left = len(equal) - len(marked)
    more = [f"and in {left:_} more {'place' if left == 1 else 'places'}"] if left else []
    labels = tuple(label for d in marked for label in d.labels)
    return replace(first, labels=labels, notes=(*first.notes, *more))


class Problems:
    """A list of diagnostics without duplicates: one for each code and start position."""

    def __init__(self) -> None:
        self.found: list[Diagnostic] = []
        self.failed = False  # whether there is an error
        self._seen: set[tuple[str, str, int]] = set()
        self._places: set[tuple[str, int]] = set()

    def add(self, diagnostic: Diagnostic) -> None:
        span = diagnostic.span
        key = (
            diagnostic.code,
            span.source.name if span else "",
            span.start if span else hash(diagnostic.message),
        )
        if key not in self._seen:
            self._seen.add(key)
            self._places.add(key[1:])
            self.found.append(diagnostic)
            self.failed = self.failed or diagnostic.severity == "error"

    def tells(self, message: str) -> bool:
        """Whether there is a diagnostic with this message."""
        return any(found.message == message for found in self.found)

    def report(
        self,
        code: str,
        span: Span,
        message: str,
        *,
        help: str = "",
        label: str = "",
        more: Iterable[Label] = (),
        notes: Iterable[str] = (),
    ) -> None:
        self.add(Diagnostic(code, message, (Label(span, label), *more), tuple(notes), help))

    def seen(self, code: str, span: Span) -> bool:
        """Whether this code is already reported at the start of this span."""
        return (code, span.source.name, span.start) in self._seen

    def seen_at(self, span: Span) -> bool:
        """Whether any diagnostic starts at the start of this span."""
        return (span.source.name, span.start) in self._places

    def sorted(self) -> list[Diagnostic]:
        """All diagnostics in source order. Those of one unknown name, and equal syntax errors, are merged."""
        equal: dict[object, list[Diagnostic]] = {}
        for d in sorted(self.found, key=lambda d: (d.span.source.name, d.span.start) if d.span else ("", -1)):
            span = d.span if d.code in UNKNOWN_NAMES or (d.code in SYNTAX and d.help) else None
            help = d.help if d.code in SYNTAX else ""
            key = (d.code, d.message, help, span.source.name, span.text) if span else id(d)
            equal.setdefault(key, []).append(d)
        return [merged(same) for same in equal.values()]

    def check(self) -> None:
        """Raise CompileError if there is an error."""
        if self.failed:
            raise CompileError(self.sorted())
