"""What to say of a statement that the grammar does not know:
what was found, what was expected, the likely fix."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from dlc.compiler.definitions.aliases import PHRASES
from dlc.compiler.diagnostics import confusables
from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.diagnostics.quoting import listed, shorten
from dlc.compiler.diagnostics.source import Source, Span
from dlc.compiler.diagnostics.suggest import did_you_mean
from dlc.compiler.parse.brackets import CLOSERS, OPENERS
from dlc.compiler.parse.tokens import DECLARATIONS, GOES_ON_AFTER, RESERVED, SECTIONS, span_of
from dlc.compiler.record import record
from dlc.compiler.types import ELEMENTS

if TYPE_CHECKING:
    from collections.abc import Collection

    from dlc.compiler.parse.token import Token

TYPES = frozenset(ELEMENTS)

LAYERS = "layers stand in a flow: `x -> dense(8) -> relu -> y`"
# Words that open a statement in other languages, and that no dialect reads.
FOREIGN_WORDS = {
    **dict.fromkeys(("elif", "elseif", "elsif"), "write `else if`"),
    **dict.fromkeys(("while", "until", "loop", "foreach"), "the one loop is `for x in list { ... }`"),
    **dict.fromkeys(("from", "using", "use"),
                    'an import is written `import f, g from "other.dl"`'),
    **dict.fromkeys(("with", "try", "except", "finally", "catch", "raise", "throw"),
                    "a spec says what is computed, and nothing else runs: take these lines out"),
    **dict.fromkeys(("switch", "match", "case", "when"),
                    "a choice is written `if c { ... } else if d { ... }`"),
    **dict.fromkeys(("assert", "test", "check"), "what has to hold is written into `expect { ... }`"),
    **dict.fromkeys(("del", "nonlocal", "yield", "await", "defer", "typedef", "package"),
                    "take the line out"),
    **dict.fromkeys(("layers", "architecture", "neural_network"),
                    f"a file is one model, and nothing stands around it; {LAYERS}"),
    **dict.fromkeys(("inputs", "input_features", "features"), "each input is declared: `input x: float`"),
    **dict.fromkeys(("outputs", "output_features"), "each output is declared: `output y: float`"),
    **dict.fromkeys(("preprocessing", "transforms"), "preprocessing stands in the flow: `x -> standardize`"),
    **dict.fromkeys(("dataset", "source", "rows"), "rows are named in `data { source = ... }`"),
    **dict.fromkeys(("training", "optimizer", "loss", "trainer", "hyperparameters"),
                    "settings of training stand in `train { ... }`"),
}  # fmt: skip

# What the grammar may want next, in the words of the language and in the order they are told.
WANTED = {
    "EQUAL": "`=`", "COLON": "`:`", "LPAR": "`(`", "LBRACE": "`{`", "IN": "`in`", "FROM": "`from`",
    "ELSE": "`else`", "COMMA": "`,`", "SEMICOLON": "`;`", "RPAR": "`)`", "RSQB": "`]`", "RBRACE": "`}`",
    "$END": "a newline",
}  # fmt: skip


_OPERANDS = ("NAME", "NUMBER", "STRING", "LPAR", "LSQB")


@record
class StatementTokens:
    """The tokens of one statement; of a body in braces only the braces are among them.

    `bodies` leads from the place of a `{` to the first and the last index of its body in the whole text.
    """

    tokens: list[Token]
    bodies: dict[int, tuple[int, int]]
    section: str  # the section it opens or stands in

    @property
    def word(self) -> str:
        """The first word, if it is a name to the grammar."""
        return str(self.tokens[0]) if self.tokens[0].type == "NAME" else ""


@record
class _Slip:
    """A token that does not fit, and its surroundings; `found` is `$END` where the
    statement ends too early."""

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
        """The bracket that is open here."""
        open_: list[Token] = []
        for token in self.line.tokens[: self.at]:
            if token.type in OPENERS:
                open_.append(token)
            elif token.type in CLOSERS:
                open_.pop()
        return open_[-1] if open_ else None


def leading_sign(line: StatementTokens, source: Source) -> Diagnostic | None:
    """The diagnostic of a statement that begins with a sign."""
    first = line.tokens[0]
    if first.type not in ("PLUS", "MINUS"):
        return None
    help = f"put it in brackets, `({first}x) -> f`: a line that begins with a sign continues the line before"
    return Diagnostic(
        "E0102", "a statement cannot begin with a sign", (Label(span_of(source, first)),), (), help
    )


def explain(line: StatementTokens, found: Token, accepts: Collection[str], source: Source) -> Diagnostic:
    """The diagnostic of a statement that the grammar leaves at `found`,
    where it would have gone on with `accepts`."""
    ends = found.type == "$END"
    at = (
        len(line.tokens)
        if ends
        else next(i for i, t in enumerate(line.tokens) if t.start_pos == found.start_pos)
    )
    slip = _Slip(line, found, at, accepts)
    if fix := _first_word(slip):
        place = Label(span_of(source, line.tokens[0]))
        return Diagnostic("E0102", f"`{shorten(line.word)}` opens no statement", (place,), (), fix)
    end = line.tokens[-1].end_pos
    labels = [Label(Span(source, end, end) if ends else span_of(source, found))]
    if (opener := slip.opener) is not None and opener.line < (line.tokens[-1] if ends else found).line:
        labels.append(Label(span_of(source, opener), "opened here"))
    if found.type in ("UNEXPECTED", "FOREIGN"):
        return _no_sign(found, tuple(labels), _help(slip))
    message = f"expected {_wanted(slip)}, found {_found(slip, source)}"
    return Diagnostic("E0102", message, tuple(labels), (), _help(slip))


def _no_sign(found: Token, labels: tuple[Label, ...], help: str) -> Diagnostic:
    """A character that means nothing where it stands."""
    if len(found) == 1 and confusables.is_unseen(found):
        message, help = (
            f"here stands a character that nobody sees: {confusables.named(found)}",
            "leave it out",
        )
    elif len(found) == 1:
        message = (
            f"unexpected character {(confusables.shown if found.isascii() else confusables.named)(found)}"
        )
        help = help or confusables.character_help(found)
    else:
        message = f"`{found}` means nothing here"
    return Diagnostic("E0101", message, labels, (), help)


def _found(slip: _Slip, source: Source) -> str:
    token = slip.found
    if token.type == "$END":
        rest = source.text[slip.line.tokens[-1].end_pos :].lstrip(" \t\r")
        if rest.startswith("}"):
            return "`}`"
        return "the end of the line" if rest.strip() else "the end of the file"
    kinds = {"NAME": "the name ", "NUMBER": "the number ", "STRING": "the text "}
    return f"{kinds.get(token.type, '')}`{shorten(token)}`"


def _wanted(slip: _Slip) -> str:
    if slip.at == 0:
        return "a statement"
    accepts = slip.accepts
    words = ["an expression"] if "NUMBER" in accepts else ["a name"] if "NAME" in accepts else []
    for kind, word in WANTED.items():
        if kind not in accepts or (kind == "ELSE" and "$END" in accepts):
            continue
        if kind in ("LPAR", "COLON") and ("NUMBER" in accepts or "DOT" in accepts):
            continue
        words.append(word)
    if not words:
        return "something else"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _unknown_size(slip: _Slip) -> str:
    """`float[?, 4]`."""
    if slip.found == "?" and slip.before is not None and slip.before.type in ("LSQB", "COMMA"):
        return "the batch is never written, and a size that is not known has a name, such as `T`"
    return ""


def _dollar(slip: _Slip) -> str:
    """`$x`."""
    before_name = slip.found == "$" and slip.after is not None and slip.after.type == "NAME"
    return "leave it out: a name stands alone" if before_name else ""


def _help(slip: _Slip) -> str:
    return next((help for fix in _FIXES if (help := fix(slip))), "")


def _first_word(slip: _Slip) -> str:
    """The fix of a first word that was meant to open a statement."""
    opens = slip.found.type in (*_OPERANDS, "LBRACE", "NOT", "TRUE", "FALSE", "NONE", "IF", "FOR", "IN")
    ends = slip.after is None or slip.after.line > slip.found.line
    begins = (slip.at == 1 and opens) or (slip.found.type == "COLON" and ends)
    if not slip.line.word or not (begins or slip.found.type == "LBRACE"):
        return ""
    if fix := FOREIGN_WORDS.get(slip.line.word, PHRASES.get(slip.line.word, "")):
        return fix
    if slip.at != 1 or slip.found.type not in ("NAME", "LBRACE"):
        return ""
    if slip.found.type == "LBRACE":
        return did_you_mean(slip.line.word, SECTIONS) or f"the sections are {listed(sorted(SECTIONS))}"
    return did_you_mean(slip.line.word, DECLARATIONS)


# --- the likely fixes, the surest first ---------------------------------------------------------------------


def _else_if(slip: _Slip) -> str:
    return FOREIGN_WORDS["elif"] if slip.found in ("elif", "elseif", "elsif") else ""


def _sign_at_line_start(slip: _Slip) -> str:
    if slip.found.type in ("PLUS", "MINUS") and slip.starts_line:
        return f"no statement begins with a sign: put it in brackets, `({slip.found}x) -> f`"
    return ""


def _comment(slip: _Slip) -> str:
    """A comment of another language."""
    if slip.at == 0 or slip.starts_line:
        signs = ("FLOOR", "PERCENT", "SEMICOLON", "SLASH")
        dashes = slip.found == "-" and slip.after == "-" and slip.found.end_pos == slip.after.start_pos
        return "a comment begins with `#`" if slip.found.type in signs or dashes else ""
    line = slip.found.line if slip.found.type != "$END" else slip.line.tokens[-1].line
    if slip.found.type not in ("NAME", "NUMBER", "$END"):
        return ""
    same_line = [t for t in slip.line.tokens[: slip.at] if t.line == line]
    return "a comment begins with `#`" if any(t.type == "FLOOR" for t in same_line) else ""


def _reserved_name(slip: _Slip) -> str:
    declared = slip.at == 1 and slip.line.word in DECLARATIONS
    if slip.found.type in RESERVED and slip.at > 0 and ("NAME" in slip.accepts or declared):
        return f"`{slip.found}` is a reserved word and cannot be a name"
    if slip.at == 0 and slip.found.type == "ELSE":
        return "`else` follows the `}` of its `if`"
    if slip.at == 0 and slip.found.type in RESERVED:
        return f"`{slip.found}` is a reserved word and cannot be a name"
    return ""


def _body(slip: _Slip) -> str:
    """`if c x = 1`, `if c then`, `for x in l do`."""
    if (
        "LBRACE" in slip.accepts
        and slip.line.tokens[0].type in ("IF", "FOR")
        and slip.found.type in _OPERANDS
    ):
        return "a body stands in braces: `{ ... }`"
    return ""


def _nothing_between(slip: _Slip) -> str:
    """`x -> -> f`, `f(1, , 2)`."""
    if (
        slip.found.type in ("ARROW", "COMMA")
        and slip.before is not None
        and slip.before.type == slip.found.type
    ):
        return f"leave one `{slip.found}` out, or write what is missing between the two"
    return ""


def _nothing_behind(slip: _Slip) -> str:
    """`x -> dense(3) ->`."""
    if slip.found.type == "$END" and slip.before is not None and slip.before.type == "ARROW":
        return "a flow goes on behind `->`: with a stage, or into an output"
    return ""


def _lost_name(slip: _Slip) -> str:
    """`output : float`, `= dense(3)`, `{ ... }`."""
    if slip.at == 0 and slip.found.type == "EQUAL":
        return "the name that is bound is missing: `name = value`"
    if slip.at == 0 and slip.found.type == "LBRACE":
        return f"the word before a `{{` is missing: the sections are {listed(sorted(SECTIONS))}"
    named = slip.line.word if slip.line.word in DECLARATIONS - {"step", "phase", "import"} else ""
    if slip.at == 1 and named and slip.found.type in ("COLON", "LPAR", "EQUAL"):
        return f"a name is missing: `{named} NAME{slip.found}`"
    return ""


def _colon(slip: _Slip) -> str:
    if slip.found.type != "COLON":
        return ""
    if "LBRACE" in slip.accepts or (slip.line.tokens[0].type in ("IF", "FOR")):
        return "a body stands in braces: `{ ... }`"
    if slip.before is None or slip.before.type != "NAME":
        return ""
    if slip.at == 1 and slip.after is not None and str(slip.after) in TYPES:
        return f"a declaration begins with its word: `input {slip.before}: {slip.after}`"
    value = (
        slip.after if slip.after is not None and slip.after.type in ("NUMBER", "NAME", "STRING") else "..."
    )
    return f"a value is given with `=`: `{slip.before} = {value}`"


def _equal(slip: _Slip) -> str:
    if slip.found.type == "EQUAL" and (slip.line.tokens[0].type == "IF" or slip.line.section == "expect"):
        return "`==` compares"
    before = slip.before.type if slip.before is not None else ""
    if slip.found.type == "RSQB" and before == "LSQB" and "COLON" in slip.accepts:
        return "a type without brackets is one value per sample"
    declares = slip.line.tokens[0].type in ("INPUT", "OUTPUT", "WEIGHT")
    if declares and slip.found.type in ("EQUAL", "NAME") and "COLON" in slip.accepts:
        return "a type is given with `:`"
    if slip.found.type == "COMPARE" and str(slip.found) == "==" and "EQUAL" in slip.accepts:
        return "a value is given with `=`; `==` compares"
    if slip.found.type == "COMPARE" and any(t.type == "COMPARE" for t in slip.line.tokens[: slip.at]):
        return "compare two at a time: `a < b and b < c`"
    return ""


def _declaration(slip: _Slip) -> str:
    if slip.at != 1:
        return ""
    if slip.line.word in DECLARATIONS:
        return f"after `{slip.line.word}` comes a name" if slip.found.type in ("NUMBER", "STRING") else ""
    return f"a section is written `{slip.line.word} {{ ... }}`" if slip.line.word in SECTIONS else ""


def _missing_value(slip: _Slip) -> str:
    if slip.found.type != "$END" or "EQUAL" not in slip.accepts:
        return ""
    words = {
        "WEIGHT": "a weight has an initial value: `= normal(0.01)`",
        "PARAM": "a param has a value: `= 1`",
    }
    return words.get(slip.line.tokens[0].type, "")


def _dictionary(slip: _Slip) -> str:
    if slip.found.type == "LBRACE" and "NUMBER" in slip.accepts:
        return "braces hold statements; lists are written `[a, b]`, tuples `(a, b)`"
    return ""


def _continued_line(slip: _Slip) -> str:
    """A line goes on that was not meant to."""
    if slip.opener is not None:
        return ""
    tokens = slip.line.tokens[: slip.at + 1]
    for first, second in pairwise(tokens):
        if first.line < second.line == slip.found.line and first.type in GOES_ON_AFTER:
            return f"the line before ends in `{first}`, so this line continues it"
    return ""


def _brace_below(slip: _Slip) -> str:
    if slip.found.type == "$END" and "LBRACE" in slip.accepts:
        return "the `{` stands at the end of this line"
    return ""


def _two_values(slip: _Slip) -> str:
    if slip.before is None or slip.found.type not in _OPERANDS or "NUMBER" in slip.accepts:
        return ""
    if slip.opener is not None:
        return "a comma may be missing" if "COMMA" in slip.accepts else ""
    return "a `->` may be missing between the two, or a new line" if "$END" in slip.accepts else ""


def _several_values(slip: _Slip) -> str:
    if slip.found.type == "COMMA" and "$END" in slip.accepts and slip.line.section and slip.opener is None:
        return "each setting begins a line of its own"
    if slip.found.type == "COMMA" and "$END" in slip.accepts:
        return "several values stand in brackets: `(a, b)`"
    return ""


_FIXES = (
    _else_if, _unknown_size, _dollar, _comment, _sign_at_line_start, _reserved_name, _body,
    _nothing_between, _nothing_behind, _lost_name, _colon, _equal, _declaration, _missing_value,
    _dictionary, _continued_line, _brace_below, _two_values, _several_values,
)  # fmt: skip
