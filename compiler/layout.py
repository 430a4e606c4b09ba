"""Where the tokens of a formatted spec stand on their lines: gaps, indents and columns that line up."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from dlc.compiler.tokens import CLOSERS, OPENERS, OPERATORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lark import Token

WIDTH = 110
INDENT = 2

_VALUES = frozenset({"NAME", "NUMBER", "STRING", "TRUE", "FALSE", "NONE", "RPAR", "RSQB", "ELLIPSIS"})
_HEADS = frozenset({"input", "output"})
_DECLARED_WITH_VALUE = frozenset({"param", "weight", "output"})


@dataclass(eq=False)
class Statement:
    """What the rows of one statement have in common."""


@dataclass(eq=False)
class Row:
    """A line to be: tokens of one statement, or a comment alone."""

    depth: int
    tokens: list[Token]
    statement: Statement
    blank: bool = False
    continues: bool = False
    comment: str = ""
    comment_column: int = 0
    made: bool = False  # by breaking a line that was too long, so its columns in the source mean nothing
    indent: int = 0
    gaps: list[int] = field(default_factory=list)  # before each token but the first
    pads: dict[int, int] = field(default_factory=dict)  # more of them, to line up

    def columns(self) -> list[int]:
        """Where each token begins, and where the last one ends."""
        columns, column = [], self.indent
        for i, token in enumerate(self.tokens):
            column += (self.gaps[i - 1] + self.pads.get(i, 0)) if i else 0
            columns.append(column)
            column += len(token)
        return [*columns, column]

    def text(self) -> str:
        parts = [" " * self.indent]
        for i, token in enumerate(self.tokens):
            parts.append(" " * (self.gaps[i - 1] + self.pads.get(i, 0)) if i else "")
            parts.append(str(token))
        return "".join(parts)


def arrange(rows: list[Row]) -> tuple[str, int | None]:
    """The rows as text; or the place of a `{` whose body must not stay on its line, since that is too long."""
    while True:
        _place(rows)
        long = next((row for row in rows if row.tokens and row.columns()[-1] > WIDTH and _can_break(row)), None)
        if long is None:
            break
        inline = [token for token in long.tokens[:-1] if token.type == "LBRACE"]
        if inline:
            return "", inline[0].start_pos
        _break(rows, long)
    columns = _comment_columns(rows)
    lines: list[str] = []
    for row in rows:
        if row.blank:
            lines.append("")
        text = row.text() if row.tokens else " " * row.indent
        lines.append(text.ljust(columns.get(id(row), 0)) + row.comment)
    return "".join(f"{line.rstrip()}\n" for line in lines), None


def _place(rows: list[Row]) -> None:
    """Settle gaps, pads and indents of all rows."""
    brackets = _brackets(rows)
    for row in rows:
        row.pads = {}
        row.indent = INDENT * row.depth
        inside = brackets[id(row)]
        row.gaps = [_gap(row.tokens[i], token, inside[i + 1]) for i, token in enumerate(row.tokens[1:])]
        _glue_signs(row)
    _line_up(rows, _head_kind, lambda row: 1)
    _line_up(rows, _equal_kind, lambda row: _equal_at(row, brackets[id(row)]))
    links = _linked_arrows(rows, brackets)
    for _ in range(len(rows) + 1):
        _indent_continuations(rows)
        if not _align(links):
            break
    below = 0
    for row in reversed(rows):  # a comment within a statement stands as the line below it
        if not row.tokens and row.continues:
            row.indent = below
        below = row.indent


# --- gaps -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Bracket:
    """An open bracket: its kind, and where it stands."""

    type: str
    row: Row
    at: int
    of_block: bool


def _brackets(rows: list[Row]) -> dict[int, list[tuple[_Bracket, ...]]]:
    """For each row the `(` and `[` that are open before each of its tokens, braces left out."""
    found: dict[int, list[tuple[_Bracket, ...]]] = {}
    open_: tuple[_Bracket, ...] = ()
    for row in rows:
        found[id(row)] = []
        for i, token in enumerate(row.tokens):
            if token.type in ("RPAR", "RSQB"):
                open_ = open_[:-1]
            found[id(row)].append(open_)
            if token.type in ("LPAR", "LSQB"):
                of_block = not row.continues and i == 2 and row.tokens[0] in ("block", "net") and not open_
                open_ = (*open_, _Bracket(token.type, row, i, of_block and row.tokens[1].type == "NAME"))
    return found


def _gap(left: Token, right: Token, inside: tuple[_Bracket, ...]) -> int:
    """The blanks between two neighbours."""
    if right.type in ("COMMA", "SEMICOLON") or left.type in ("LPAR", "LSQB") or right.type in ("RPAR", "RSQB"):
        return 0
    if right.type == "DOT":
        return 1 if left.type == "NUMBER" else 0
    if left.type == "DOT":
        return 0
    if right.type in ("LPAR", "LSQB"):
        return 0 if left.type in _VALUES else 1
    if right.type == "COLON":
        return 0
    if left.type == "COLON":
        return 0 if inside else 1
    if "EQUAL" in (left.type, right.type) and inside and not inside[-1].of_block:
        return 0
    return 1


def _glue_signs(row: Row) -> None:
    """No blank after a sign that stands before one value."""
    for i, token in enumerate(row.tokens[:-1]):
        before = row.tokens[i - 1] if i else None
        if token.type in ("PLUS", "MINUS") and before is not None and before.type not in _VALUES:
            row.gaps[i] = 0


# --- columns that line up ---------------------------------------------------------------------------------------------


def _line_up(rows: list[Row], kind: Callable[[Row], str], at: Callable[[Row], int]) -> None:
    """Pad a token of neighbouring statements of one kind to the same column."""
    heads = [row for row in rows if not row.continues]
    runs: list[list[Row]] = []
    for row in heads:
        alike = runs and kind(row) and kind(row) == kind(runs[-1][-1]) and row.depth == runs[-1][-1].depth
        if alike and not row.blank:
            runs[-1].append(row)
        else:
            runs.append([row])
    for run in runs:
        if kind(run[0]):
            column = max(row.columns()[at(row)] for row in run)
            for row in run:
                row.pads[at(row)] = column - row.columns()[at(row)]


def _head_kind(row: Row) -> str:
    declares = len(row.tokens) > 1 and row.tokens[0] in _HEADS and row.tokens[1].type == "NAME"
    return "head" if declares else ""


def _equal_kind(row: Row) -> str:
    """Bindings line up with bindings, each declaration with its like."""
    if not row.tokens or row.tokens[0].type != "NAME" or not any(t.type == "EQUAL" for t in row.tokens):
        return ""
    word, follower = str(row.tokens[0]), row.tokens[1].type
    if word in _DECLARED_WITH_VALUE and follower == "NAME":
        return word if _equal_at_depth_zero(row) else ""
    return "binding" if follower in ("EQUAL", "COMMA") and _equal_at_depth_zero(row) else ""


def _equal_at_depth_zero(row: Row) -> int:
    depth = 0
    for i, token in enumerate(row.tokens):
        if token.type in OPENERS:
            depth += 1
        elif token.type in CLOSERS:
            depth -= 1
        elif token.type == "EQUAL" and depth == 0:
            return i
    return 0


def _equal_at(row: Row, inside: list[tuple[_Bracket, ...]]) -> int:
    return next(i for i, token in enumerate(row.tokens) if token.type == "EQUAL" and not inside[i])
