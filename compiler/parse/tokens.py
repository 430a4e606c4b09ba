"""From text to the tokens that statements are made of: brackets paired, newlines that end nothing dropped."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, cast

from dlc.compiler.diagnostics import confusables
from dlc.compiler.diagnostics.diagnostic import Label
from dlc.compiler.diagnostics.quoting import shorten
from dlc.compiler.diagnostics.source import Source, Span
from dlc.compiler.parse import brackets
from dlc.compiler.parse.brackets import CLOSERS, HEADS, OPENERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    import lark

    from dlc.compiler.diagnostics.problems import Problems
    from dlc.compiler.parse.token import Token


MAX_TEXT = 1_000_000
MAX_TOKENS = 100_000
MAX_NAME = 200
MAX_PROBLEMS = 100
MAX_MARKS = 20  # places of one sign in a line that are marked

SECTIONS = frozenset({"data", "train", "export", "expect", "tune"})
DECLARATIONS = frozenset({"import", "param", "input", "output", "weight", "block", "net", "step", "phase"})
OPERATORS = frozenset(
    {"PLUS", "MINUS", "STAR", "SLASH", "FLOOR", "PERCENT", "AT", "POWER", "COMPARE", "AND", "OR"}
)
RESERVED = frozenset({"IF", "ELSE", "FOR", "IN", "RETURN", "AND", "OR", "NOT", "TRUE", "FALSE", "NONE", "AS"})
GOES_ON_AFTER = OPERATORS | {"ARROW", "EQUAL", "COMMA"}
GOES_ON_BEFORE = OPERATORS | {"ARROW", "ELSE"}

# How lines begin that may be copied along with a spec.
_PASTED = re.compile(r"^(?:[ \t]*(?:`{3}|~{3}|[0-9])|-(?!>)|[<+@!$%>]|(?:In|Out) ?\[)", re.MULTILINE)
_UNSEEN = re.compile("[\0-\x08\x0b\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class TooMuch(Exception):
    """The text is past a bound, which has been reported; nothing more is read of it."""


@dataclass
class Tokens:
    """The tokens of a text without its comments.

    `pairs` leads from the place of an opening bracket to the index of its partner (the end where it has
    none); `broken` holds the places of tokens whose statement cannot be read, since the error is told
    already.
    """

    items: list[Token]
    comments: list[Token]
    pairs: dict[int, int]
    broken: set[int]


def tokenize(parser: lark.Lark, source: Source, problems: Problems) -> Tokens:
    """Split a text into tokens and report what no statement can hold."""
    return _Tokenizer(parser, source, problems).run()


class _Tokenizer:
    def __init__(self, parser: lark.Lark, source: Source, problems: Problems) -> None:
        self.parser = parser
        self.source = source
        self.problems = problems
        self.comments: list[Token] = []
        self.broken: set[int] = set()
        self.open_string_lines: set[int] = set()
        self.signs: dict[tuple[int, str], list[Token]] = {}  # of other languages, and spaces, by their line

    def run(self) -> Tokens:
        self._check_text()
        items = self._without_percents(list(self._words()))
        self._report_signs()
        found = brackets.pair(items, self.source, self.open_string_lines)
        for diagnostic in found.errors[: MAX_PROBLEMS - len(self.problems.found)]:
            self.problems.add(diagnostic)
        if found.too_deep:
            raise TooMuch
        self.broken |= found.unpaired
        items = self._without_idle_newlines(found.items, found.unpaired)
        return Tokens(items, self.comments, brackets.partners(items, found.unpaired), self.broken)

    def report(
        self, code: str, token: Token, message: str, help: str = "", more: Iterable[Label] = ()
    ) -> None:
        if len(self.problems.found) < MAX_PROBLEMS:
            self.problems.report(code, span_of(self.source, token), message, help=help, more=more)

    # --- single tokens --------------------------------------------------------------------------------------

    def _check_text(self) -> None:
        text = self.source.text
        if len(text) > MAX_TEXT:
            place = Span(self.source, MAX_TEXT, MAX_TEXT + 1)
            self.problems.report("E0104", place, f"this text is longer than {MAX_TEXT:_} characters")
            raise TooMuch
        unseen_ones = list(_UNSEEN.finditer(text))
        for unseen in unseen_ones[:MAX_PROBLEMS]:
            message = f"the character U+{ord(unseen[0]):04X} cannot stand in a spec"
            self.problems.report("E0101", Span(self.source, *unseen.span()), message)
        if unseen_ones:
            raise TooMuch

    def _own_text(self) -> str:
        """The text, with blanks in place of what was copied along with it."""
        if not _PASTED.search(self.source.text):
            return self.source.text
        from dlc.compiler.parse import pasted_text

        return pasted_text.without(self.source, self.problems)

    def _words(self) -> Iterable[Token]:
        """The tokens as the grammar has them, those that it does not know replaced by what is meant."""
        reader = self.parser.parse_interactive(self._own_text(), start="statement")
        words = cast("Iterable[Token]", reader.lexer_thread.lex(reader.parser_state))
        for count, token in enumerate(words):
            if count >= MAX_TOKENS:
                self.report("E0104", token, f"this text has more than {MAX_TOKENS:_} words and signs")
                raise TooMuch
            if token.type == "COMMENT":
                self.comments.append(token)
            elif token.type not in _CHECKS:
                yield token
            elif (checked := _CHECKS[token.type](self, token)) is not None:
                yield checked

    def _name(self, token: Token) -> Token:
        if len(token) > MAX_NAME:
            self.report("E0104", token, f"this name is longer than {MAX_NAME} characters")
        if not token.isascii():
            return self._foreign_name(token)
        return token

    def _foreign_name(self, token: Token) -> Token:
        plain = confusables.compatible(token)
        if not token.isidentifier():
            self.broken.add(token.start_pos)
            power = re.fullmatch(r"([^\W\d]\w*?)[²³]", token)
            help = f"a power is written `**`: `{power[1]} ** {plain[-1]}`" if power else _NAMES
            self.report(
                "E0101", token, f"`{shorten(token)}` holds a character that cannot stand in a name", help
            )
        elif plain != token:
            odd = "".join(c for c in token if c not in plain)
            fix = f"write `{plain}`: " if len(plain) <= MAX_NAME else ""
            self.report("E0101", token, f"`{shorten(token)}` is not written in plain letters",
                        f"{fix}it holds {confusables.foreign_letters(odd)}")  # fmt: skip
            return retyped(
                token, plain.upper() if plain.upper() in RESERVED and plain.islower() else "NAME", plain
            )
        return token

    def _open_string(self, token: Token) -> Token:
        if len(token) > 1 and token[-1] in "\u201c\u201d\u201e":
            return self._curly(token)
        self.open_string_lines.add(token.line)
        help = 'close it with `"` on the same line; `\\n` stands for a newline in it'
        self.report("E0105", token, "this string has no end", help)
        return retyped(token, "STRING", token.rstrip("\\") + '"')

    def _quoted(self, token: Token) -> Token:
        inside = token[1:].removesuffix("'").replace('"', '\\"')
        if not token.endswith("'") or len(token) == 1:
            self.open_string_lines.add(token.line)
        help = f'write `"{inside}"`' if len(inside) <= 40 else ""
        self.report("E0105", token, "strings stand in double quotes", help)
        plain = token.strip("'").replace("\\", "").replace('"', "")
        return retyped(token, "STRING", f'"{plain}"')

    def _curly(self, token: Token) -> Token:
        inside = token.removeprefix("&quot;").removesuffix("&quot;") if token[0] == "&" else token[1:-1]
        inside = inside.replace("\\", "")
        help = f'write `"{inside}"`' if len(inside) <= 40 else 'a plain double quote is `"`'
        self.report("E0105", token, "strings stand in plain double quotes", help)
        return retyped(token, "STRING", f'"{inside}"')

    def _bad_number(self, token: Token) -> Token:
        self.report("E0105", token, f"`{shorten(token)}` is not a number", confusables.number_help(token))
        meant = confusables.number(token)
        if not meant:
            self.broken.add(token.start_pos)
        return retyped(token, "NUMBER", meant or "1")

    def _no_comment(self, token: Token) -> None:
        """What is a comment elsewhere is passed over."""
        opener = token[:2] if token.startswith("/") else token[:3]
        place = retyped(token, token.type, opener)
        place.end_pos = token.start_pos + len(opener)
        help = "write `#`" if opener == "//" else "a comment begins with `#`, on each of its lines"
        self.report("E0101", place, f"`{opener}` begins no comment", help)

    def _unexpected(self, token: Token) -> Token | None:
        """The token that is meant by a sign; the statement tells of one that is meant for none."""
        if token[0].isdigit():  # `64 => 32`
            help = "leave it out: how many flow in is known"
            self.report("E0101", token, f"`{shorten(token)}` means nothing here", help)
            return None
        if meant := confusables.meant(token):
            self.signs.setdefault((token.line, str(token)), []).append(token)
            return retyped(token, meant[1], meant[0])
        if confusables.is_space(token):
            self.signs.setdefault((token.line, str(token)), []).append(token)
            return None
        return token

    def _report_signs(self) -> None:
        """What is meant by the signs of other languages, each told once a line."""
        for (_, sign), found in self.signs.items():
            written = f"`{sign}`" if sign.isascii() or len(sign) > 1 else confusables.named(sign)
            more = [Label(span_of(self.source, token)) for token in found[1:MAX_MARKS]]
            if meant := confusables.meant(sign):
                self.report("E0101", found[0], f"{written} means nothing here", f"write `{meant[0]}`", more)
            else:
                message = f"this space is not a plain one: {written}"
                self.report("E0101", found[0], message, "put a plain space in its place", more)

    def _without_percents(self, items: list[Token]) -> list[Token]:
        """`15%` as the number that it means, where nothing follows that could be divided by."""
        kept: list[Token] = []
        for i, token in enumerate(items):
            before = kept[-1] if kept else token
            close = before.type == "NUMBER" and before.end_pos == token.start_pos and len(before) < 20
            if token.type == "PERCENT" and close and _ends_value(items, i):
                number = f"{float(before) / 100:.10g}"
                written = retyped(before, "NUMBER", number)
                written.end_pos = token.end_pos
                self.report("E0105", written, f"`{before}%` is not a number", f"write `{number}`")
                kept[-1] = written
            else:
                kept.append(token)
        return kept

    # --- brackets and newlines ------------------------------------------------------------------------------

    def _without_idle_newlines(self, items: list[Token], unpaired: set[int]) -> list[Token]:
        """Drop the newlines that end no statement, and fix `;` at the end of one."""
        kept: list[Token] = []
        open_: list[str] = []
        torn_lines = {token.line for token in items if token.start_pos in unpaired}
        followers = _next_words(items)
        opened = _statements_opened(items)
        for i, (token, follower) in enumerate(zip(items, followers, strict=True)):
            if token.type in OPENERS and token.start_pos not in unpaired:
                open_.append(token.type)
            elif token.type in CLOSERS and token.start_pos not in unpaired:
                while open_.pop() != CLOSERS[token.type]:
                    pass
            elif token.type == "SEMICOLON" and token.line not in torn_lines and _ends_statement(kept, open_):
                ends = i + 1 == len(items) or items[i + 1].type in ("NEWLINE", "RBRACE")
                message = "a statement ends with its line, not with `;`"
                self.report(
                    "E0102", token, message, "leave it out" if ends else "put a new line in its place"
                )
                token = retyped(token, "NEWLINE", "\n")
            elif token.type == "NEWLINE" and follower == "LBRACE" and _awaits_body(kept, open_):
                message = "a `{` stands at the end of the line that it belongs to"
                if items[i - 1].type != "NEWLINE":
                    self.report("E0102", token, message, "move the `{` of the next line here")
                continue
            ends = token.type == "NEWLINE" and _ends_statement(kept, open_, torn=i in opened)
            if token.type != "NEWLINE" or (ends and follower not in GOES_ON_BEFORE):
                kept.append(token)
        return kept


def _ends_value(items: list[Token], at: int) -> bool:
    """Whether what follows a sign cannot be its right side: the line ends, and the next one begins anew."""
    behind = [t for t in items[at + 1 : at + 20] if t.type != "NEWLINE"]
    if not behind or behind[0].type in (*CLOSERS, "COMMA", "ARROW", "IF", "ELSE", "FOR", "RETURN"):
        return True
    if behind[0].line == items[at].line or behind[0].type != "NAME":
        return False
    first, second, *_ = (*behind, behind[0])
    if second.type in ("EQUAL", "COLON", "LBRACE", "NAME"):
        return True
    compared = [any(t.type == "COMPARE" and t.line == line for t in (*items[max(0, at - 20) : at], *behind))
                for line in (items[at].line, first.line)]  # fmt: skip
    return all(compared)


def _ends_statement(kept: list[Token], open_: list[str], *, torn: bool = False) -> bool:
    """Whether a statement can end after what was kept, in these brackets; a `torn` one ends anyway."""
    inside = bool(open_) and open_[-1] != "LBRACE"
    unfinished = {"NEWLINE"} if torn else GOES_ON_AFTER | {"NEWLINE"}
    return not inside and bool(kept) and kept[-1].type not in unfinished


def _statements_opened(items: list[Token]) -> set[int]:
    """The newlines before words that surely open a section or a declaration, whatever stands before."""
    opened: set[int] = set()
    last = 0
    for i, (token, follower) in enumerate(pairwise(items)):
        if token.type == "NEWLINE":
            last = i if i == 0 or items[i - 1].type != "NEWLINE" else last
        elif i and items[i - 1].type == "NEWLINE" and token.type == "NAME":
            section = str(token) in SECTIONS and follower.type == "LBRACE"
            declared = str(token) in DECLARATIONS and follower.type == "NAME"
            opened.update({last} if section or declared else ())
    return opened


def _awaits_body(kept: list[Token], open_: list[str]) -> bool:
    """Whether a `{` on the next line can belong to the statement that was kept."""
    if not _ends_statement(kept, open_) or kept[-1].type in ("LBRACE", "RBRACE"):
        return False
    begin = next(
        (i for i in range(len(kept) - 1, -1, -1) if kept[i].type in ("NEWLINE", "LBRACE", "RBRACE")), -1
    )
    return str(kept[begin + 1]) in HEADS


def _next_words(items: list[Token]) -> list[str]:
    """For each token the type of the next one that is no newline."""
    following = ""
    types = []
    for token in reversed(items):
        types.append(following)
        if token.type != "NEWLINE":
            following = token.type
    return types[::-1]


# --- wording ------------------------------------------------------------------------------------------------

_NAMES = "names are made of letters, digits and `_`"


def retyped(token: Token, type: str, text: str) -> Token:
    """Another token at the same place."""
    return token.new_borrow_pos(type, text, token)


def span_of(source: Source, token: Token) -> Span:
    return Span(source, token.start_pos, token.end_pos)


_CHECKS = {
    "NAME": _Tokenizer._name,
    "OPEN_STRING": _Tokenizer._open_string,
    "QUOTED": _Tokenizer._quoted,
    "CURLY": _Tokenizer._curly,
    "BAD_NUMBER": _Tokenizer._bad_number,
    "POINT_NUMBER": _Tokenizer._bad_number,
    "NO_COMMENT": _Tokenizer._no_comment,
    "FOREIGN": _Tokenizer._unexpected,
    "UNEXPECTED": _Tokenizer._unexpected,
}
