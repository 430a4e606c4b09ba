"""Operator symbols and literals of other languages, and keywords with letters of other alphabets."""

from __future__ import annotations

from itertools import pairwise

from dlc.compiler.diagnostics.confusables import non_ascii_letters, to_latin
from dlc.compiler.parse.dialects.statement import (
    VALUES,
    DialectHint,
    Tokens,
    UnknownStatement,
    adjacent,
    levels,
)
from dlc.compiler.parse.tokens import DECLARATIONS, RESERVED, SECTIONS, retyped

COMMA = "a number has a decimal point, not a comma"


def disguised_word(s: UnknownStatement) -> DialectHint | None:
    """A keyword that contains a letter of another alphabet."""
    for i, token in enumerate(s.tokens):
        plain = to_latin(token)
        is_word = plain.upper() in RESERVED or (i == 0 and plain in DECLARATIONS | SECTIONS)
        if token.type == "NAME" and plain != token and is_word:
            kind = plain.upper() if plain.upper() in RESERVED else "NAME"
            replacement = [*s.tokens[:i], retyped(token, kind, plain), *s.tokens[i + 1 :]]
            return s.error(
                f"`{token}` is not the word `{plain}`",
                f"write `{plain}`: it contains {non_ascii_letters(token)}",
                [token],
                replacement=[replacement],
            )
    return None


def pipe(s: UnknownStatement) -> DialectHint | None:
    """`x | f`; and `a | b` in a condition."""
    bars = [i for i, token in enumerate(s.tokens) if token == "|" and token.type == "UNEXPECTED"]
    if not bars or any(i == 0 or s.tokens[i - 1].type not in (*VALUES, "RPAR", "RSQB") for i in bars):
        return None
    logic = any(t.type in ("COMPARE", "AND", "OR", "NOT", "TRUE", "FALSE", "IF") for t in s.tokens)
    symbol, kind = ("or", "OR") if logic else ("->", "ARROW")
    indices = set(bars)
    replacement = [retyped(t, kind, symbol) if i in indices else t for i, t in enumerate(s.tokens)]
    help = f"write `{symbol}`" + ("" if logic else " between the stages of a flow")
    return s.error(
        "`|` means nothing here",
        help,
        *([s.tokens[i]] for i in bars),
        code="E0101",
        replacement=[replacement],
    )


def left_arrow(s: UnknownStatement) -> DialectHint | None:
    """`y <- f <- x`."""
    arrows = [i for i, (a, b) in enumerate(pairwise(s.tokens)) if a == "<" and b == "-" and adjacent(a, b)]
    if (
        not arrows
        or not arrows[0]
        or any(adjacent(*s.tokens[i + 1 : i + 3]) for i in arrows if i + 2 < len(s.tokens))
    ):
        return None
    if arrows[-1] + 2 == len(s.tokens):
        return None
    parts = [
        s.tokens[a:b] for a, b in zip([0, *(i + 2 for i in arrows)], [*arrows, len(s.tokens)], strict=True)
    ]
    steps = " -> ".join(s.text(part) for part in reversed(parts))
    marks = [s.tokens[i : i + 2] for i in arrows]
    message = "a flow is written from left to right, with `->`"
    if any(t.type in ("ARROW", "EQUAL") for t in s.tokens):
        return s.error(message, "a value is given a name with `=`: `h = x -> f`", *marks)
    turned: Tokens = []
    for part, arrow in zip(reversed(parts), [*reversed(arrows), None], strict=True):
        turned += part if arrow is None else [*part, retyped(s.tokens[arrow], "ARROW", "->")]
    return s.error(message, f"write `{steps}`", s.tokens, replacement=[turned])


def greater_for_arrow(s: UnknownStatement) -> DialectHint | None:
    """`x > f > y`."""
    comparisons = [i for i, token in enumerate(s.tokens) if token.type == "COMPARE"]
    if (
        len(comparisons) < 2
        or any(s.tokens[i] != ">" for i in comparisons)
        or s.section == "expect"
        or s.types("IF")
    ):
        return None
    indices = set(comparisons)
    replacement = [retyped(t, "ARROW", "->") if i in indices else t for i, t in enumerate(s.tokens)]
    return s.error(
        "`>` compares", "write `->`", *([s.tokens[i]] for i in comparisons), replacement=[replacement]
    )


