"""Problems as values: what is wrong, where, why, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.compiler.diagnostics.source import Site, Span


@record
class Label:
    """A place with a few words drawn under it."""

    span: Span
    text: str = ""


@record
class Diagnostic:
    """One problem. The first label is the place of the error; codes that begin with W are warnings."""

    code: str
    message: str
    labels: tuple[Label, ...]
    notes: tuple[str, ...] = ()  # e.g. "in: block basic, used at resnet.dl:25:6"
    help: str = ""

    @classmethod
    def at(cls, site: Site, code: str, message: str, help: str = "", *, text: str = "",
           more: Iterable[Label] = ()) -> Diagnostic:  # fmt: skip
        """The problem of a node or a value, with the uses of blocks that led to it."""
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
    """A comment at the end of a line that allows a code there."""

    code: str
    comment: Span

    def silences(self, found: Diagnostic) -> bool:
        if found.code != self.code or found.span is None or found.span.source is not self.comment.source:
            return False
        return found.line == self.comment.source.position(self.comment.start)[0]
