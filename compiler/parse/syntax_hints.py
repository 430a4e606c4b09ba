"""Errors for statements that the grammar does not accept: found and expected tokens, and the likely fix."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from dlc.compiler.definitions.aliases import NAME_HELP
from dlc.compiler.diagnostics import confusables
from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.diagnostics.quoting import listed, shorten
from dlc.compiler.diagnostics.source import Source, Span
from dlc.compiler.diagnostics.suggest import did_you_mean
from dlc.compiler.parse import part_hints
from dlc.compiler.parse.brackets import CLOSERS, OPENERS
from dlc.compiler.parse.keyword_help import KEYWORD_HELP
from dlc.compiler.parse.tokens import CONTINUES_AFTER, DECLARATIONS, RESERVED, SECTIONS, span_of
from dlc.compiler.record import record
from dlc.compiler.types import ELEMENTS

if TYPE_CHECKING:
    from collections.abc import Collection

    from dlc.compiler.parse.token import Token

TYPES = frozenset(ELEMENTS)

# Token types that the grammar may expect, as messages write them, in this order.
EXPECTED = {
    "EQUAL": "`=`", "COLON": "`:`", "LPAR": "`(`", "LBRACE": "`{`", "IN": "`in`", "FROM": "`from`",
    "ELSE": "`else`", "COMMA": "`,`", "SEMICOLON": "`;`", "RPAR": "`)`", "RSQB": "`]`", "RBRACE": "`}`",
    "$END": "a newline",
}  # fmt: skip


_OPERANDS = ("NAME", "NUMBER", "STRING", "LPAR", "LSQB")


@record
class StatementTokens:
    """The tokens of one statement, without those of bodies in braces.

    `bodies` has the range of token indices of a body, by the offset of its `{`.
    """

    tokens: list[Token]
    bodies: dict[int, tuple[int, int]]
    section: str  # the section that it opens, or that contains it

    @property
    def word(self) -> str:
        """The first word, if it is a NAME token."""
        return str(self.tokens[0]) if self.tokens[0].type == "NAME" else ""


@record
class _SyntaxError:
    """An unexpected token with its context; `found` is `$END` if the statement ends too early."""

    line: StatementTokens
    found: Token
    at: int
    accepts: Collection[str]

    @property
    def before(self) -> Token | None:
        return self.line.tokens[self.at - 1] if self.at else None

    @property
    def after(self) -> Token | None:
        return self.line.tokens[self.at + 1] if self.at + 1 < len(self.line.tokens) else None

    @property
    def starts_line(self) -> bool:
        return self.found.type != "$END" and self.before is not None and self.before.line < self.found.line

    @property
    def opener(self) -> Token | None:
        """The innermost open bracket before the token."""
        open_: list[Token] = []
        for token in self.line.tokens[: self.at]:
            if token.type in OPENERS:
                open_.append(token)
            elif token.type in CLOSERS:
                open_.pop()
        return open_[-1] if open_ else None


def leading_operator(line: StatementTokens, source: Source) -> Diagnostic | None:
    """The error for a statement that begins with `+` or `-`."""
    first = line.tokens[0]
    if first.type not in ("PLUS", "MINUS"):
        return None
    why = f"a line that begins with `{first}` continues the line before"
    help = f"put it in brackets, `({first}x) -> f`: {why}"
    return Diagnostic(
        "E0102", f"a statement cannot begin with `{first}`", (Label(span_of(source, first)),), (), help
    )


def explain(line: StatementTokens, found: Token, accepts: Collection[str], source: Source) -> Diagnostic:
    """The error for a statement with an unexpected token `found`, where `accepts` are the expected types."""
    ends = found.type == "$END"
    at = (
        len(line.tokens)
        if ends
        else next(i for i, t in enumerate(line.tokens) if t.start_pos == found.start_pos)
    )
    error = _SyntaxError(line, found, at, accepts)
    if fix := _first_word(error):
        place = Label(span_of(source, line.tokens[0]))
        return Diagnostic("E0102", f"`{shorten(line.word)}` does not start a statement", (place,), (), fix)
    end = line.tokens[-1].end_pos
    labels = [Label(Span(source, end, end) if ends else span_of(source, found))]
    if (opener := error.opener) is not None and opener.line < (line.tokens[-1] if ends else found).line:
        labels.append(Label(span_of(source, opener), "opened here"))
    if found.type in ("UNEXPECTED", "FOREIGN"):
        return _invalid_character(found, tuple(labels), _help(error))
    message = f"expected {_expected(error)}, found {_found(error, source)}"
    return Diagnostic("E0102", message, tuple(labels), (), _help(error))


def _invalid_character(found: Token, labels: tuple[Label, ...], help: str) -> Diagnostic:
    """The error for a character or symbol that the language does not have."""
    if len(found) == 1 and confusables.is_unseen(found):
        message, help = f"there is an invisible character here: {confusables.named(found)}", "leave it out"
    elif len(found) == 1:
        describe = confusables.quote_character if found.isascii() else confusables.named
        message = f"unexpected character {describe(found)}"
        help = help or confusables.character_help(found)
    else:
        message = f"`{found}` means nothing here"
    return Diagnostic("E0101", message, labels, (), help)


def _found(error: _SyntaxError, source: Source) -> str:
    token = error.found
    if token.type == "$END":
        rest = source.text[error.line.tokens[-1].end_pos :].lstrip(" \t\r")
        if rest.startswith("}"):
            return "`}`"
        return "the end of the line" if rest.strip() else "the end of the file"
    kinds = {"NAME": "the name ", "NUMBER": "the number ", "STRING": "the text "}
    return f"{kinds.get(token.type, '')}`{shorten(token)}`"


def _expected(error: _SyntaxError) -> str:
    if error.at == 0:
        return "a statement"
    accepts = error.accepts
    words = ["an expression"] if "NUMBER" in accepts else ["a name"] if "NAME" in accepts else []
    for kind, word in EXPECTED.items():
        if kind not in accepts or (kind == "ELSE" and "$END" in accepts):
            continue
        if kind in ("LPAR", "COLON") and ("NUMBER" in accepts or "DOT" in accepts):
            continue
        words.append(word)
    if not words:
        return "something else"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _unknown_size(error: _SyntaxError) -> str:
    """`float[?, 4]`."""
    if error.found == "?" and error.before is not None and error.before.type in ("LSQB", "COMMA"):
        return "the batch size is never written; another unknown size has a name, such as `T`"
    return ""


def _dollar(error: _SyntaxError) -> str:
    """`$x`."""
    before_name = error.found == "$" and error.after is not None and error.after.type == "NAME"
    return "leave it out: a name has no `$`" if before_name else ""


def _help(error: _SyntaxError) -> str:
    return next((help for fix in _FIXES if (help := fix(error))), "")


def _first_word(error: _SyntaxError) -> str:
    """The help for a first word that does not start a statement; empty if it is not the error."""
    opens = error.found.type in (*_OPERANDS, "LBRACE", "NOT", "TRUE", "FALSE", "NONE", "IF", "FOR", "IN")
    ends = error.after is None or error.after.line > error.found.line
    begins = (error.at == 1 and opens) or (error.found.type == "COLON" and ends)
    braces = error.found.type == "LBRACE" and error.line.tokens[1].type != "EQUAL"
    if not error.line.word or not (begins or braces):
        return ""
    if fix := KEYWORD_HELP.get(error.line.word, NAME_HELP.get(error.line.word, "")):
        return fix
    if error.at != 1 or error.found.type not in ("NAME", "LBRACE"):
        return ""
    if error.found.type == "LBRACE":
        return (
            _names_of_parts(error)
            or did_you_mean(error.line.word, SECTIONS)
            or f"the sections are {listed(sorted(SECTIONS))}"
        )
    return did_you_mean(error.line.word, DECLARATIONS)


# --- likely fixes, the most certain first -------------------------------------------------------------------


def _names_of_parts(error: _SyntaxError) -> str:
    return part_hints.names(error.line.tokens[0], error.found, error.accepts)


def _else_if(error: _SyntaxError) -> str:
    return KEYWORD_HELP["elif"] if error.found in ("elif", "elseif", "elsif") else ""


def _operator_at_line_start(error: _SyntaxError) -> str:
    if error.found.type in ("PLUS", "MINUS") and error.starts_line:
        return f"no statement begins with `{error.found}`: put it in brackets, `({error.found}x) -> f`"
    return ""


def _comment(error: _SyntaxError) -> str:
    """A comment of another language."""
    if error.at == 0 or error.starts_line:
        symbols = ("FLOOR", "PERCENT", "SEMICOLON", "SLASH")
        dashes = error.found == "-" and error.after == "-" and error.found.end_pos == error.after.start_pos
        return "a comment begins with `#`" if error.found.type in symbols or dashes else ""
    line = error.found.line if error.found.type != "$END" else error.line.tokens[-1].line
    if error.found.type not in ("NAME", "NUMBER", "$END"):
        return ""
    same_line = [t for t in error.line.tokens[: error.at] if t.line == line]
    return "a comment begins with `#`" if any(t.type == "FLOOR" for t in same_line) else ""


def _reserved_name(error: _SyntaxError) -> str:
    declared = error.at == 1 and error.line.word in DECLARATIONS
    if error.found.type in RESERVED and error.at > 0 and ("NAME" in error.accepts or declared):
        return f"`{error.found}` is a reserved word and cannot be a name"
    if error.at == 0 and error.found.type == "ELSE":
        return "`else` follows the `}` of its `if`"
    if error.at == 0 and error.found.type in RESERVED:
        return f"`{error.found}` is a reserved word and cannot be a name"
    return ""


def _body(error: _SyntaxError) -> str:
    """`if c x = 1`, `if c then`, `for x in l do`."""
    if (
        "LBRACE" in error.accepts
        and error.line.tokens[0].type in ("IF", "FOR")
        and error.found.type in _OPERANDS
    ):
        return "a body is written in braces: `{ ... }`"
    return ""


def _empty_between(error: _SyntaxError) -> str:
    """`x -> -> f`, `f(1, , 2)`."""
    if (
        error.found.type in ("ARROW", "COMMA")
        and error.before is not None
        and error.before.type == error.found.type
    ):
        return f"leave one `{error.found}` out, or write the missing part between the two"
    return ""


def _trailing_arrow(error: _SyntaxError) -> str:
    """`x -> dense(3) ->`."""
    if error.found.type == "$END" and error.before is not None and error.before.type == "ARROW":
        return "a stage or an output has to follow `->`"
    return ""


def _missing_name(error: _SyntaxError) -> str:
    """`output : float`, `= dense(3)`, `{ ... }`."""
    if error.at == 0 and error.found.type == "EQUAL":
        return "the name before `=` is missing: `name = value`"
    if error.at == 0 and error.found.type == "LBRACE":
        return f"the word before a `{{` is missing: the sections are {listed(sorted(SECTIONS))}"
    named = error.line.word if error.line.word in DECLARATIONS - {"step", "phase", "import"} else ""
    if error.at == 1 and named and error.found.type in ("COLON", "LPAR", "EQUAL"):
        return f"a name is missing: `{named} NAME{error.found}`"
    return ""


def _colon(error: _SyntaxError) -> str:
    if error.found.type != "COLON":
        return ""
    if "LBRACE" in error.accepts or (error.line.tokens[0].type in ("IF", "FOR")):
        return "a body is written in braces: `{ ... }`"
    if error.before is None or error.before.type != "NAME":
        return ""
    if error.at == 1 and error.after is not None and str(error.after) in TYPES:
        return f"a declaration begins with its word: `input {error.before}: {error.after}`"
    value = (
        error.after if error.after is not None and error.after.type in ("NUMBER", "NAME", "STRING") else "..."
    )
    return f"a value is given with `=`: `{error.before} = {value}`"


def _equal(error: _SyntaxError) -> str:
    if error.found.type == "EQUAL" and (error.line.tokens[0].type == "IF" or error.line.section == "expect"):
        return "`==` compares"
    before = error.before.type if error.before is not None else ""
    if error.found.type == "RSQB" and before == "LSQB" and "COLON" in error.accepts:
        return "a type without brackets is one value per sample"
    declares = error.line.tokens[0].type in ("INPUT", "OUTPUT", "WEIGHT")
    if declares and error.found.type in ("EQUAL", "NAME") and "COLON" in error.accepts:
        return "a type is given with `:`"
    if error.found.type == "COMPARE" and str(error.found) == "==" and "EQUAL" in error.accepts:
        return "a value is given with `=`; `==` compares"
    if error.found.type == "COMPARE" and any(t.type == "COMPARE" for t in error.line.tokens[: error.at]):
        return "compare two at a time: `a < b and b < c`"
    return ""


def _declaration(error: _SyntaxError) -> str:
    if error.at != 1:
        return ""
    if error.line.word in DECLARATIONS:
        return f"a name has to follow `{error.line.word}`" if error.found.type in ("NUMBER", "STRING") else ""
    return f"a section is written `{error.line.word} {{ ... }}`" if error.line.word in SECTIONS else ""


def _missing_value(error: _SyntaxError) -> str:
    if error.found.type != "$END" or "EQUAL" not in error.accepts:
        return ""
    words = {
        "WEIGHT": "a weight has an initial value: `= normal(0.01)`",
        "PARAM": "a param has a value: `= 1`",
    }
    return words.get(error.line.tokens[0].type, "")


def _dictionary(error: _SyntaxError) -> str:
    if error.found.type == "LBRACE" and "NUMBER" in error.accepts:
        return "braces are for statements; a list is written `[a, b]`, a tuple `(a, b)`"
    return ""


def _continued_line(error: _SyntaxError) -> str:
    """An unintended continuation of the line before."""
    if error.opener is not None:
        return ""
    tokens = error.line.tokens[: error.at + 1]
    for first, second in pairwise(tokens):
        if first.line < second.line == error.found.line and first.type in CONTINUES_AFTER:
            return f"the line before ends in `{first}`, so this line continues it"
    return ""


def _brace_below(error: _SyntaxError) -> str:
    if error.found.type == "$END" and "LBRACE" in error.accepts:
        return "write the `{` at the end of this line"
    return ""


def _two_values(error: _SyntaxError) -> str:
    if error.before is None or error.found.type not in _OPERANDS or "NUMBER" in error.accepts:
        return ""
    if error.opener is not None:
        return "a comma may be missing" if "COMMA" in error.accepts else ""
    return "a `->` may be missing between the two, or a new line" if "$END" in error.accepts else ""


def _several_values(error: _SyntaxError) -> str:
    if (
        error.found.type == "COMMA"
        and "$END" in error.accepts
        and error.line.section
        and error.opener is None
    ):
        return "each setting is written on its own line"
    if error.found.type == "COMMA" and "$END" in error.accepts:
        return "several values are written in brackets: `(a, b)`"
    return ""


_FIXES = (
    _names_of_parts, _else_if, _unknown_size, _dollar, _comment, _operator_at_line_start, _reserved_name,
    _body, _empty_between, _trailing_arrow, _missing_name, _colon, _equal, _declaration, _missing_value,
    _dictionary, _continued_line, _brace_below, _two_values, _several_values,
)  # fmt: skip
