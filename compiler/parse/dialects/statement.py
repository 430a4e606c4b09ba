"""A statement that the grammar does not accept, as tokens, and the error for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.diagnostics.source import Source, Span
from dlc.compiler.parse.brackets import CLOSERS, OPENERS
from dlc.compiler.parse.tokens import MAX_MARKS, span_of
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dlc.compiler.parse.token import Token

Tokens = list["Token"]
MAX_HELP = 400  # characters
VALUES = ("NAME", "NUMBER", "STRING")


@record
class DialectHint:
    """The error for a statement. `replacement` are the equivalent statements, as tokens with positions in the
    text; None if the meaning is not certain."""

    diagnostic: Diagnostic
    replacement: tuple[Tokens, ...] | None = None


@record
class UnknownStatement:
    """A statement that the grammar does not accept: its tokens, without those of bodies in braces, and the
    section that contains it."""

    tokens: Tokens
    source: Source
    section: str

    def types(self, *wanted: str) -> bool:
        """Whether the statement begins with tokens of these types."""
        return tuple(t.type for t in self.tokens[: len(wanted)]) == wanted

    def text(self, tokens: Sequence[Token]) -> str:
        return Span(self.source, tokens[0].start_pos, tokens[-1].end_pos).text if tokens else ""

    def error(self, message: str, help: str, *marked: Sequence[Token], code: str = "E0102",
             replacement: Sequence[Tokens] | None = None) -> DialectHint:  # fmt: skip
        """An error at the marked tokens, at most `MAX_MARKS`."""
        spans = [span_of(self.source, m[0]).to(span_of(self.source, m[-1])) for m in marked[:MAX_MARKS]]
        help = help if len(help) <= MAX_HELP else f"{help[:MAX_HELP]}..."
        diagnostic = Diagnostic(code, message, tuple(map(Label, spans)), (), help)
        return DialectHint(diagnostic, None if replacement is None else tuple(replacement))


def levels(tokens: Tokens) -> Iterator[tuple[int, Token, int]]:
    """Each token with its index and its nesting depth in brackets."""
    level = 0
    for i, token in enumerate(tokens):
        level -= token.type in CLOSERS
        yield i, token, level
        level += token.type in OPENERS


def adjacent(left: Token, right: Token) -> bool:
    return left.end_pos == right.start_pos


def closing_index(tokens: Tokens, opener: int) -> int:
    """The index of the bracket that closes the one at `opener`."""
    level = 0
    for i in range(opener, len(tokens)):
        level += (tokens[i].type in OPENERS) - (tokens[i].type in CLOSERS)
        if not level:
            return i
    return len(tokens) - 1


def split(tokens: Tokens) -> list[Tokens]:
    """The tokens between commas and semicolons outside of brackets."""
    parts: list[Tokens] = [[]]
    for _, token, level in levels(tokens):
        if token.type in ("COMMA", "SEMICOLON") and level == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return [part for part in parts if part]
