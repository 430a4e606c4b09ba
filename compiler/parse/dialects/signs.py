"""Signs of other languages, and words with letters of other alphabets."""

from __future__ import annotations

from itertools import pairwise

from dlc.compiler.diagnostics.confusables import foreign_letters, latin
from dlc.compiler.parse.dialects.statement import VALUES, Found, Tokens, UnknownStatement, levels, touch
from dlc.compiler.parse.tokens import DECLARATIONS, RESERVED, SECTIONS, retyped

COMMA = "a number has a decimal point, and no comma"


def disguised_word(s: UnknownStatement) -> Found | None:
    """A word of the language with a letter of another alphabet in it."""
    for i, token in enumerate(s.tokens):
        plain = latin(token)
        is_word = plain.upper() in RESERVED or (i == 0 and plain in DECLARATIONS | SECTIONS)
        if token.type == "NAME" and plain != token and is_word:
            kind = plain.upper() if plain.upper() in RESERVED else "NAME"
            instead = [*s.tokens[:i], retyped(token, kind, plain), *s.tokens[i + 1 :]]
            return s.tell(
                f"`{token}` is not the word `{plain}`",
                f"write `{plain}`: it holds {foreign_letters(token)}",
                [token],
                instead=[instead],
            )
    return None


def pipe(s: UnknownStatement) -> Found | None:
    """`x | f`, and `a | b` of conditions."""
    bars = [i for i, token in enumerate(s.tokens) if token == "|" and token.type == "UNEXPECTED"]
    if not bars or any(i == 0 or s.tokens[i - 1].type not in (*VALUES, "RPAR", "RSQB") for i in bars):
        return None
    logic = any(t.type in ("COMPARE", "AND", "OR", "NOT", "TRUE", "FALSE", "IF") for t in s.tokens)
    sign, kind = ("or", "OR") if logic else ("->", "ARROW")
    places = set(bars)
    instead = [retyped(t, kind, sign) if i in places else t for i, t in enumerate(s.tokens)]
    help = f"write `{sign}`" + ("" if logic else " between the stages of a flow")
    return s.tell(
        "`|` means nothing here", help, *([s.tokens[i]] for i in bars), code="E0101", instead=[instead]
    )


def left_arrow(s: UnknownStatement) -> Found | None:
    """`y <- f <- x`."""
    signs = [i for i, (a, b) in enumerate(pairwise(s.tokens)) if a == "<" and b == "-" and touch(a, b)]
    if (
        not signs
        or not signs[0]
        or any(touch(*s.tokens[i + 1 : i + 3]) for i in signs if i + 2 < len(s.tokens))
    ):
        return None
    if signs[-1] + 2 == len(s.tokens):
        return None
    parts = [
        s.tokens[a:b] for a, b in zip([0, *(i + 2 for i in signs)], [*signs, len(s.tokens)], strict=True)
    ]
    steps = " -> ".join(s.text(part) for part in reversed(parts))
    marks = [s.tokens[i : i + 2] for i in signs]
    message = "a flow is written from left to right, with `->`"
    if any(t.type in ("ARROW", "EQUAL") for t in s.tokens):
        return s.tell(message, "a value is given a name with `=`: `h = x -> f`", *marks)
    turned: Tokens = []
    for part, sign in zip(reversed(parts), [*reversed(signs), None], strict=True):
        turned += part if sign is None else [*part, retyped(s.tokens[sign], "ARROW", "->")]
    return s.tell(message, f"write `{steps}`", s.tokens, instead=[turned])


def greater_for_arrow(s: UnknownStatement) -> Found | None:
    """`x > f > y`."""
    signs = [i for i, token in enumerate(s.tokens) if token.type == "COMPARE"]
    if len(signs) < 2 or any(s.tokens[i] != ">" for i in signs) or s.section == "expect" or s.types("IF"):
        return None
    places = set(signs)
    instead = [retyped(t, "ARROW", "->") if i in places else t for i, t in enumerate(s.tokens)]
    return s.tell("`>` compares", "write `->`", *([s.tokens[i]] for i in signs), instead=[instead])


def torn_arrow(s: UnknownStatement) -> Found | None:
    """`x - > f`."""
    tears = [i for i, (a, b) in enumerate(pairwise(s.tokens)) if a == "-" and b == ">" and b.line == a.line]
    if not tears:
        return None
    instead = list(s.tokens)
    for i in reversed(tears):
        instead[i : i + 2] = [retyped(instead[i], "ARROW", "->")]
    return s.tell(
        "an arrow is one sign", "write `->`", *(s.tokens[i : i + 2] for i in tears), instead=[instead]
    )


