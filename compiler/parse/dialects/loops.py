"""Loops and ranges in the syntax of other languages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.parse.dialects.statement import DialectHint, UnknownStatement
from dlc.compiler.parse.dialects.words import BINDERS
from dlc.compiler.parse.tokens import retyped

if TYPE_CHECKING:
    from dlc.compiler.parse.token import Token


def counted_loop(s: UnknownStatement) -> DialectHint | None:
    """`for (int i = 0; i < 3; i++)`, `for (i in range(3))`, `for i = 1:3`."""
    end = next((i for i, t in enumerate(s.tokens) if t.type == "LBRACE"), len(s.tokens))
    head = s.tokens[1:end]
    if (
        s.tokens[0].type != "FOR"
        or not head
        or not (head[0].type == "LPAR" or any(t.type == "EQUAL" for t in head))
    ):
        return None
    if [t.type for t in head[:3]] == ["LPAR", "NAME", "IN"] and head[-1].type == "RPAR":
        replacement = [s.tokens[0], *head[1:-1], *s.tokens[end:]]
        return s.error(
            "a loop has no brackets", f"write `{s.text(head[1:-1])}`", head, replacement=[replacement]
        )
    if [t.type for t in head[:2]] == ["NAME", "EQUAL"]:
        replacement = [*s.tokens[:2], retyped(head[1], "IN", "in"), *s.tokens[3:]]
        return s.error("a loop iterates over a list", "write `in`", [head[1]], replacement=[replacement])
    names = [t for t in head if t.type == "NAME" and str(t) not in BINDERS]
    inner = [t for t in head if t.type not in ("LPAR", "RPAR")] if head[0].type == "LPAR" else head
    below = [
        i for i, t in enumerate(inner) if t.type == "COMPARE" and t in ("<", "<=") and i + 1 < len(inner)
    ]
    first = next((inner[i + 1] for i, t in enumerate(inner[:-1]) if t.type == "EQUAL"), None)
    if names and below and first is not None:
        last = inner[below[0] + 1]
        stop = str(last) if inner[below[0]] == "<" else one_more(last)
        written = f"{names[0]} in range({stop})" if first == "0" else f"{names[0]} in range({first}, {stop})"
        return s.error("a loop iterates over a list", f"write `{written}`", head)
    return s.error("a loop iterates over a list", "it is written `for i in range(3) { ... }`", head)


def counting(s: UnknownStatement) -> DialectHint | None:
    """`for i in 0..3`, `for i in 1:3`."""
    for i, token in enumerate(s.tokens):
        spread = token.type == "FOREIGN" and token.startswith("..")
        spread = spread or (token.type in ("ELLIPSIS", "COLON") and s.tokens[0].type == "FOR")
        if not spread or not 0 < i < len(s.tokens) - 1:
            continue
        low, high = s.tokens[i - 1], s.tokens[i + 1]
        if i > 1 and s.tokens[i - 2].type == "LSQB" and token.type != "COLON":
            replacement = [*s.tokens[:i], retyped(token, "COLON", ":"), *s.tokens[i + 1 :]]
            return s.error("a slice is written `start:stop`", "write `:`", [token], replacement=[replacement])
        if {low.type, high.type} <= {"NUMBER", "NAME"} and (low.type == "NUMBER" or token.type != "COLON"):
            ends_before = token in ("..", "..<", "...") or (token == ":" and low == "0")
            stop = str(high) if ends_before else one_more(high)
            written = f"range({stop})" if low == "0" else f"range({low}, {stop})"
            end = retyped(high, high.type, high if high.type == "NAME" else stop)
            name, opener = retyped(low, "NAME", "range"), retyped(low, "LPAR", "(")
            call = [name, opener, low, retyped(token, "COMMA", ","), end, retyped(high, "RPAR", ")")]
            replacement = [*s.tokens[: i - 1], *call, *s.tokens[i + 2 :]]
            return s.error(
                "a list of numbers is made by `range`, which excludes its end",
                f"write `{written}`",
                s.tokens[i - 1 : i + 2],
                replacement=[replacement],
            )
    return None


def one_more(number: Token) -> str:
    return str(int(number) + 1) if number.isdigit() and len(number) < 10 else f"{number} + 1"
