"""Diagnostics: the message, the labelled spans, notes and help of an error or a warning."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.ir.graph import Site


UNKNOWN_NAMES = ("E0301", "E0901")  # unknown and unimplemented names: one diagnostic for each name
SYNTAX = ("E0101", "E0102", "E0105")  # syntax errors: one diagnostic for equal texts with the same help
MAX_MARKS = 10  # spans of a merged diagnostic


@record
class Label:
    """A span with a short text that is drawn under it."""

    span: Span
    text: str = ""


@record
class Diagnostic:
    """An error or a warning. The first label is its primary span; codes of warnings begin with W."""

    code: str
    message: str
    labels: tuple[Label, ...]
    notes: tuple[str, ...] = ()  # e.g. "in: block basic, used at resnet.dl:25:6"
    help: str = ""

    @classmethod
    def at(cls, site: Site, code: str, message: str, help: str = "", *, text: str = "",
           more: Iterable[Label] = ()) -> Diagnostic:  # fmt: skip
        """The diagnostic of a node or a value, with the chain of block uses as notes."""
        return cls(code, message, (Label(site.span, text), *more), site.way(), help)

    @property
    def severity(self) -> str:
        return "warning" if self.code.startswith("W") else "error"

    @property
    def span(self) -> Span | None:
        return self.labels[0].span if self.labels else None

    @property
    def line(self) -> int | None:
        return self.span.source.position(self.span.start)[0] if self.span else None

    @property
    def column(self) -> int | None:
        return self.span.source.position(self.span.start)[1] if self.span else None


@record
class Allowed:
    """An `allow` comment at the end of a line: it suppresses a warning of that line."""

    code: str
    comment: Span

    def suppresses(self, found: Diagnostic) -> bool:
        if found.code != self.code or found.span is None or found.span.source is not self.comment.source:
            return False
        return found.line == self.comment.source.position(self.comment.start)[0]


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
        from dlc.compiler.diagnostics.render import render_all

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
