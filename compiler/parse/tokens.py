"""The tokenizer: tokens with matched brackets, without comments and without newlines inside of statements."""

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
MAX_MARKS = 20  # marked occurrences of one symbol in a line

SECTIONS = frozenset({"data", "train", "export", "expect", "tune"})
DECLARATIONS = frozenset({"import", "param", "input", "output", "weight", "block", "net", "step", "phase"})
OPERATORS = frozenset(
    {"PLUS", "MINUS", "STAR", "SLASH", "FLOOR", "PERCENT", "AT", "POWER", "COMPARE", "AND", "OR"}
)
RESERVED = frozenset({"IF", "ELSE", "FOR", "IN", "RETURN", "AND", "OR", "NOT", "TRUE", "FALSE", "NONE", "AS"})
CONTINUES_AFTER = OPERATORS | {"ARROW", "EQUAL", "COMMA"}
CONTINUES_BEFORE = OPERATORS | {"ARROW", "ELSE"}

# Possible beginnings of lines that `pasted_text` checks.
_PASTED = re.compile(r"^(?:[ \t]*(?:`{3}|~{3}|[0-9])|-(?!>)|[<+@!$%>]|(?:In|Out) ?\[)", re.MULTILINE)
_INVISIBLE = re.compile("[\0-\x08\x0b\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class LimitExceeded(Exception):
    """The text exceeds a limit, which is already reported; parsing stops."""


@dataclass
class Tokens:
    """The tokens of a text without its comments.

    `pairs` has the index of the closing bracket (or the end) by the offset of the opening one. `broken` has
    the offsets of tokens with a reported error; their statements are skipped.
    """

    items: list[Token]
    comments: list[Token]
    pairs: dict[int, int]
    broken: set[int]


def tokenize(parser: lark.Lark, source: Source, problems: Problems) -> Tokens:
    """Split a text into tokens, and report invalid ones."""
    return _Tokenizer(parser, source, problems).run()


class _Tokenizer:
    def __init__(self, parser: lark.Lark, source: Source, problems: Problems) -> None:
        self.parser = parser
        self.source = source
        self.problems = problems
        self.comments: list[Token] = []
        self.broken: set[int] = set()
        self.open_string_lines: set[int] = set()
        self.symbols: dict[tuple[int, str], list[Token]] = {}  # foreign symbols and spaces, by line and text

    def run(self) -> Tokens:
        self._check_text()
        items = self._without_percents(list(self._words()))
        self._report_symbols()
        found = brackets.match_brackets(items, self.source, self.open_string_lines)
        for diagnostic in found.errors[: MAX_PROBLEMS - len(self.problems.found)]:
            self.problems.add(diagnostic)
        if found.too_deep:
            raise LimitExceeded
        self.broken |= found.unpaired
        items = self._without_inner_newlines(found.items, found.unpaired)
        return Tokens(items, self.comments, brackets.closing_indices(items, found.unpaired), self.broken)

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
            raise LimitExceeded
        invisible = list(_INVISIBLE.finditer(text))
        for match in invisible[:MAX_PROBLEMS]:
            message = f"the character U+{ord(match[0]):04X} is not allowed in a spec"
            self.problems.report("E0101", Span(self.source, *match.span()), message)
        if invisible:
            raise LimitExceeded

    def _own_text(self) -> str:
        """The text, with spaces in place of text that was copied along with it."""
        if not _PASTED.search(self.source.text):
            return self.source.text
        from dlc.compiler.parse import pasted_text

        return pasted_text.remove_pasted(self.source, self.problems)

    def _words(self) -> Iterable[Token]:
        """The tokens of the lexer; unknown ones are reported and replaced by their equivalents."""
        reader = self.parser.parse_interactive(self._own_text(), start="statement")
        words = cast("Iterable[Token]", reader.lexer_thread.lex(reader.parser_state))
        for count, token in enumerate(words):
            if count >= MAX_TOKENS:
                self.report("E0104", token, f"this text has more than {MAX_TOKENS:_} tokens")
                raise LimitExceeded
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
                "E0101", token, f"`{shorten(token)}` contains a character that a name cannot have", help
            )
        elif plain != token:
            odd = "".join(c for c in token if c not in plain)
            fix = f"write `{plain}`: " if len(plain) <= MAX_NAME else ""
            self.report("E0101", token, f"`{shorten(token)}` is not written in plain letters",
                        f"{fix}it contains {confusables.non_ascii_letters(odd)}")  # fmt: skip
            return retyped(
                token, plain.upper() if plain.upper() in RESERVED and plain.islower() else "NAME", plain
            )
        return token

    def _open_string(self, token: Token) -> Token:
        if len(token) > 1 and token[-1] in "\u201c\u201d\u201e":
            return self._curly(token)
        self.open_string_lines.add(token.line)
        help = 'close it with `"` on the same line; a newline in it is written `\\n`'
        self.report("E0105", token, "this string is not closed", help)
        return retyped(token, "STRING", token.rstrip("\\") + '"')

    def _quoted(self, token: Token) -> Token:
        inside = token[1:].removesuffix("'").replace('"', '\\"')
        if not token.endswith("'") or len(token) == 1:
            self.open_string_lines.add(token.line)
        help = f'write `"{inside}"`' if len(inside) <= 40 else ""
        self.report("E0105", token, "strings are written in double quotes", help)
        plain = token.strip("'").replace("\\", "").replace('"', "")
        return retyped(token, "STRING", f'"{plain}"')

    def _curly(self, token: Token) -> Token:
        inside = token.removeprefix("&quot;").removesuffix("&quot;") if token[0] == "&" else token[1:-1]
        inside = inside.replace("\\", "")
        help = f'write `"{inside}"`' if len(inside) <= 40 else 'a plain double quote is `"`'
        self.report("E0105", token, "strings are written in plain double quotes", help)
        return retyped(token, "STRING", f'"{inside}"')

    def _bad_number(self, token: Token) -> Token:
        self.report("E0105", token, f"`{shorten(token)}` is not a number", confusables.number_help(token))
        meant = confusables.corrected_number(token)
        if not meant:
            self.broken.add(token.start_pos)
        return retyped(token, "NUMBER", meant or "1")

    def _foreign_comment(self, token: Token) -> None:
        """Report and skip a comment of another language."""
        opener = token[:2] if token.startswith("/") else token[:3]
        place = retyped(token, token.type, opener)
        place.end_pos = token.start_pos + len(opener)
        help = "write `#`" if opener == "//" else "a comment begins with `#`, on each of its lines"
        self.report("E0101", place, f"`{opener}` does not begin a comment", help)

    def _unexpected(self, token: Token) -> Token | None:
        """The equivalent of a foreign symbol. Without one, the token is kept; its statement has the error."""
        if token[0].isdigit():  # `64 => 32`
            help = "leave it out: the size of the input is known"
            self.report("E0101", token, f"`{shorten(token)}` means nothing here", help)
            return None
        if meant := confusables.equivalent(token):
            self.symbols.setdefault((token.line, str(token)), []).append(token)
            return retyped(token, meant[1], meant[0])
        if confusables.is_space(token):
            self.symbols.setdefault((token.line, str(token)), []).append(token)
            return None
        return token

    def _report_symbols(self) -> None:
        """Report foreign symbols and spaces, each once per line."""
        for (_, symbol), found in self.symbols.items():
            written = f"`{symbol}`" if symbol.isascii() or len(symbol) > 1 else confusables.named(symbol)
            more = [Label(span_of(self.source, token)) for token in found[1:MAX_MARKS]]
            if meant := confusables.equivalent(symbol):
                self.report("E0101", found[0], f"{written} means nothing here", f"write `{meant[0]}`", more)
            else:
                message = f"this is not a plain space: {written}"
                self.report("E0101", found[0], message, "write a plain space", more)

    def _without_percents(self, items: list[Token]) -> list[Token]:
        """Replace `15%` by `0.15`, if no right operand follows."""
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

    def _without_inner_newlines(self, items: list[Token], unpaired: set[int]) -> list[Token]:
        """Drop newlines inside of statements, and replace `;` at the end of a statement."""
        kept: list[Token] = []
        open_: list[str] = []
        unmatched_lines = {token.line for token in items if token.start_pos in unpaired}
        followers = _next_words(items)
        opened = _statements_opened(items)
        for i, (token, follower) in enumerate(zip(items, followers, strict=True)):
            if token.type in OPENERS and token.start_pos not in unpaired:
                open_.append(token.type)
            elif token.type in CLOSERS and token.start_pos not in unpaired:
                while open_.pop() != CLOSERS[token.type]:
                    pass
            elif (
                token.type == "SEMICOLON"
                and token.line not in unmatched_lines
                and _ends_statement(kept, open_)
            ):
                ends = i + 1 == len(items) or items[i + 1].type in ("NEWLINE", "RBRACE")
                message = "a statement ends with its line, not with `;`"
                self.report(
                    "E0102", token, message, "leave it out" if ends else "put a new line in its place"
                )
                token = retyped(token, "NEWLINE", "\n")
            elif token.type == "NEWLINE" and follower == "LBRACE" and _awaits_body(kept, open_):
                message = "a `{` is written at the end of the line of its statement"
                if items[i - 1].type != "NEWLINE":
                    self.report("E0102", token, message, "move the `{` of the next line here")
                continue
            ends = token.type == "NEWLINE" and _ends_statement(kept, open_, forced=i in opened)
            if token.type != "NEWLINE" or (ends and follower not in CONTINUES_BEFORE):
                kept.append(token)
        return kept


