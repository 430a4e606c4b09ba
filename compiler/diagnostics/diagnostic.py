"""Diagnostics: the message, the labelled spans, notes and help of an error or a warning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.compiler.diagnostics.source import Site, Span


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
