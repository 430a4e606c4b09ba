"""The parser: source text to syntax tree."""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING

import lark

from dlc import grammar
from dlc.compiler import syntax
from dlc.compiler.diagnostics.problems import Problems
from dlc.compiler.diagnostics.source import Source
from dlc.compiler.parse.syntax_hints import StatementTokens, explain, leading_operator
from dlc.compiler.parse.tokens import (
    DECLARATIONS,
    MAX_PROBLEMS,
    SECTIONS,
    LimitExceeded,
    Tokens,
    retyped,
    span_of,
    tokenize,
)
from dlc.compiler.parse.tree_builder import RejectedStatement, TreeBuilder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.diagnostics.diagnostic import Diagnostic
    from dlc.compiler.parse.token import Token

MAX_CORRECTIONS = 10  # corrections of one statement, after which it is parsed again
CONTINUATIONS = frozenset(
    {"elif", "except", "finally", "case", "catch"}
)  # words that continue a Python statement
COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})

_parsing = threading.Lock()  # parser and tree builder are shared, and the builder has state


def parse(source: Source, problems: Problems) -> syntax.File:
    """The syntax tree of a text. Errors are added to `problems`; statements with an error are left out."""
    found = Problems()  # of this text only: their number is limited
    try:
        return _parse(source, found)
    except LimitExceeded:
        return syntax.File(source, "", (), ())
    finally:
        for diagnostic in found.found:
            problems.add(diagnostic)


def _parse(source: Source, problems: Problems) -> syntax.File:
    parser, builder = _parser()
    with _parsing:
        builder.begin(source)
        tokens = tokenize(parser, source, problems)
        body = _Reader(parser, tokens, source, problems).statements(0, len(tokens.items))
    comments = tuple((span_of(source, token), str(token)) for token in tokens.comments)
    return syntax.File(source, _description(tokens), body, comments)


def read_tokens(source: Source, problems: Problems) -> Tokens:
    """The tokens of a text."""
    return tokenize(_parser()[0], source, problems)


@cache
def _parser() -> tuple[lark.Lark, TreeBuilder]:
    builder = TreeBuilder()
    return grammar.load(builder), builder


def _description(tokens: Tokens) -> str:
    """The comment block at the top of the text, without `#`."""
    words = (token.line for token in tokens.items if token.type != "NEWLINE")
    stop = next(words, len(tokens.comments) + tokens.comments[-1].line if tokens.comments else 0)
    lines: list[str] = []
    next_line = 0
    for comment in tokens.comments:
        if comment.line >= stop or (lines and comment.line != next_line):
            break
        lines.append(comment[1:].removeprefix(" ").rstrip())
        next_line = comment.line + 1
    return "\n".join(lines)


