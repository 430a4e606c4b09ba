"""Matching of brackets, and errors for unmatched ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.diagnostics.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Collection

    from dlc.compiler.parse.token import Token

MAX_NESTING = 100
MAX_LOOKAHEAD = 200  # tokens that are searched for the matching bracket on the same line

OPENERS = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}
CLOSERS = {closer: opener for opener, closer in OPENERS.items()}
SYMBOLS = {"LPAR": "(", "RPAR": ")", "LSQB": "[", "RSQB": "]", "LBRACE": "{", "RBRACE": "}"}
# Words that open a statement with a body.
HEADS = frozenset(
    {"if", "else", "for", "block", "net", "step", "phase", "data", "train", "export", "expect", "tune"}
)


@dataclass
class Paired:
    """The tokens, with a `{` inserted where it is certainly missing; the offsets of unmatched brackets, and
    their errors."""

    items: list[Token]
    errors: list[Diagnostic] = field(default_factory=list)
    unpaired: set[int] = field(default_factory=set)
    too_deep: bool = False


def match_brackets(items: list[Token], source: Source, open_string_lines: Collection[int]) -> Paired:
    """Match brackets and report unmatched ones. Lines with an unterminated string are not reported, because
    the string can contain the matching bracket."""
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
        self._insert_braces()
        open_: list[Token] = []
        for i, token in enumerate(self.found.items):
            if token.type in OPENERS:
                open_.append(token)
                if len(open_) > MAX_NESTING:
                    message = f"brackets are nested more than {MAX_NESTING} levels deep here"
                    self._report("E0104", token, message, "give names to the inner parts")
                    self.found.too_deep = True
                    return self.found
            elif token.type in CLOSERS:
                self._close(i, token, open_)
        self.unclosed += open_
        self._report_all()
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
        """Whether the matching bracket of an opener follows on the same line, after a wrong one."""
        level = 0
        for token in self.found.items[at + 1 : at + MAX_LOOKAHEAD]:
            if token.type == "NEWLINE":
                return False
            level += token.type == opener.type
            level -= token.type == OPENERS[opener.type]
            if level < 0:
                return True
        return False

    # --- missing `{` --------------------------------------------------------------------------------------

    def _insert_braces(self) -> None:
        """Insert a missing `{` after the head of a statement, if an unmatched `}` ends its body."""
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
        self.found.items = self._with_inserted(items, missing)

    def _with_inserted(self, items: list[Token], missing: list[tuple[int, Token]]) -> list[Token]:
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
            labels = (Label(place), Label(end, "this `}` has no `{`"))
            message = "a `{` is missing at the end of this line"
            self.found.errors.append(Diagnostic("E0103", message, labels, (), "write ` {`"))
        return [*made, *items[begin:]]

    # --- errors -------------------------------------------------------------------------------------------

    def _report(self, code: str, token: Token, message: str, help: str) -> None:
        place = Label(Span(self.source, token.start_pos, token.end_pos))
        self.found.errors.append(Diagnostic(code, message, (place,), (), help))

    def _report_all(self) -> None:
        for token in self.unclosed:
            if token.line not in self.open_string_lines:
                self._report("E0103", token, f"this `{token}` is never closed", self._missing(token))
        spare = [token.type for token in self.unclosed]
        for token in self.stray:
            if CLOSERS[token.type] in spare:  # in the wrong order: reported at the opener
                spare.remove(CLOSERS[token.type])
            else:
                opener = SYMBOLS[CLOSERS[token.type]]
                self._report("E0103", token, f"this `{token}` closes nothing", f"no `{opener}` is open here")
        for opener, closer in self.crossed:
            help = f"close it with `{SYMBOLS[OPENERS[opener.type]]}`"
            self._report("E0103", opener, f"this `{opener}` is closed by `{closer}`", help)

    def _missing(self, opener: Token) -> str:
        """The help for an unclosed bracket: where the closing one is probably missing."""
        closer = SYMBOLS[OPENERS[opener.type]]
        if opener.type == "LBRACE":
            margin = _indent(self.source.line(opener.line))
            for number in range(opener.line + 1, len(self.source.line_starts) + 1):
                text = self.source.line(number).strip()
                if text and not text.startswith("}") and _indent(self.source.line(number)) <= margin:
                    return f"a `{closer}` seems to be missing before line {number}"
        return f"a `{closer}` is missing"


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def closing_indices(items: list[Token], unpaired: Collection[int]) -> dict[int, int]:
    """By offset of each opening bracket: the token index of the closing one, or the end if there is none."""
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
