"""Diagnostics collected, and raised as an error of the compiler."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.diagnostics.render import render_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dlc.compiler.diagnostics.source import Span

NAMES = ("E0301", "E0901")  # codes of names that stand for nothing, or for nothing yet
SIGNS = ("E0101", "E0102", "E0105")  # codes of what is written otherwise, told once where its fix is one
MAX_MARKS = 10  # places of one of these


class CompileError(Exception):
    """A spec that cannot be compiled; `diagnostics` say why, errors and warnings both, in order of place."""

    def __init__(self, diagnostics: Iterable[Diagnostic]):
        self.diagnostics = tuple(diagnostics)
        super().__init__(self.diagnostics)

    @classmethod
    def of(
        cls, code: str, message: str, span: Span | None = None, *, notes: tuple[str, ...] = (), help: str = ""
    ) -> CompileError:
        """One problem, at its place if it has one."""
        return cls([Diagnostic(code, message, (Label(span),) if span else (), notes, help)])

    def __str__(self) -> str:
        return "\n".join(render_all(self.diagnostics))


def together(alike: Sequence[Diagnostic]) -> Diagnostic:
    """The first of several that are alike but for their places, which it marks."""
    first, marked = alike[0], alike[:MAX_MARKS]
    if len(alike) == 1:
        return first
    left = len(alike) - len(marked)
    more = [f"and in {left:_} more {'place' if left == 1 else 'places'}"] if left else []
    labels = tuple(label for d in marked for label in d.labels)
    return replace(first, labels=labels, notes=(*first.notes, *more))


class Problems:
    """Collects diagnostics; the same code at the same place counts once."""

    def __init__(self) -> None:
        self.found: list[Diagnostic] = []
        self.failed = False  # whether an error is among them
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
        """Whether that code is reported at that place already."""
        return (code, span.source.name, span.start) in self._seen

    def seen_at(self, span: Span) -> bool:
        """Whether anything is reported that begins there."""
        return (span.source.name, span.start) in self._places

    def sorted(self) -> list[Diagnostic]:
        """All in order of place; of a name that nothing has, and of a sign that is written otherwise, the
        first, with the other places of it marked."""
        alike: dict[object, list[Diagnostic]] = {}
        for d in sorted(self.found, key=lambda d: (d.span.source.name, d.span.start) if d.span else ("", -1)):
            span = d.span if d.code in NAMES or (d.code in SIGNS and d.help) else None
            help = d.help if d.code in SIGNS else ""
            key = (d.code, d.message, help, span.source.name, span.text) if span else id(d)
            alike.setdefault(key, []).append(d)
        return [together(same) for same in alike.values()]

    def check(self) -> None:
        """Raise what was found if an error is among it."""
        if self.failed:
            raise CompileError(self.sorted())
