"""The formulas of regularizers and schedules as Python expressions."""

from __future__ import annotations

from typing import Any

from dlc.compiler.lower.python_code import WIDTH, inline, lines, text
from dlc.compiler.lower.symbolic import Symbol, TorchRecorder, inlined


class PenaltyRecorder(TorchRecorder):
    """`F` for regularizers. The dot product of a weight with itself is written as a sum of squares."""

    def dot(self, a: Symbol, b: Symbol) -> Symbol:
        return Symbol(self, text("weight")).square().sum()


def penalty(regularizer: Any) -> str:
    """The term that a regularizer adds for one weight."""
    recorder = PenaltyRecorder()
    term = regularizer.torch(recorder, [Symbol(recorder, text("weight"))])
    return inline(inlined(term._code, recorder.statements))


def rate_lines(formula: str) -> list[str]:
    """The body of `rate`. A conditional expression becomes an `if` statement."""
    first, condition, rest = formula.partition(" if ")
    test, _, other = rest.partition(" else ")
    if condition:
        return [f"    if {test}:", *lines(text(first), 8, "return "), *rate_lines(other)]
    whole = f"    return {formula}"
    return [whole] if len(whole) <= WIDTH else ["    return (", f"        {formula}", "    )"]
