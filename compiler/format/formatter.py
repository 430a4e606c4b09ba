"""The formatter of specs: `dlc fmt`.

Line breaks and single blank lines of the author are kept. This module assigns tokens to lines; `layout` sets
their columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.problems import Problems
from dlc.compiler.format.layout import arrange
from dlc.compiler.format.token_lines import Row
from dlc.compiler.parse.parser import parse, read_tokens

if TYPE_CHECKING:
    from dlc.compiler.diagnostics.source import Source
    from dlc.compiler.parse.token import Token
    from dlc.compiler.parse.tokens import Tokens


def format(source: Source) -> str:
    """The formatted text. CompileError for a text with syntax errors."""
    problems = Problems()
    parse(source, problems)
    problems.check()
    return laid_out(source)


def laid_out(source: Source) -> str:
    """The formatted text of a spec that is known to have no syntax errors."""
    tokens = read_tokens(source, Problems())
    opened: set[int] = set()
    while True:
        text, too_long = arrange(_Rows(tokens, opened).run())
        if not too_long:
            return text
        opened |= too_long


class _Rows:
    """Collects tokens and comments into rows. `opened` are the offsets of `{` whose body is not kept on one
    line."""

    def __init__(self, tokens: Tokens, opened: set[int]) -> None:
        self.tokens = tokens
        self.opened = opened
        self.rows: list[Row] = []
        self.depth = 0
        self.inline: list[bool] = []  # for each open `{` whether its body is on the same line
        self.first: Row | None = None  # first row of the current statement
        self.last_line = 0

    def run(self) -> list[Row]:
        for word in sorted([*self.tokens.items, *self.tokens.comments], key=lambda word: word.start_pos):
            if word.type == "COMMENT":
                self._comment(word)
            elif word.type == "NEWLINE":
                self.first = None
            else:
                self._word(word)
        return self.rows

    def _word(self, token: Token) -> None:
        if token.type == "RBRACE" and not self.inline[-1]:
            self.depth -= 1
            self._begin(token)
        elif self.first is None:
            self._begin(token)
        elif token.line > self.last_line and not self._follows_body(token):
            self._continue(token)
        else:
            self.rows[-1].tokens.append(token)
        self.last_line = token.line
        if token.type == "LBRACE":
            self._open_body(token)
        elif token.type == "RBRACE":
            self.inline.pop()

    def _begin(self, token: Token) -> None:
        self.first = Row(self.depth, [token], blank=token.type != "RBRACE" and self._blank_before(token))
        self.rows.append(self.first)

    def _follows_body(self, token: Token) -> bool:
        """Whether the token is an `else` that moves up to the line of the `}` before it."""
        above = self.rows[-1]
        return token.type == "ELSE" and not above.comment and above.tokens[-1].type == "RBRACE"

    def _continue(self, token: Token) -> None:
        """Add a further line of the statement. An arrow at the end of the line before moves to this line."""
        above = next(row for row in reversed(self.rows) if row.tokens)
        moves = above.tokens[-1].type == "ARROW" and len(above.tokens) > 1
        tokens = [above.tokens.pop(), token] if moves else [token]
        self.rows.append(Row(self.depth, tokens, self.first, blank=self._blank_before(token)))

    def _open_body(self, brace: Token) -> None:
        closes = self.tokens.items[self.tokens.pairs[brace.start_pos]]
        inline = closes.line == brace.line and brace.start_pos not in self.opened
        self.inline.append(inline)
        if not inline:
            self.depth += 1
            self.first = None

    def _comment(self, comment: Token) -> None:
        text = comment.rstrip()
        text = f"# {text[1:]}" if text[1:2].isalnum() else text
        if self.rows and comment.line == self.last_line:
            self.rows[-1].comment, self.rows[-1].comment_column = text, comment.column - 1
        else:
            self.rows.append(Row(self.depth, [], self.first, blank=self._blank_before(comment), comment=text))
        self.last_line = comment.line

    def _blank_before(self, token: Token) -> bool:
        if not self.rows or self.rows[-1].opens_body:
            return False
        return token.line > self.last_line + 1