def assigned_in_place(s: UnknownStatement) -> Found | None:
    """`x += 1`, `i++`."""
    if not s.types("NAME", "FOREIGN"):
        return None
    name, sign, *value = s.tokens
    if sign in ("++", "--") and not value:
        rest = f"{sign[0]} 1"
    elif sign.endswith("=") and len(sign) < 4 and value and sign[:-1] not in ("|", "&", "^", "."):
        simple = len(value) == 1 or all(t.type in (*VALUES, "ARROW", "STAR", "SLASH") for t in value)
        rest = f"{sign[:-1]} {s.text(value) if simple else f'({s.text(value)})'}"
    else:
        return None
    return s.tell("a name is bound again with `=`", f"write `{name} = {name} {rest}`", s.tokens)


def decimal_comma(s: UnknownStatement) -> Found | None:
    """`test = 0,2`."""
    if not s.types("NAME", "EQUAL", "NUMBER", "COMMA", "NUMBER") or len(s.tokens) != 5:
        return None
    _, _, whole, comma, rest = s.tokens
    if whole != "0" or not rest.isdigit() or not touch(whole, comma) or not touch(comma, rest):
        return None
    number = f"0.{rest}"
    instead = [*s.tokens[:2], retyped(whole, "NUMBER", number)]
    return s.tell(COMMA, f"write `{number}`", s.tokens[2:], code="E0105", instead=[instead])


def unit(s: UnknownStatement) -> Found | None:
    """`epochs = 30 epochs`."""
    if not s.types("NAME", "EQUAL", "NUMBER", "NAME") or len(s.tokens) != 4 or not s.section:
        return None
    if s.tokens[2].line != s.tokens[3].line:
        return None
    return s.tell("a number stands without a unit", "leave it out", s.tokens[3:], instead=[s.tokens[:3]])


def stage_without_brackets(s: UnknownStatement) -> Found | None:
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
        instead = [*s.tokens[:begin], opener, *inside, closer, *s.tokens[end:]]
        help = f"write `{name}({', '.join(map(str, numbers))})`"
        message = "the settings of a stage stand in brackets"
        return s.tell(message, help, s.tokens[begin - 1 : end], instead=[instead])
    return None


def stage_with_braces(s: UnknownStatement) -> Found | None:
    """`x -> dense{16}`."""
    for arrow, name, brace, closer in zip(s.tokens, s.tokens[1:], s.tokens[2:], s.tokens[3:], strict=False):
        types = (arrow.type, name.type, brace.type, closer.type)
        if types == ("ARROW", "NAME", "LBRACE", "RBRACE") and touch(name, brace) and closer.line == name.line:
            given = s.source.text[brace.end_pos : closer.start_pos].strip()
            message = "the settings of a stage stand in round brackets"
            return s.tell(message, f"write `{name}({given})`", [name, closer])
    return None


def number_with_commas(s: UnknownStatement) -> Found | None:
    """`1,000`."""
    for i, (a, comma, b) in enumerate(zip(s.tokens, s.tokens[1:], s.tokens[2:], strict=False)):
        whole = a.type == b.type == "NUMBER" and len(b) == 3 and a.isdigit() and b.isdigit()
        if whole and a != "0" and comma.type == "COMMA" and touch(a, comma) and touch(comma, b):
            instead = [*s.tokens[:i], retyped(a, "NUMBER", f"{a}{b}"), *s.tokens[i + 3 :]]
            return s.tell(
                "a number has no commas", f"write `{a}_{b}`", s.tokens[i : i + 3], instead=[instead]
            )
    return None


def string_with_prefix(s: UnknownStatement) -> Found | None:
    """`f"..."`, `r"..."`."""
    for i, (a, b) in enumerate(pairwise(s.tokens)):
        if (
            a.type == "NAME"
            and b.type == "STRING"
            and touch(a, b)
            and a.lower() in ("r", "b", "u", "f", "rb")
        ):
            instead = [*s.tokens[:i], *s.tokens[i + 1 :]]
            help = f"write `{b}`" if "{" not in b else "a text holds no values: `+` joins two texts"
            return s.tell("a text has nothing before its quotes", help, [a, b], instead=[instead])
    return None


def is_none(s: UnknownStatement) -> Found | None:
    """`x is none`, `x is not none`."""
    for i, token in enumerate(s.tokens):
        if token == "is" and token.type == "NAME" and 0 < i < len(s.tokens) - 1:
            width = 2 if s.tokens[i + 1].type == "NOT" else 1
            sign = "!=" if width == 2 else "=="
            instead = [*s.tokens[:i], retyped(token, "COMPARE", sign), *s.tokens[i + width :]]
            return s.tell(
                "values are compared with signs",
                f"write `{sign}`",
                s.tokens[i : i + width],
                instead=[instead],
            )
    return None


def choice(s: UnknownStatement) -> Found | None:
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
    instead = [*s.tokens[:first], *value, words[0], *condition, words[1], *other, *s.tokens[last:]]
    return s.tell(
        message,
        f"write `{s.text(value)} if {s.text(condition)} else {s.text(other)}`",
        s.tokens[first:last],
        instead=[instead],
    )