def spaced_arrow(s: UnknownStatement) -> DialectHint | None:
    """`x - > f`."""
    positions = [
        i for i, (a, b) in enumerate(pairwise(s.tokens)) if a == "-" and b == ">" and b.line == a.line
    ]
    if not positions:
        return None
    replacement = list(s.tokens)
    for i in reversed(positions):
        replacement[i : i + 2] = [retyped(replacement[i], "ARROW", "->")]
    return s.error(
        "an arrow is written without a space",
        "write `->`",
        *(s.tokens[i : i + 2] for i in positions),
        replacement=[replacement],
    )


def assigned_in_place(s: UnknownStatement) -> DialectHint | None:
    """`x += 1`, `i++`."""
    if not s.types("NAME", "FOREIGN"):
        return None
    name, symbol, *value = s.tokens
    if symbol in ("++", "--") and not value:
        rest = f"{symbol[0]} 1"
    elif symbol.endswith("=") and len(symbol) < 4 and value and symbol[:-1] not in ("|", "&", "^", "."):
        simple = len(value) == 1 or all(t.type in (*VALUES, "ARROW", "STAR", "SLASH") for t in value)
        rest = f"{symbol[:-1]} {s.text(value) if simple else f'({s.text(value)})'}"
    else:
        return None
    return s.error("a name is bound again with `=`", f"write `{name} = {name} {rest}`", s.tokens)


def decimal_comma(s: UnknownStatement) -> DialectHint | None:
    """`test = 0,2`."""
    if not s.types("NAME", "EQUAL", "NUMBER", "COMMA", "NUMBER") or len(s.tokens) != 5:
        return None
    _, _, whole, comma, rest = s.tokens
    if whole != "0" or not rest.isdigit() or not adjacent(whole, comma) or not adjacent(comma, rest):
        return None
    number = f"0.{rest}"
    replacement = [*s.tokens[:2], retyped(whole, "NUMBER", number)]
    return s.error(COMMA, f"write `{number}`", s.tokens[2:], code="E0105", replacement=[replacement])


def unit(s: UnknownStatement) -> DialectHint | None:
    """`epochs = 30 epochs`."""
    if not s.types("NAME", "EQUAL", "NUMBER", "NAME") or len(s.tokens) != 4 or not s.section:
        return None
    if s.tokens[2].line != s.tokens[3].line:
        return None
    return s.error("a number has no unit", "leave it out", s.tokens[3:], replacement=[s.tokens[:3]])


def stage_without_brackets(s: UnknownStatement) -> DialectHint | None:
    """`x -> dense 32 -> conv 16 3`."""
    for i, (arrow, name) in enumerate(pairwise(s.tokens)):
        begin = end = i + 2
        while end < len(s.tokens) and s.tokens[end].type == "NUMBER" and s.tokens[end].line == name.line:
            end += 1
        if arrow.type != "ARROW" or name.type != "NAME" or begin == end:
            continue
        numbers = s.tokens[begin:end]
        inside: Tokens = [numbers[0]]
        for number in numbers[1:]:
            inside += [retyped(number, "COMMA", ","), number]
        opener, closer = retyped(numbers[0], "LPAR", "("), retyped(numbers[-1], "RPAR", ")")
        replacement = [*s.tokens[:begin], opener, *inside, closer, *s.tokens[end:]]
        help = f"write `{name}({', '.join(map(str, numbers))})`"
        message = "the settings of a stage are written in brackets"
        return s.error(message, help, s.tokens[begin - 1 : end], replacement=[replacement])
    return None


