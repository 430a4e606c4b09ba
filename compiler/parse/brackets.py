"""Pairs of brackets among tokens, and what is said of those without a partner."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.diagnostics.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Collection

    from dlc.compiler.parse.token import Token

MAX_NESTING = 100
AHEAD = 200  # tokens that are looked through for a partner on the same line

OPENERS = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}
CLOSERS = {closer: opener for opener, closer in OPENERS.items()}
SIGNS = {"LPAR": "(", "RPAR": ")", "LSQB": "[", "RSQB": "]", "LBRACE": "{", "RBRACE": "}"}
# Words that open a statement with a body.
HEADS = frozenset(
    {"if", "else", "for", "block", "net", "step", "phase", "data", "train", "export", "expect", "tune"}
)


@dataclass
class Paired:
    """The tokens, with a `{` that is surely missing; the places of brackets without a partner, and what is
    said of them."""

    items: list[Token]
    errors: list[Diagnostic] = field(default_factory=list)
    unpaired: set[int] = field(default_factory=set)
    too_deep: bool = False


def pair(items: list[Token], source: Source, open_string_lines: Collection[int]) -> Paired:
    """Find the brackets without a partner. Nothing is said of those in the lines of strings without an end,
    which hide the partner."""
    return _Pairing(items, source, open_string_lines).run()


class _Pairing:
    def __init__(self, items: list[Token], source: Source, open_string_lines: Collection[int]) -> None:
        self.source = source
        self.open_string_lines = open_string_lines
        self.found = Paired(items)
        self.unclosed: list[Token] = []
        self.stray: list[Token] = []
        self.crossed: list[tuple[Token, Token]] = []

    def run(self) -> Paired:
        self._put_in_braces()
        open_: list[Token] = []
        for i, token in enumerate(self.found.items):
            if token.type in OPENERS:
                open_.append(token)
                if len(open_) > MAX_NESTING:
                    message = f"brackets are nested more than {MAX_NESTING} levels deep here"
                    self._tell("E0104", token, message, "give the inner parts names of their own")
                    self.found.too_deep = True
                    return self.found
            elif token.type in CLOSERS:
                self._close(i, token, open_)
        self.unclosed += open_
        self._tell_all()
        pairs = (token for both in self.crossed for token in both)
        self.found.unpaired = {token.start_pos for token in (*self.unclosed, *self.stray, *pairs)}
        return self.found

    def _close(self, at: int, token: Token, open_: list[Token]) -> None:
        if not any(t.type == CLOSERS[token.type] for t in open_):
            mixed = open_ and "BRACE" not in open_[-1].type + token.type
            if mixed and not self._closes_later(at, open_[-1]):
                self.crossed.append((open_.pop(), token))
            else:
                self.stray.append(token)
            return
        while open_[-1].type != CLOSERS[token.type]:
            self.unclosed.append(open_.pop())
        open_.pop()

    def _closes_later(self, at: int, opener: Token) -> bool:
        """Whether a bracket has its partner behind an odd one, on the same line."""
        level = 0
        for token in self.found.items[at + 1 : at + AHEAD]:
            if token.type == "NEWLINE":
                return False
            level += token.type == opener.type
            level -= token.type == OPENERS[opener.type]
            if level < 0:
                return True
        return False

    # --- a `{` that is missing ----------------------------------------------------------------------------

    def _put_in_braces(self) -> None:
        """Put in the `{` of a head whose body ends in a `}` that no other `{` opens."""
        items, level = self.found.items, 0
        heads: list[tuple[int, int]] = []  # the first and the last token of each head that lacks its `{`
        starts = 0  # the first token of the line
        missing: list[tuple[int, Token]] = []
        for i, token in enumerate(items):
            if token.type == "NEWLINE":
                if (
                    level == 0
                    and i > starts
                    and str(items[starts]) in HEADS
                    and items[i - 1].type != "LBRACE"
                ):
                    heads.append((starts, i - 1))
                starts = i + 1
            elif token.type == "LBRACE":
                level += 1
            elif token.type == "RBRACE" and level:
                level -= 1
            elif token.type == "RBRACE":
                margin = items[starts].column + (i != starts)
                while heads and items[heads[-1][0]].column >= margin + (i == starts):
                    heads.pop()
                if heads:
                    missing.append((heads.pop()[1], token))
        self.found.items = self._with_braces(items, missing)

    def _with_braces(self, items: list[Token], missing: list[tuple[int, Token]]) -> list[Token]:
        made: list[Token] = []
        begin = 0
        for at, closer in sorted(missing, key=lambda found: found[0]):
            last = items[at]
            brace = last.new_borrow_pos("LBRACE", "{", last)
            brace.start_pos = brace.end_pos = last.end_pos
            made += [*items[begin : at + 1], brace]
            begin = at + 1
            place, end = (Span(self.source, last.end_pos, last.end_pos),
                          Span(self.source, closer.start_pos, closer.end_pos))  # fmt: skip
            labels = (Label(place), Label(end, "this closes nothing else"))
            message = "a `{` is missing at the end of this line"
            self.found.errors.append(Diagnostic("E0103", message, labels, (), "write ` {`"))
        return [*made, *items[begin:]]

    # --- what is said -------------------------------------------------------------------------------------

    def _tell(self, code: str, token: Token, message: str, help: str) -> None:
        place = Label(Span(self.source, token.start_pos, token.end_pos))
        self.found.errors.append(Diagnostic(code, message, (place,), (), help))

    def _tell_all(self) -> None:
        for token in self.unclosed:
            if token.line not in self.open_string_lines:
                self._tell("E0103", token, f"this `{token}` is never closed", self._missing(token))
        spare = [token.type for token in self.unclosed]
        for token in self.stray:
            if CLOSERS[token.type] in spare:  # put in the wrong order: told at the opener
                spare.remove(CLOSERS[token.type])
            else:
                opener = SIGNS[CLOSERS[token.type]]
                self._tell("E0103", token, f"this `{token}` closes nothing", f"no `{opener}` is open here")
        for opener, closer in self.crossed:
            help = f"close it with `{SIGNS[OPENERS[opener.type]]}`"
            self._tell("E0103", opener, f"this `{opener}` is closed by `{closer}`", help)

    def _missing(self, opener: Token) -> str:
        """Where the partner of a bracket may be missing."""
        closer = SIGNS[OPENERS[opener.type]]
        if opener.type == "LBRACE":
            margin = _indent(self.source.line(opener.line))
            for number in range(opener.line + 1, len(self.source.line_starts) + 1):
                text = self.source.line(number).strip()
                if text and not text.startswith("}") and _indent(self.source.line(number)) <= margin:
                    return f"a `{closer}` seems to be missing before line {number}"
        return f"a `{closer}` is missing"


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def partners(items: list[Token], unpaired: Collection[int]) -> dict[int, int]:
    """Leads from the place of an opening bracket to the index of its partner, or to the end without one."""
    pairs: dict[int, int] = {}
    open_: list[Token] = []
    for i, token in enumerate(items):
        if token.type in OPENERS:
            open_.append(token)
        elif token.type in CLOSERS and token.start_pos not in unpaired:
            while (opener := open_.pop()).type != CLOSERS[token.type]:
                pairs[opener.start_pos] = i
            pairs[opener.start_pos] = i
    return pairs | {token.start_pos: len(items) for token in open_}
