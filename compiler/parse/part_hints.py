"""Fixes for the first line of a `step` or a `phase`: what names may stand before its body."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from dlc.compiler.parse.token import Token

UNNAMED = {
    "step": "a step names what it trains: `step NET { ... }` or `step a, b { ... }`",
    "phase": "a phase has a name: `phase NAME { ... }`",
}


def names(first: Token, found: Token, accepts: Collection[str]) -> str:
    """`step a and b {`, `step a b {`, `step(a) {`, `phase a, b {`."""
    if first.type == "NAME" and first in UNNAMED and found.type == "LBRACE":
        return UNNAMED[str(first)]
    if first.type == "PHASE" and found.type in ("COMMA", "NAME"):
        return f"a phase has one name: {UNNAMED['phase'].rpartition(': ')[2]}"
    if first.type == "STEP" and "COMMA" in accepts and found.type in ("NAME", "AND", "PLUS"):
        return "several nets are separated by commas: `step a, b { ... }`"
    if first.type == "STEP" and found.type == "DOT":
        return "a step names whole nets, and declared weights"
    return ""
