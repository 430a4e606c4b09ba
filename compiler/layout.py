"""Where the tokens of a formatted spec stand on their lines: gaps, indents and columns that line up."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from dlc.compiler.tokens import Token

WIDTH = 110
INDENT = 2
MAX_BROKEN = 2000  # tokens of a line; a longer one is left as it is

_VALUES = frozenset({"NAME", "NUMBER", "STRING", "TRUE", "FALSE", "NONE", "RPAR", "RSQB", "ELLIPSIS"})
_HEADS = frozenset({"input", "output"})
_DECLARED_WITH_VALUE = frozenset({"param", "weight", "output"})


@dataclass(eq=False)
class Row:
    """A line to be: tokens of one statement, or a comment alone."""

    depth: int
    tokens: list[Token]
    first: Row | None = None  # of the statement, where this is not it
    blank: bool = False  # a blank line stands before
    comment: str = ""
    comment_column: int = 0
    made: bool = False  # by breaking a long line: its columns in the source mean nothing
    indent: int = 0
    gaps: list[int] = field(default_factory=list)  # before each token
    pads: dict[int, int] = field(default_factory=dict)  # more of them, to line up

    @property
    def opens_body(self) -> bool:
        return bool(self.tokens) and self.tokens[-1].type == "LBRACE"

    def columns(self) -> list[int]:
        """Where each token begins, and where the last one ends."""
        columns, column = [], self.indent
        for i, token in enumerate(self.tokens):
            column += self.gaps[i] + self.pads.get(i, 0)
            columns.append(column)
            column += len(token)
        return [*columns, column]

    def text(self) -> str:
        words = (" " * (gap + self.pads.get(i, 0)) + self.tokens[i] for i, gap in enumerate(self.gaps))
        return " " * self.indent + "".join(words)


class _Bracket(NamedTuple):
    """An open `(` or `[`."""

    row: Row
    at: int
    of_block: bool

    @property
    def ends_row(self) -> bool:
        return self.at == len(self.row.tokens) - 1


_Inside = dict[int, list[tuple[_Bracket, ...]]]  # for each row by id: the brackets around each of its tokens


def arrange(rows: list[Row]) -> tuple[str, int | None]:
    """The rows as text; or the place of a `{` whose body must not stay on its line,
    since that is too long."""
    while True:
        inside = _brackets(rows)
        _place(rows, inside)
        long = [row for row in rows if row.tokens and row.columns()[-1] > WIDTH]
        for row in long:
            for token in row.tokens[:-1]:
                if token.type == "LBRACE":
                    return "", token.start_pos
        broken = [_break(rows, row, inside) for row in long]
        if not any(broken):
            return _text(rows), None


def _text(rows: list[Row]) -> str:
    comments = _comment_columns(rows)
    lines: list[str] = []
    for row in rows:
        lines += [""] * row.blank
        lines.append((row.text().ljust(comments.get(id(row), 0)) + row.comment).rstrip())
    return "".join(f"{line}\n" for line in lines)


def _place(rows: list[Row], inside: _Inside) -> None:
    """Settle gaps, pads and indents of all rows."""
    before = None
    for row in rows:
        row.pads = {}
        row.indent = INDENT * row.depth
        row.gaps = _gaps(row, inside[id(row)], before if row.first else None)
        before = row.tokens[-1] if row.tokens else before
    _line_up(rows, _head_at)
    _line_up(rows, _equal_at)
    links = _linked_arrows(rows, inside)
    for _ in range(len(rows)):
        _indent_below(rows, inside)
        if not _align(links):
            break
    below = 0
    for row in reversed(rows):  # a comment within a statement stands as the line below it
        if not row.tokens and row.first:
            row.indent = below
        below = row.indent


def _brackets(rows: list[Row]) -> _Inside:
    """What is open at each token; a closing one is still inside."""
    found: _Inside = {}
    open_: tuple[_Bracket, ...] = ()
    for row in rows:
        around = found[id(row)] = []
        of_block = row.first is None and len(row.tokens) > 1 and row.tokens[0] in ("block", "net")
        for i, token in enumerate(row.tokens):
            around.append(open_)
            if token.type in ("LPAR", "LSQB"):
                open_ = (*open_, _Bracket(row, i, of_block and i == 2 and row.tokens[1].type == "NAME"))
            elif token.type in ("RPAR", "RSQB"):
                open_ = open_[:-1]
    return found


# --- gaps ---------------------------------------------------------------------------------------------------


def _gaps(row: Row, inside: list[tuple[_Bracket, ...]], before: Token | None) -> list[int]:
    """The blanks before each token of a row; `before` is the token that ends the line above."""
    gaps = [0] * len(row.tokens)
    for i in range(1, len(row.tokens)):
        left, sign = row.tokens[i - 2] if i > 1 else before, row.tokens[i - 1]
        unary = sign.type in ("PLUS", "MINUS") and left is not None and left.type not in _VALUES
        gaps[i] = 0 if unary else _gap(sign, row.tokens[i], inside[i])
    return gaps


def _gap(left: Token, right: Token, inside: tuple[_Bracket, ...]) -> int:
    """The blanks between two neighbours."""
    if left.type in ("LPAR", "LSQB") or right.type in ("RPAR", "RSQB", "COMMA", "SEMICOLON", "COLON"):
        return 0
    if right.type == "DOT":
        return int(left.type == "NUMBER")  # else it would be read as its decimal point
    if left.type == "COLON":
        return int(not inside)
    if "EQUAL" in (left.type, right.type):
        return int(not inside or inside[-1].of_block)
    if right.type in ("LPAR", "LSQB"):
        return int(left.type not in _VALUES)
    return int(left.type != "DOT")


# --- columns that line up -----------------------------------------------------------------------------------


def _line_up(rows: list[Row], at: Callable[[Row], tuple[str, int]]) -> None:
    """Pad one token of neighbouring statements of a kind to the same column;
    `at` says which kind and which token."""
    runs: list[list[Row]] = []
    last = ("", -1)
    for row in rows:
        if row.first and row.tokens:
            continue
        kind = (at(row)[0], row.depth)
        if kind == last and kind[0] and not row.blank:
            runs[-1].append(row)
        else:
            runs.append([row])
        last = kind
    for run in runs:
        places = [(row, at(row)[1]) for row in run if at(row)[0]]
        widest = max((row.columns()[i] for row, i in places), default=0)
        for row, i in places:
            row.pads[i] = widest - row.columns()[i]


def _head_at(row: Row) -> tuple[str, int]:
    declares = len(row.tokens) > 1 and row.tokens[0] in _HEADS and row.tokens[1].type == "NAME"
    return ("head" if declares else "", 1)


def _equal_at(row: Row) -> tuple[str, int]:
    """Bindings line up with bindings, declarations with their like."""
    equal = _outer_equal(row)
    if not equal or row.tokens[0].type != "NAME":
        return "", 0
    if row.tokens[1].type in ("EQUAL", "COMMA"):
        return "binding", equal
    declares = row.tokens[0] in _DECLARED_WITH_VALUE and row.tokens[1].type == "NAME"
    return (str(row.tokens[0]) if declares else ""), equal


def _outer_equal(row: Row) -> int:
    """Where the `=` of the statement stands in the row, or 0."""
    depth = 0
    for i, token in enumerate(row.tokens):
        depth += token.type in ("LPAR", "LSQB", "LBRACE")
        depth -= token.type in ("RPAR", "RSQB", "RBRACE")
        if token.type == "EQUAL" and depth == 0:
            return i
    return 0


def _linked_arrows(rows: list[Row], inside: _Inside) -> list[list[tuple[Row, int]]]:
    """The arrows that the author lined up by hand, from left to right."""
    groups: dict[tuple[int, int], list[tuple[Row, int]]] = {}
    for above, below in pairwise(rows):
        if below.blank or above.made or below.made:
            continue
        here, there = _arrows(above, inside), _arrows(below, inside)
        for column in here.keys() & there.keys():
            (i, padded), (j, also_padded) = here[column], there[column]
            if padded or also_padded:
                group = groups.setdefault((id(above), i), [(above, i)])
                group.append((below, j))
                groups[id(below), j] = group
    distinct = {id(group): group for group in groups.values()}
    return sorted(distinct.values(), key=lambda group: group[0][0].tokens[group[0][1]].column)


def _arrows(row: Row, inside: _Inside) -> dict[int, tuple[int, bool]]:
    """The arrows of a flow by their column in the source; with each its index,
    and whether it was moved right."""
    return {
        token.column: (i, token.start_pos - row.tokens[i - 1].end_pos > 1)
        for i, token in enumerate(row.tokens)
        if i and token.type == "ARROW" and not inside[id(row)][i]
    }


def _align(links: list[list[tuple[Row, int]]]) -> bool:
    """Bring the arrows of each group to one column; says whether anything moved."""
    moved = False
    for group in links:
        natural = [row.columns()[i] - row.pads.get(i, 0) for row, i in group]
        for (row, i), column in zip(group, natural, strict=True):
            pad = max(natural) - column
            moved = moved or pad != row.pads.get(i, 0)
            row.pads[i] = pad
    return moved


def _comment_columns(rows: list[Row]) -> dict[int, int]:
    """Where the comments behind code stand: where the author put them, if there is room."""
    columns: dict[int, int] = {}
    for column, run in groupby(
        rows, key=lambda row: row.comment_column if row.tokens and row.comment else -1
    ):
        if column < 0:
            continue
        together = list(run)
        least = max(row.columns()[-1] for row in together) + 2
        widest = max(len(row.comment) for row in together)
        place = max(column, least) if max(column, least) + widest <= WIDTH else least
        columns |= {id(row): place for row in together}
    return columns


# --- lines below the first ----------------------------------------------------------------------------------


def _indent_below(rows: list[Row], inside: _Inside) -> None:
    for row in rows:
        if row.first and row.tokens:
            row.indent = _indent(row, row.first, inside)


def _indent(row: Row, first: Row, inside: _Inside) -> int:
    """The indent of a line that continues a statement."""
    token, around = row.tokens[0], inside[id(row)][0]
    if around:
        bracket = around[-1]
        closes = token.type in ("RPAR", "RSQB")
        if bracket.ends_row:
            return bracket.row.indent + (0 if closes else INDENT)
        return bracket.row.columns()[bracket.at] + (0 if closes else 1)
    if token.type == "ELSE" and row.opens_body:
        return first.indent
    if token.type == "ARROW":
        return _indent_of_arrow(first, inside)
    return first.indent + INDENT


def _indent_of_arrow(first: Row, inside: _Inside) -> int:
    """Below the first arrow of a value; below the first step, where the value begins with a stage."""
    before = 0 if first.tokens[0].type == "RETURN" else _outer_equal(first) or -1  # `return` or `=`
    arrows = [i for i, token in enumerate(first.tokens) if token.type == "ARROW" and not inside[id(first)][i]]
    value = before + 1
    if before < 0 or not arrows or value >= arrows[0]:
        return first.indent + INDENT
    columns = first.columns()
    begins_with_call = first.tokens[value].type == "NAME" and first.tokens[value + 1].type == "LPAR"
    below = columns[value] - len("-> ") if begins_with_call else columns[arrows[0]]
    return max(below, first.indent + INDENT)


def _break(rows: list[Row], row: Row, inside: _Inside) -> bool:
    """Break a row that is too long, at its outermost arrows or commas; says whether that could be done."""
    if len(row.tokens) > MAX_BROKEN:
        return False
    around, columns = inside[id(row)], row.columns()
    places = []
    for i in range(1, len(row.tokens)):
        is_arrow = row.tokens[i].type == "ARROW"
        if is_arrow or row.tokens[i - 1].type in ("COMMA", "SEMICOLON"):
            end = columns[i - 1] + len(row.tokens[i - 1])
            fits = end <= WIDTH
            places.append((not fits, len(around[i]), not is_arrow, -i if fits else i))
    if not places:
        return False
    at = abs(min(places)[3])
    rest = Row(row.depth, row.tokens[at:], row.first or row, comment=row.comment, made=True)
    row.tokens, row.comment, row.made = row.tokens[:at], "", True
    rows.insert(rows.index(row) + 1, rest)
    return True
