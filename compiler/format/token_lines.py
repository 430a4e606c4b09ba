"""The lines of a formatted spec: their tokens, and the open brackets at each token."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlc.compiler.parse.token import Token

WIDTH = 110


@dataclass(eq=False)
class Row:
    """An output line: tokens of one statement, or a comment only."""

    depth: int
    tokens: list[Token]
    first: Row | None = None  # first row of the statement; None if this is the first
    blank: bool = False  # a blank line precedes
    comment: str = ""
    comment_column: int = 0
    made: bool = False  # made by breaking a long line: source columns are meaningless
    indent: int = 0
    gaps: list[int] = field(default_factory=list)  # spaces before each token
    pads: dict[int, int] = field(default_factory=dict)  # additional spaces for alignment, by token index
    opens: dict[int, Bracket] = field(default_factory=dict)  # opening brackets, by token index

    @property
    def is_long(self) -> bool:
        return bool(self.tokens) and self.columns()[-1] > WIDTH

    @property
    def moves_arrows(self) -> bool:
        """Whether an arrow of the row is padded to align with others."""
        return any(pad and self.tokens[i].type == "ARROW" for i, pad in self.pads.items())

    @property
    def opens_body(self) -> bool:
        return bool(self.tokens) and self.tokens[-1].type == "LBRACE"

    def columns(self) -> list[int]:
        """The start column of each token, and the end of the last one."""
        columns, column = [], self.indent
        for i, token in enumerate(self.tokens):
            column += self.gaps[i] + self.pads.get(i, 0)
            columns.append(column)
            column += len(token)
        return [*columns, column]

    def ends(self) -> list[int]:
        """The end column of each token."""
        return [column + len(token) for column, token in zip(self.columns(), self.tokens, strict=False)]

    def text(self) -> str:
        words = (" " * (gap + self.pads.get(i, 0)) + self.tokens[i] for i, gap in enumerate(self.gaps))
        return " " * self.indent + "".join(words)


@dataclass(eq=False)
class Bracket:
    """An open `(` or `[`: its current row, and its token index there."""

    row: Row
    at: int
    of_block: bool

    @property
    def ends_row(self) -> bool:
        return self.at == len(self.row.tokens) - 1


Inside = dict[int, list[tuple[Bracket, ...]]]  # by id of the row: the open brackets at each token


def brackets(rows: list[Row]) -> Inside:
    """The open brackets at each token; a closing bracket counts as inside."""
    found: Inside = {}
    open_: tuple[Bracket, ...] = ()
    for row in rows:
        around = found[id(row)] = []
        of_block = row.first is None and len(row.tokens) > 1 and row.tokens[0] in ("block", "net")
        for i, token in enumerate(row.tokens):
            around.append(open_)
            if token.type in ("LPAR", "LSQB"):
                row.opens[i] = Bracket(row, i, of_block and i == 2 and row.tokens[1].type == "NAME")
                open_ = (*open_, row.opens[i])
            elif token.type in ("RPAR", "RSQB"):
                open_ = open_[:-1]
    return found
