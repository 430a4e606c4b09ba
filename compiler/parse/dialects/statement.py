"""A statement that the grammar does not know, as tokens, and what is found in it."""

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
class Found:
    """What is wrong with a statement. `instead` are the statements that are surely meant, as tokens at the
    places of what stands there; none where that is not sure."""

    diagnostic: Diagnostic
    instead: tuple[Tokens, ...] | None = None


@record
class UnknownStatement:
    """A statement that the grammar does not know: its tokens, without those of bodies in braces, and the
    section it stands in."""

    tokens: Tokens
    source: Source
    section: str

    def types(self, *wanted: str) -> bool:
        """Whether it begins with tokens of these types."""
        return tuple(t.type for t in self.tokens[: len(wanted)]) == wanted

    def text(self, tokens: Sequence[Token]) -> str:
        return Span(self.source, tokens[0].start_pos, tokens[-1].end_pos).text if tokens else ""

    def tell(self, message: str, help: str, *marked: Sequence[Token], code: str = "E0102",
             instead: Sequence[Tokens] | None = None) -> Found:  # fmt: skip
        """An error at the tokens that are marked, of many the first."""
        spans = [span_of(self.source, m[0]).to(span_of(self.source, m[-1])) for m in marked[:MAX_MARKS]]
        help = help if len(help) <= MAX_HELP else f"{help[:MAX_HELP]}..."
        diagnostic = Diagnostic(code, message, tuple(map(Label, spans)), (), help)
        return Found(diagnostic, None if instead is None else tuple(instead))


def levels(tokens: Tokens) -> Iterator[tuple[int, Token, int]]:
    """Each token with its index and the number of brackets around it."""
    level = 0
    for i, token in enumerate(tokens):
        level -= token.type in CLOSERS
        yield i, token, level
        level += token.type in OPENERS


def touch(left: Token, right: Token) -> bool:
    return left.end_pos == right.start_pos


def closed(tokens: Tokens, opener: int) -> int:
    """The index of the bracket that closes the one at `opener`."""
    level = 0
    for i in range(opener, len(tokens)):
        level += (tokens[i].type in OPENERS) - (tokens[i].type in CLOSERS)
        if not level:
            return i
    return len(tokens) - 1


def split(tokens: Tokens) -> list[Tokens]:
    """What stands between the commas."""
    parts: list[Tokens] = [[]]
    for _, token, level in levels(tokens):
        if token.type in ("COMMA", "SEMICOLON") and level == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return [part for part in parts if part]
