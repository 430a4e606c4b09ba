"""Layout of a formatted spec: spaces, indentation, aligned columns and breaks of long lines."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from dlc.compiler.format.token_lines import WIDTH, Row, brackets

if TYPE_CHECKING:
    from collections.abc import Callable

    from dlc.compiler.format.token_lines import Bracket, Inside
    from dlc.compiler.parse.token import Token

INDENT = 2

_VALUES = frozenset({"NAME", "NUMBER", "STRING", "TRUE", "FALSE", "NONE", "RPAR", "RSQB", "ELLIPSIS"})
_HEADS = frozenset({"input", "output"})
_DECLARED_WITH_VALUE = frozenset({"param", "weight", "output"})


def arrange(rows: list[Row]) -> tuple[str, set[int]]:
    """The rows as text; or the offset of each `{` whose body does not fit on its line."""
    inside = brackets(rows)
    while True:
        _place(rows, inside)
        # statements with aligned arrows: they can move if an aligned line is broken
        aligned = {id(row.first or row) for row in rows if row.moves_arrows}
        braces = [(row, brace) for row in rows if row.is_long and (brace := _first_brace(row)) is not None]
        if braces:
            free = {brace for row, brace in braces if id(row.first or row) not in aligned}
            return "", free or {braces[0][1]}
        made = _shortened(rows, inside, aligned)
        if len(made) == len(rows):
            return _text(rows), set()
        rows = made


def _shortened(rows: list[Row], inside: Inside, aligned: set[int]) -> list[Row]:
    """The rows, with long ones broken. Rows of the same statement below a broken one are indented again
    before they are checked. Statements in `tied` are broken once per call."""
    made: list[Row] = []
    broken: set[int] = set()
    for row in rows:
        statement = id(row.first or row)
        if row.first and row.tokens and statement in broken:
            row.indent = _indent(row.tokens[0], inside[id(row)][0], row.first, inside, row.opens_body)
        pieces = _break(row, inside, once=statement in aligned) if row.is_long else [row]
        if len(pieces) > 1 and statement not in aligned:
            broken.add(statement)
        made += pieces
    return made


def _first_brace(row: Row) -> int | None:
    """The offset of the first `{` of the row that is not its last token."""
    return next((token.start_pos for token in row.tokens[:-1] if token.type == "LBRACE"), None)


def _text(rows: list[Row]) -> str:
    comments = _comment_columns(rows)
    lines: list[str] = []
    for row in rows:
        lines += [""] * row.blank
        lines.append((row.text().ljust(comments.get(id(row), 0)) + row.comment).rstrip())
    return "".join(f"{line}\n" for line in lines)


def _place(rows: list[Row], inside: Inside) -> None:
    """Set the spaces, padding and indentation of all rows."""
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
    for row in reversed(rows):  # a comment inside a statement is indented as the line below it
        if not row.tokens and row.first:
            row.indent = below
        below = row.indent


# --- spaces -------------------------------------------------------------------------------------------------


def _gaps(row: Row, inside: list[tuple[Bracket, ...]], before: Token | None) -> list[int]:
    """The spaces before each token of a row; `before` is the last token of the line above."""
    gaps = [0] * len(row.tokens)
    for i in range(1, len(row.tokens)):
        left, symbol = row.tokens[i - 2] if i > 1 else before, row.tokens[i - 1]
        unary = symbol.type in ("PLUS", "MINUS") and left is not None and left.type not in _VALUES
        gaps[i] = 0 if unary else _gap(symbol, row.tokens[i], inside[i])
    return gaps


def _gap(left: Token, right: Token, inside: tuple[Bracket, ...]) -> int:
    """The spaces between two adjacent tokens."""
    if left.type in ("LPAR", "LSQB") or right.type in ("RPAR", "RSQB", "COMMA", "SEMICOLON"):
        return 0
    if right.type == "COLON":
        return int(left.type == "COMMA")
    if right.type == "DOT":
        return int(left.type == "NUMBER")  # without a space it would be a decimal point
    if left.type == "COLON":
        return int(not inside)
    if "EQUAL" in (left.type, right.type):
        return int(not inside or inside[-1].of_block)
    if right.type in ("LPAR", "LSQB"):
        return int(left.type not in _VALUES)
    return int(left.type != "DOT")


# --- aligned columns ----------------------------------------------------------------------------------------


def _line_up(rows: list[Row], at: Callable[[Row], tuple[str, int]]) -> None:
    """Align one token of adjacent statements of the same kind; `at` returns the kind and the token index."""
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
    """Bindings are aligned with bindings, and declarations with declarations of the same keyword."""
    equal = _outer_equal(row)
    if not equal or row.tokens[0].type != "NAME":
        return "", 0
    if row.tokens[1].type in ("EQUAL", "COMMA"):
        return "binding", equal
    declares = row.tokens[0] in _DECLARED_WITH_VALUE and row.tokens[1].type == "NAME"
    return (str(row.tokens[0]) if declares else ""), equal


def _outer_equal(row: Row) -> int:
    """The index of the `=` of the statement in the row, or 0."""
    depth = 0
    for i, token in enumerate(row.tokens):
        depth += token.type in ("LPAR", "LSQB", "LBRACE")
        depth -= token.type in ("RPAR", "RSQB", "RBRACE")
        if token.type == "EQUAL" and depth == 0:
            return i
    return 0


def _linked_arrows(rows: list[Row], inside: Inside) -> list[list[tuple[Row, int]]]:
    """Groups of arrows that the author aligned by hand, from left to right."""
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


def _arrows(row: Row, inside: Inside) -> dict[int, tuple[int, bool]]:
    """The arrows of a flow by source column: token index, and whether there are extra spaces before it."""
    return {
        token.column: (i, token.start_pos - row.tokens[i - 1].end_pos > 1)
        for i, token in enumerate(row.tokens)
        if i and token.type == "ARROW" and not inside[id(row)][i]
    }


def _align(links: list[list[tuple[Row, int]]]) -> bool:
    """Align the arrows of each group. Returns whether anything moved."""
    columns = {id(row): row.columns() for group in links for row, _ in group}
    shifts = dict.fromkeys(columns, 0)  # by row: the shift caused by earlier groups
    moved = False
    for group in links:
        natural = [columns[id(row)][i] + shifts[id(row)] - row.pads.get(i, 0) for row, i in group]
        widest = max(natural)
        for (row, i), column in zip(group, natural, strict=True):
            more = widest - column - row.pads.get(i, 0)
            moved = moved or more != 0
            shifts[id(row)] += more
            row.pads[i] = widest - column
    return moved


def _comment_columns(rows: list[Row]) -> dict[int, int]:
    """The columns of comments after code: as in the source, if they fit."""
    columns: dict[int, int] = {}
    for column, run in groupby(
        rows, key=lambda row: row.comment_column if row.tokens and row.comment else -1
    ):
        if column < 0:
            continue
        together = list(run)
        minimum = max(row.columns()[-1] for row in together) + 2
        widest = max(len(row.comment) for row in together)
        place = max(column, minimum) if max(column, minimum) + widest <= WIDTH else minimum
        columns |= {id(row): place for row in together}
    return columns


# --- continuation lines -------------------------------------------------------------------------------------


def _indent_below(rows: list[Row], inside: Inside) -> None:
    for row in rows:
        if row.first and row.tokens:
            row.indent = _indent(row.tokens[0], inside[id(row)][0], row.first, inside, row.opens_body)


def _indent(token: Token, around: tuple[Bracket, ...], first: Row, inside: Inside, opens_body: bool) -> int:
    """The indentation of a continuation line that begins with this token, inside of these brackets."""
    if around:
        bracket = around[-1]
        closes = token.type in ("RPAR", "RSQB")
        if bracket.ends_row:
            return bracket.row.indent + (0 if closes else INDENT)
        return bracket.row.columns()[bracket.at] + (0 if closes else 1)
    if token.type == "ELSE" and opens_body:
        return first.indent
    if token.type == "ARROW":
        return _indent_of_arrow(first, inside)
    return first.indent + INDENT


def _indent_of_arrow(first: Row, inside: Inside) -> int:
    """Aligned with the first arrow of the value; or with its first step, if that is a stage."""
    before = 0 if first.tokens[0].type == "RETURN" else _outer_equal(first) or -1  # `return` or `=`
    arrows = [i for i, token in enumerate(first.tokens) if token.type == "ARROW" and not inside[id(first)][i]]
    value = before + 1
    if before < 0 or not arrows or value >= arrows[0]:
        return first.indent + INDENT
    columns = first.columns()
    begins_with_call = first.tokens[value].type == "NAME" and first.tokens[value + 1].type == "LPAR"
    below = columns[value] - len("-> ") if begins_with_call else columns[arrows[0]]
    return max(below, first.indent + INDENT)


def _break(row: Row, inside: Inside, *, once: bool) -> list[Row]:
    """A long row as several rows, broken at its outermost arrows or commas, if there are any. The rest after
    a break is broken again, unless `once`."""
    whole, around, first = replace(row), inside[id(row)], row.first or row
    breaks, pieces = _Breaks(whole.tokens, around), [row]
    ends, plain = row.ends(), replace(row, indent=0, pads={}).ends()
    begin, shift = 0, 0
    while ends[-1] + shift > WIDTH and not (once and begin):
        at = breaks.choose(begin, ends, WIDTH - shift)
        if at is None:
            break
        _move_tokens(pieces[-1], whole, begin, at, inside, around)
        indent = _indent(whole.tokens[at], around[at], first, inside, whole.opens_body)
        pieces.append(Row(row.depth, [], first, made=True, indent=indent))
        begin, ends, shift = at, plain, indent + len(whole.tokens[at]) - plain[at]
    if len(pieces) > 1:
        _move_tokens(pieces[-1], whole, begin, len(whole.tokens), inside, around)
        row.comment, pieces[-1].comment, row.made = "", whole.comment, True
    return pieces


def _move_tokens(
    piece: Row, whole: Row, begin: int, end: int, inside: Inside, around: list[tuple[Bracket, ...]]
) -> None:
    """Move the tokens from `begin` to `end` of a row to a piece."""
    piece.tokens, piece.gaps = whole.tokens[begin:end], [0, *whole.gaps[begin + 1 : end]]
    piece.opens = {i - begin: whole.opens[i] for i in range(begin, end) if i in whole.opens}
    for at, bracket in piece.opens.items():
        bracket.row, bracket.at = piece, at
    inside[id(piece)] = around[begin:end]


class _Breaks:
    """Possible breaks of a row: before arrows and after commas. The outermost are preferred, then arrows."""

    def __init__(self, tokens: list[Token], around: list[tuple[Bracket, ...]]) -> None:
        self.at = [
            i
            for i in range(1, len(tokens))
            if tokens[i].type == "ARROW" or tokens[i - 1].type in ("COMMA", "SEMICOLON")
        ]
        self.ranks = [(len(around[i]), tokens[i].type != "ARROW") for i in self.at]
        self.best = list(range(len(self.at)))  # for each index the first best break from there on
        for k in reversed(range(len(self.at) - 1)):
            if self.ranks[self.best[k + 1]] < self.ranks[k]:
                self.best[k] = self.best[k + 1]

    def choose(self, begin: int, ends: list[int], most: int) -> int | None:
        """The last best break such that the tokens from `begin` to it end within `most` columns; otherwise
        the first best break."""
        start = found = bisect_right(self.at, begin)
        for k in range(start, len(self.at)):
            if ends[self.at[k] - 1] > most:
                break
            found = k if self.ranks[k] <= self.ranks[found] else found
        else:
            return self.at[found] if start < len(self.at) else None
        return self.at[found if ends[self.at[found] - 1] <= most else self.best[start]]