def stage_with_braces(s: UnknownStatement) -> DialectHint | None:
    """`x -> dense{16}`."""
    for arrow, name, brace, closer in zip(s.tokens, s.tokens[1:], s.tokens[2:], s.tokens[3:], strict=False):
        types = (arrow.type, name.type, brace.type, closer.type)
        if (
            types == ("ARROW", "NAME", "LBRACE", "RBRACE")
            and adjacent(name, brace)
            and closer.line == name.line
        ):
            given = s.source.text[brace.end_pos : closer.start_pos].strip()
            message = "the settings of a stage are written in round brackets"
            return s.error(message, f"write `{name}({given})`", [name, closer])
    return None


def number_with_commas(s: UnknownStatement) -> DialectHint | None:
    """`1,000`."""
    for i, (a, comma, b) in enumerate(zip(s.tokens, s.tokens[1:], s.tokens[2:], strict=False)):
        whole = a.type == b.type == "NUMBER" and len(b) == 3 and a.isdigit() and b.isdigit()
        if whole and a != "0" and comma.type == "COMMA" and adjacent(a, comma) and adjacent(comma, b):
            replacement = [*s.tokens[:i], retyped(a, "NUMBER", f"{a}{b}"), *s.tokens[i + 3 :]]
            return s.error(
                "a number has no commas", f"write `{a}_{b}`", s.tokens[i : i + 3], replacement=[replacement]
            )
    return None


def string_with_prefix(s: UnknownStatement) -> DialectHint | None:
    """`f"..."`, `r"..."`."""
    for i, (a, b) in enumerate(pairwise(s.tokens)):
        if (
            a.type == "NAME"
            and b.type == "STRING"
            and adjacent(a, b)
            and a.lower() in ("r", "b", "u", "f", "rb")
        ):
            replacement = [*s.tokens[:i], *s.tokens[i + 1 :]]
            help = f"write `{b}`" if "{" not in b else "a string has no placeholders: `+` joins two strings"
            return s.error("a string has no prefix", help, [a, b], replacement=[replacement])
    return None


def is_none(s: UnknownStatement) -> DialectHint | None:
    """`x is none`, `x is not none`."""
    for i, token in enumerate(s.tokens):
        if token == "is" and token.type == "NAME" and 0 < i < len(s.tokens) - 1:
            width = 2 if s.tokens[i + 1].type == "NOT" else 1
            symbol = "!=" if width == 2 else "=="
            replacement = [*s.tokens[:i], retyped(token, "COMPARE", symbol), *s.tokens[i + width :]]
            return s.error(
                "values are compared with `==` and `!=`",
                f"write `{symbol}`",
                s.tokens[i : i + width],
                replacement=[replacement],
            )
    return None


def choice(s: UnknownStatement) -> DialectHint | None:
    """`c ? a : b`."""
    at = next(((i, level) for i, t, level in levels(s.tokens) if t == "?" and t.type == "UNEXPECTED"), None)
    if at is None:
        return None
    mark, level = at
    ends = ("EQUAL", "COMMA", "LPAR", "LSQB", "ARROW", "RETURN", "RPAR", "RSQB")
    around = {i: t for i, t, deep in levels(s.tokens) if deep <= level}
    first = max((i for i in around if i < mark and around[i].type in ends[:6] and (
        around[i].type not in ("LPAR", "LSQB") or i == mark - 1 or level > 0)), default=-1) + 1  # fmt: skip
    colon = next((i for i in around if i > mark and around[i].type == "COLON"), 0)
    last = next((i for i in around if i > colon and around[i].type in ends[1:]), len(s.tokens))
    parts = s.tokens[first:mark], s.tokens[mark + 1 : colon], s.tokens[colon + 1 : last]
    if not colon or not all(parts):
        return None
    message = "a choice is written `a if condition else b`"
    condition, value, other = parts
    words = [retyped(s.tokens[mark], "IF", "if"), retyped(s.tokens[colon], "ELSE", "else")]
    replacement = [*s.tokens[:first], *value, words[0], *condition, words[1], *other, *s.tokens[last:]]
    return s.error(
        message,
        f"write `{s.text(value)} if {s.text(condition)} else {s.text(other)}`",
        s.tokens[first:last],
        replacement=[replacement],
    )
