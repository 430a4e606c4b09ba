"""Decimal commas among the arguments of a call, `adam(lr=0,01)`, where they can be nothing else."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from dlc.compiler import syntax
from dlc.compiler.kinds import Reject
from dlc.compiler.source import Span

if TYPE_CHECKING:
    from collections.abc import Collection

    from dlc.compiler.definition import Definition
    from dlc.compiler.elaborate.evaluate import Evaluator
    from dlc.compiler.elaborate.values import Halt

Pair = tuple[syntax.Argument, syntax.Argument]
MESSAGE = "a number has a decimal point, and no comma"


def refuse(ev: Evaluator, definition: type[Definition], call: syntax.Call) -> Halt | None:
    """What is told of numbers such as `0,01`; none where two settings may be meant."""
    pairs = [(a, b) for a, b in pairwise(call.arguments) if _is_torn(a, b)]
    if not pairs or not (_too_many(definition, call) or any(_refused(definition, a) for a, _ in pairs)):
        return None
    halts = [
        ev.fail("E0105", a.value.span.to(b.value.span), MESSAGE, help=f"write `0.{b.value.span.text}`")
        for a, b in pairs
    ]
    return halts[0]


def _is_torn(a: syntax.Argument, b: syntax.Argument) -> bool:
    """Whether two arguments are a `0` and digits, with nothing but a comma between."""
    if b.name is not None or not all(isinstance(x.value, syntax.Literal) for x in (a, b)):
        return False
    left, right = a.value.span, b.value.span
    between = Span(left.source, left.end, right.start).text
    return left.text == "0" and between == "," and right.text.isdigit()


def _too_many(definition: type[Definition], call: syntax.Call) -> bool:
    """Whether there are more numbers without a name than settings for them."""
    named: Collection[str | None] = {a.name for a in call.arguments}
    waiting = [s for s in definition.settings.values() if not s.keyword and s.name not in named]
    numbers = [a for a in call.arguments if a.name is None and isinstance(a.value, syntax.Literal)]
    known = definition.family != "loss" and any(not s.keyword for s in definition.settings.values())
    return known and not any(s.rest for s in waiting) and len(numbers) > len(waiting)


def _refused(definition: type[Definition], argument: syntax.Argument) -> bool:
    """Whether the setting of that name cannot be 0."""
    declared = definition.settings.get(argument.name or "")
    if declared is None:
        return False
    try:
        declared.kind.accept(0)
    except Reject:
        return True
    return False
