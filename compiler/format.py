"""The one layout of a spec: `dlc fmt`.

The author's lines are kept: a flow stays broken where it was broken, a blank line stays one. What is settled here is
which tokens share a line; `layout` settles where on the line they stand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.diagnostics import Problems
from dlc.compiler.layout import Row, Statement, arrange
from dlc.compiler.parse import parse, read_tokens

if TYPE_CHECKING:
    from lark import Token

    from dlc.compiler.source import Source
    from dlc.compiler.tokens import Tokens


def format(source: Source) -> str:
    """The text in the one layout; a text with mistakes raises `CompileError`."""
    problems = Problems()
    parse(source, problems)
    problems.check()
    tokens = read_tokens(source, problems)
    opened: set[int] = set()
    while True:
        rows = _Rows(tokens, opened).run()
        text, too_long = arrange(rows)
        if too_long is None:
            return text
        opened.add(too_long)


class _Rows:
    """Collects the tokens into rows; bodies at the places in `opened` are not kept on one line."""

    def __init__(self, tokens: Tokens, opened: set[int]) -> None:
        self.tokens = tokens
        self.opened = opened
        self.rows: list[Row] = []
        self.depth = 0
        self.bodies: list[bool] = []  # for each open `{` whether its body stays on its line
        self.statement: Statement | None = None
        self.last_line = 0

    def run(self) -> list[Row]:
        comments = iter([*self.tokens.comments, None])
        comment = next(comments)
        for index, token in enumerate(self.tokens.items):
            while comment is not None and comment.start_pos < token.start_pos:
                self._comment(comment)
                comment = next(comments)
            self._token(token, index)
        while comment is not None:
            self._comment(comment)
            comment = next(comments)
        return self.rows

    def _token(self, token: Token, index: int) -> None:
        if token.type == "NEWLINE":
            self.statement = None
            return
        if token.type == "RBRACE" and not self.bodies[-1]:
            self.depth -= 1
            self._begin(token, Statement())
        elif self.statement is None:
            self._begin(token, Statement())
        elif self._goes_on_below(token):
            self._continue(token)
        else:
            self.rows[-1].tokens.append(token)
        self.last_line = token.line
        if token.type == "LBRACE":
            self._open_body(token, index)
        elif token.type == "RBRACE":
            self.bodies.pop()

    def _begin(self, token: Token, statement: Statement) -> None:
        blank = token.line > self.last_line + 1 and token.type != "RBRACE" and not self._after_opening()
        self.rows.append(Row(self.depth, [token], statement, blank=blank))
        self.statement = statement

    def _goes_on_below(self, token: Token) -> bool:
        if token.line == self.last_line:
            return bool(self.rows[-1].comment) or not self.rows[-1].tokens
        after_body = token.type == "ELSE" and self.rows[-1].tokens[-1:] and self.rows[-1].tokens[-1].type == "RBRACE"
        return not after_body or bool(self.rows[-1].comment)

    def _continue(self, token: Token) -> None:
        """A line of the statement below its first; an arrow at the end of the line before moves here."""
        moved: list[Token] = []
        carrier = next(row for row in reversed(self.rows) if row.tokens)
        if carrier.tokens[-1].type == "ARROW" and len(carrier.tokens) > 1:
            moved = [carrier.tokens.pop()]
        blank = token.line > self.last_line + 1
        assert self.statement is not None
        self.rows.append(Row(self.depth, [*moved, token], self.statement, blank=blank, continues=True))

    def _open_body(self, brace: Token, index: int) -> None:
        items, stop = self.tokens.items, self.tokens.pairs[brace.start_pos]
        stays = items[stop].line == brace.line and brace.start_pos not in self.opened
        self.bodies.append(stays)
        if not stays:
            self.depth += 1
            self.statement = None

    def _comment(self, comment: Token) -> None:
        text = _tidy(str(comment))
        if self.rows and comment.line == self.last_line and not self.rows[-1].comment:
            self.rows[-1].comment, self.rows[-1].comment_column = text, comment.column - 1
            return
        blank = comment.line > self.last_line + 1 and not self._after_opening()
        inside = self.statement is not None
        row = Row(self.depth, [], self.statement or Statement(), blank=blank, continues=inside, comment=text)
        self.rows.append(row)
        self.last_line = comment.line

    def _after_opening(self) -> bool:
        """Whether the next row is the first of the file or of a body."""
        return not self.rows or bool(self.rows[-1].tokens and self.rows[-1].tokens[-1].type == "LBRACE")


def _tidy(comment: str) -> str:
    text = comment.rstrip()
    return f"# {text[1:]}" if text[1:2].isalnum() else text