def _ends_value(items: list[Token], at: int) -> bool:
    """Whether an operator symbol has no right operand: the line ends, and the next is a new statement."""
    following = [t for t in items[at + 1 : at + 20] if t.type != "NEWLINE"]
    if not following or following[0].type in (*CLOSERS, "COMMA", "ARROW", "IF", "ELSE", "FOR", "RETURN"):
        return True
    if following[0].line == items[at].line or following[0].type != "NAME":
        return False
    first, second, *_ = (*following, following[0])
    if second.type in ("EQUAL", "COLON", "LBRACE", "NAME"):
        return True
    near = (*items[max(0, at - 20) : at], *following)
    lines = {t.line for t in near if t.type == "COMPARE"}
    return {items[at].line, first.line} <= lines


def _ends_statement(kept: list[Token], open_: list[str], *, forced: bool = False) -> bool:
    """Whether a statement can end after the tokens `kept`; `forced` ends it even after an operator."""
    inside = bool(open_) and open_[-1] != "LBRACE"
    unfinished = {"NEWLINE"} if forced else CONTINUES_AFTER | {"NEWLINE"}
    return not inside and bool(kept) and kept[-1].type not in unfinished


def _statements_opened(items: list[Token]) -> set[int]:
    """The indices of newlines before words that certainly open a section or a declaration."""
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
    """Whether a `{` on the next line can belong to the last statement of `kept`."""
    if not _ends_statement(kept, open_) or kept[-1].type in ("LBRACE", "RBRACE"):
        return False
    begin = next(
        (i for i in range(len(kept) - 1, -1, -1) if kept[i].type in ("NEWLINE", "LBRACE", "RBRACE")), -1
    )
    return str(kept[begin + 1]) in HEADS


def _next_words(items: list[Token]) -> list[str]:
    """For each token the type of the next one that is not a newline."""
    following = ""
    types = []
    for token in reversed(items):
        types.append(following)
        if token.type != "NEWLINE":
            following = token.type
    return types[::-1]


# --- helpers ------------------------------------------------------------------------------------------------

_NAMES = "names consist of letters, digits and `_`"


def retyped(token: Token, type: str, text: str) -> Token:
    """A token of another type and text at the same position."""
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
    "NO_COMMENT": _Tokenizer._foreign_comment,
    "FOREIGN": _Tokenizer._unexpected,
    "UNEXPECTED": _Tokenizer._unexpected,
}