class _Reader:
    """Splits the tokens into statements and parses each separately."""

    def __init__(self, parser: lark.Lark, tokens: Tokens, source: Source, problems: Problems) -> None:
        self.parser = parser
        self.tokens = tokens
        self.source = source
        self.problems = problems
        self.bodies: dict[int, tuple[syntax.Statement, ...]] = {}  # parsed bodies, by index of first token

    def statements(self, start: int, end: int, section: str = "") -> tuple[syntax.Statement, ...]:
        """The statements in the tokens from `start` to `end`, inside of this section."""
        found: list[syntax.Statement] = []
        margin = None  # deeper lines continue a statement with an unclosed bracket, or a Python statement
        for line in self._lines(start, end, section):
            column = line.tokens[0].column
            if margin is not None and column > margin:
                continue
            if column == margin and str(line.tokens[0]) in CONTINUATIONS:
                continue
            broken = any(token.start_pos in self.tokens.broken for token in line.tokens)
            margin = column if broken or _opens_indented_block(line.tokens) else None
            found += self._skip(line) if broken else self._statement(line)
        return tuple(found)

    def _lines(self, start: int, end: int, section: str) -> Iterator[StatementTokens]:
        items, i = self.tokens.items, start
        while i < end and len(self.problems.found) < MAX_PROBLEMS:
            if items[i].type == "NEWLINE":
                i += 1
                continue
            head: list[Token] = []
            bodies: dict[int, tuple[int, int]] = {}
            while i < end and items[i].type != "NEWLINE":
                head.append(items[i])
                i += 1
                if head[-1].type == "LBRACE":
                    stop = min(self.tokens.pairs[head[-1].start_pos], end)
                    bodies[head[-1].start_pos] = (i, stop)
                    i = stop
            yield _line(head, bodies, section)

    def _statement(self, line: StatementTokens, corrections: int = MAX_CORRECTIONS) -> list[syntax.Statement]:
        """The statements of a line. A statement of another language is replaced by the equivalent one."""
        if diagnostic := leading_operator(line, self.source):
            return self._skip(line, diagnostic)
        parser = self.parser.parse_interactive(start="statement")
        try:
            for token in line.tokens:
                parser.feed_token(token)
                if token.type == "LBRACE":
                    for inner in self._body(token, line):
                        parser.feed_token(_carrier(inner))
            made = parser.feed_eof(line.tokens[-1])
            self._check_comparison(made, line)
        except lark.UnexpectedToken as error:
            from dlc.compiler.parse import dialects

            found = dialects.explain(line.tokens, self.source, line.section)
            diagnostic = (
                found.diagnostic if found else explain(line, error.token, parser.accepts(), self.source)
            )
            if found is None and self._is_reported(error.token):
                return self._skip(line)
            if found is None or found.replacement is None or not corrections:
                return self._skip(line, diagnostic)
            self.problems.add(diagnostic)
            lines = (_line(tokens, line.bodies, line.section) for tokens in found.replacement)
            return [made for replacement in lines for made in self._statement(replacement, corrections - 1)]
        except RejectedStatement as reject:
            return self._skip(line, reject.diagnostic)
        return made if isinstance(made, list) else [made]

    def _is_reported(self, token: Token) -> bool:
        """Whether an error is already reported for a token, such as a malformed number."""
        return token.type != "$END" and self.problems.seen_at(span_of(self.source, token))

    def _body(self, brace: Token, line: StatementTokens) -> tuple[syntax.Statement, ...]:
        """The statements between braces; each body is parsed once."""
        first, end = line.bodies[brace.start_pos]
        if first not in self.bodies:
            self.bodies[first] = self.statements(first, end, line.section)
        return self.bodies[first]

    def _skip(self, line: StatementTokens, diagnostic: Diagnostic | None = None) -> list:
        """Report an error and skip the statement, but parse its bodies to report their errors."""
        if diagnostic:
            self.problems.add(diagnostic)
        for token in line.tokens:
            if token.type == "LBRACE" and self._opens_body(token, line):
                self._body(token, line)
        return []

    def _opens_body(self, brace: Token, line: StatementTokens) -> bool:
        """Whether a `{` opens a body: it ends its line and follows a word or a bracket."""
        first, end = line.bodies[brace.start_pos]
        if first < 2 or first >= end or self.tokens.items[first].type != "NEWLINE":
            return False
        return self.tokens.items[first - 2].type in ("NAME", "NUMBER", "RPAR", "RSQB", "ELSE")

    def _check_comparison(self, made: object, line: StatementTokens) -> None:
        """Reject a comparison as a statement outside of `expect`."""
        value = made.value if isinstance(made, syntax.Evaluate) else None
        if (
            not isinstance(value, syntax.Binary)
            or value.operator not in COMPARISONS
            or line.section == "expect"
        ):
            return
        if self.source.text.startswith("<- ", value.operator_span.start):
            return  # a `<-` of R: reported later, when the name is known
        help = ""
        if value.operator == "==" and isinstance(value.left, syntax.Name):
            help = f"a value is given with `=`: `{value.left.id} = ...`"
        message = "a comparison is a statement only in `expect`"
        raise RejectedStatement("E0102", value.operator_span, message, help)


def _opens_indented_block(tokens: list[Token]) -> bool:
    """Whether a statement is Python or YAML with a nested block: its first line ends in `:`."""
    first = next((i for i, t in enumerate(tokens) if t.type == "COLON"), len(tokens))
    following = tokens[first + 1 : first + 2]
    return first < len(tokens) and all(t.line > tokens[first].line for t in following)


def _line(tokens: list[Token], bodies: dict[int, tuple[int, int]], section: str) -> StatementTokens:
    """A statement of these tokens in a section, or in the section that it opens."""
    tokens = _with_keywords(tokens)
    opens = tokens[0].type in ("SECTION", "STEP", "PHASE")
    return StatementTokens(tokens, bodies, str(tokens[0]) if opens else section)


def _with_keywords(line: list[Token]) -> list[Token]:
    """The tokens with keyword types for the words that are special only at the start of a statement."""
    first, follower = line[0], line[1].type if len(line) > 1 else ""
    if first.type != "NAME":
        return line
    if first in SECTIONS and follower == "LBRACE":
        return [retyped(first, "SECTION", first), *line[1:]]
    if first not in DECLARATIONS or follower != "NAME":
        return line
    line = [retyped(first, first.upper(), first), *line[1:]]
    if first == "import":
        for i in range(2, len(line)):
            if line[i] == "from" and line[i - 1].type == "NAME":
                line[i] = retyped(line[i], "FROM", line[i])
                break
    return line


def _carrier(statement: syntax.Statement) -> lark.Token:
    """A token that carries a parsed statement."""
    token = lark.Token("STATEMENT", "")
    token.value = statement
    return token
