"""The declaration of average nets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler import syntax
from dlc.compiler.definitions.parameter_types import MemberOf, Reject
from dlc.compiler.elaborate import arguments, declarations
from dlc.compiler.elaborate.values import AverageTemplate

if TYPE_CHECKING:
    from collections.abc import Container

    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.elaborate.context import Evaluator
    from dlc.compiler.elaborate.values import Halt

AVERAGE = MemberOf("net", "an average of a net, `average(g, decay=0.99)`")


def declare(ev: Evaluator, statement: syntax.AverageNet, averages: Container[str]) -> None:
    """Declare `net h = average(g)`. `averages` are the names of all average nets of the file."""
    declarations.require_valid(ev, statement.name)
    for argument in statement.value.arguments if isinstance(statement.value, syntax.Call) else ():
        if isinstance(argument.value, syntax.Name) and argument.value.id in averages:
            raise of_average(ev, argument.value.id, argument.value.span)
    value = arguments.read(ev, AVERAGE, statement.value)
    try:
        average = AVERAGE.accept(value)
    except Reject as reject:
        help = f"give it a body: `net {statement.name.id}(x) {{ return x -> ... }}`"
        raise ev.fail("E0403", statement.value.span, reject.message, help=help) from None
    source = average.net.template
    if isinstance(source, AverageTemplate):
        raise of_average(ev, source.name, average.spans["net"])
    if average.net.settings is not None or average.net.given:
        message = f"`average` takes the net `{source.name}` without arguments"
        help = f"write `average({source.name})`, and give them where `{statement.name.id}` is used"
        raise ev.fail("E0403", average.spans["net"], message, help=help)
    template = AverageTemplate(source.declaration, source.home, statement.name, source, average)
    ev.scope.file.templates[statement.name.id] = template
    if ev.scope is ev.state.top:
        ev.builder.net_name(template)


def of_average(ev: Evaluator, name: str, span: Span) -> Halt:
    message = f"`{name}` is an average net, and the average of an average does not exist"
    return ev.fail("E0403", span, message, help="average the net that it follows")
