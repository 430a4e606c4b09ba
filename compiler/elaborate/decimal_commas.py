"""Decimal commas in the arguments of a call, `adam(lr=0,01)`, where no other reading is valid."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.definitions.parameter_types import Reject
from dlc.compiler.diagnostics.source import Span

if TYPE_CHECKING:
    from dlc.compiler.definitions.definition import Definition, Setting
    from dlc.compiler.elaborate.context import Evaluator
    from dlc.compiler.elaborate.values import Halt

MESSAGE = "a number is written with a decimal point, not with a comma"


def reject(ev: Evaluator, definition: type[Definition], call: syntax.Call) -> Halt | None:
    """Report numbers such as `0,01`. Returns `None` if they can be two settings."""
    pairs = [
        (a, b)
        for a, b in pairwise(call.arguments)
        if _is_split_number(a, b) and _joins(definition, call, a, b)
    ]
    if not pairs or not (_misfits(definition, call) or any(_rejects_zero(definition, a) for a, _ in pairs)):
        return None
    halts = [
        ev.fail("E0105", a.value.span.to(b.value.span), MESSAGE, help=f"write `0.{b.value.span.text}`")
        for a, b in pairs
    ]
    return halts[0]


def _is_split_number(a: syntax.Argument, b: syntax.Argument) -> bool:
    """Whether two arguments are a `0` and digits, separated only by a comma."""
    if b.name is not None or not all(isinstance(x.value, syntax.Literal) for x in (a, b)):
        return False
    left, right = a.value.span, b.value.span
    between = Span(left.source, left.end, right.start).text
    return left.text == "0" and between == "," and right.text.isdigit()


def _joins(definition: type[Definition], call: syntax.Call, a: syntax.Argument, b: syntax.Argument) -> bool:
    """Whether the setting of the first argument takes the decimal number."""
    declared = definition.settings.get(a.name or "")
    if a.name is None:
        unfilled = _positional(definition, call)
        position = [x for x in call.arguments if x.name is None].index(a)
        declared = unfilled[position] if position < len(unfilled) else None
    return declared is not None and _takes(declared, float(f"0.{b.value.span.text}"))


def _positional(definition: type[Definition], call: syntax.Call) -> list[Setting]:
    """The settings that positional arguments fill."""
    named = {a.name for a in call.arguments}
    return [s for s in definition.settings.values() if not s.keyword and s.name not in named]


def _misfits(definition: type[Definition], call: syntax.Call) -> bool:
    """Whether the positional numbers are too many, or not accepted by their settings."""
    unfilled = _positional(definition, call)
    if definition.family == "loss" or any(s.rest for s in unfilled):
        return False
    if all(s.keyword for s in definition.settings.values()):  # the numbers are tensor operands
        return False
    numbers = [a.value for a in call.arguments if a.name is None and isinstance(a.value, syntax.Literal)]
    return len(numbers) > len(unfilled) or not all(
        _takes(setting, number.value) for setting, number in zip(unfilled, numbers, strict=False)
    )


def _rejects_zero(definition: type[Definition], argument: syntax.Argument) -> bool:
    """Whether the named setting does not take 0."""
    declared = definition.settings.get(argument.name or "")
    return declared is not None and not _takes(declared, 0)


def _takes(setting: Setting, value: Any) -> bool:
    try:
        setting.kind.accept(value)
    except Reject:
        return False
    return True
