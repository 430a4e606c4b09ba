"""Left sides of bindings, and heads of blocks, in the syntax of other languages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dlc.compiler.parse.dialects.statement import (
    DialectHint,
    Tokens,
    UnknownStatement,
    closing_index,
    levels,
    split,
)
from dlc.compiler.parse.tokens import MAX_MARKS, SECTIONS, retyped

if TYPE_CHECKING:
    from dlc.compiler.parse.token import Token

MAX_SEARCHED = 5_000  # characters of a body that are searched


def typed_names(s: UnknownStatement) -> DialectHint | None:
    """`n: int = 3`; in the head of a block `x: Tensor`, `n: int = 3`."""
    of_block = s.tokens[0].type in ("BLOCK", "NET")
    followers = ("COMMA", "SEMICOLON", "RPAR", "EQUAL") if of_block else ("EQUAL",)
    found: list[tuple[int, int]] = []
    for i, token, level in levels(s.tokens):
        named = (
            token.type == "COLON" and 0 < i < len(s.tokens) - 1 and level == of_block and (of_block or i == 1)
        )
        if named and s.tokens[i - 1].type == s.tokens[i + 1].type == "NAME":
            end = i + 2
            while end < len(s.tokens) and (s.tokens[end].type == "DOT" or s.tokens[end - 1].type == "DOT"):
                end += 1
            if end < len(s.tokens) and s.tokens[end].type == "LSQB":
                end = closing_index(s.tokens, end) + 1
            if end < len(s.tokens) and s.tokens[end].type in followers:
                found.append((i, end))
    if not found:
        return None
    left_out = {i for a, b in found for i in range(a, b)}
    replacement = [t for i, t in enumerate(s.tokens) if i not in left_out]
    what = "a block takes tensors of any type" if of_block else "a binding has no type"
    return s.error(what, "leave it out", *(s.tokens[a:b] for a, b in found), replacement=[replacement])


def block_without_brackets(s: UnknownStatement) -> DialectHint | None:
    """`block f x { ... }`, `block f { ... }`."""
    if (
        s.tokens[0].type not in ("BLOCK", "NET")
        or s.tokens[2:3] == []
        or s.tokens[2].type not in ("NAME", "LBRACE")
    ):
        return None
    end = next((i for i, t in enumerate(s.tokens) if t.type == "LBRACE"), len(s.tokens))
    named = s.tokens[2:end]
    message = f"a {s.tokens[0]} names its tensors in brackets"
    if not named or any(t.type not in ("NAME", "COMMA") for t in named):
        return s.error(message, f"write it as `{s.text(s.tokens[:2])}(x) {{ ... }}`", s.tokens[1:2])
    names = [t for t in named if t.type == "NAME"]
    opener, closer = retyped(named[0], "LPAR", "("), retyped(named[-1], "RPAR", ")")
    replacement = [
        *s.tokens[:2],
        opener,
        *listed([[name] for name in names], named[0]),
        closer,
        *s.tokens[end:],
    ]
    return s.error(message, f"write `({', '.join(map(str, names))})`", named, replacement=[replacement])


def block_bound(s: UnknownStatement) -> DialectHint | None:
    """`f(x) = dense(3)(x)`, `block f(x) = dense(3)(x)`."""
    begin = 1 if s.tokens[0].type in ("BLOCK", "NET") else 0
    if [t.type for t in s.tokens[begin : begin + 2]] != ["NAME", "LPAR"] or s.section:
        return None
    end = closing_index(s.tokens, begin + 1)
    value = s.tokens[end + 2 :]
    if end + 1 >= len(s.tokens) or s.tokens[end + 1].type != "EQUAL" or not value:
        return None
    if any(t.type in ("NUMBER", "STRING", "DOT", "LBRACE") for t in s.tokens[begin:end]):
        return None
    word = str(s.tokens[0]) if begin else "block"
    head = s.text(s.tokens[begin : end + 1])
    return s.error(
        "a template has a body in braces", f"write `{word} {head} {{ return {s.text(value)} }}`", s.tokens
    )


def block_settings(s: UnknownStatement) -> DialectHint | None:
    """`block f(x, n=3)` for `block f(x; n=3)`."""
    if s.tokens[0].type not in ("BLOCK", "NET") or not s.types(s.tokens[0].type, "NAME", "LPAR"):
        return None
    end = closing_index(s.tokens, 2)
    inside = s.tokens[3:end]
    equal = next((i for i, t, level in levels(inside) if t.type == "EQUAL" and level == 0), None)
    if equal is None or any(t.type == "SEMICOLON" for t in inside[:equal]):
        return None
    parts = split(inside)
    flowing = [part for part in parts[:MAX_MARKS] if len(part) == 1 and _flows(s, part[0], end)]
    if not flowing:
        flowing = [parts[0]] if len(parts[0]) == 1 else []
    if not flowing:
        head = f"{s.text(s.tokens[:2])}(x; {', '.join(map(s.text, parts))})"
        return s.error("a block names its tensors before a `;` and its settings",
                       f"name them: `{head}`", s.tokens[2 : end + 1])  # fmt: skip
    others = [part for part in parts if part not in flowing]
    written = "; ".join(", ".join(map(s.text, group)) for group in (flowing, others))
    head = [*s.tokens[:3], *listed(flowing, inside[0])]
    head += [retyped(inside[0], "SEMICOLON", ";"), *listed(others, inside[0]), *s.tokens[end:]]
    return s.error(
        "the settings of a block are written after `;`, its tensors before it",
        f"write `({written})`",
        s.tokens[2 : end + 1],
        replacement=[head],
    )


def _flows(s: UnknownStatement, name: Token, head: int) -> bool:
    """Whether the body of a block uses a name as a tensor: before an arrow, or as an operand."""
    return flows(s.source.text[s.tokens[head].end_pos : s.tokens[-1].end_pos][:MAX_SEARCHED], name)


def flows(body: str, name: str) -> bool:
    return bool(
        re.search(
            rf"(?<![\w.]){re.escape(name)}\s*->|(?:return|=|\+)\s*{re.escape(name)}\s*(?:[-+]|\n|$)", body
        )
    )


def listed(parts: list[Tokens], place: Token) -> Tokens:
    """The parts, separated by commas."""
    made: Tokens = []
    for part in parts:
        made += [retyped(place, "COMMA", ","), *part] if made else part
    return made


def member_bound(s: UnknownStatement) -> DialectHint | None:
    """`self.fc = dense(3)`."""
    at = next((i for i, t, level in levels(s.tokens) if t.type == "EQUAL" and level == 0), 0)
    left = s.tokens[:at]
    if s.section == "expect" and at:
        help = "compare with `>=`, `<=` or `==`"
        return s.error("an expectation is a comparison", help, [s.tokens[at]])
    if at < 3 or any(t.type not in ("NAME", "DOT") for t in left):
        return None
    if str(left[0]) in SECTIONS and len(left) == 3:
        return s.error(
            "a setting is written in its section",
            f"move it there: `{left[0]} {{ {left[2]} = {s.text(s.tokens[at + 1 :])} }}`",
            s.tokens,
        )
    replacement = [left[-1], *s.tokens[at:]]
    return s.error(
        "only a name can be bound, not an attribute", f"write `{left[-1]}`", left, replacement=[replacement]
    )
