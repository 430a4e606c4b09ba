"""`param`: values of the file that a command can override."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler import static, syntax
from dlc.compiler.definitions.definition import Definition
from dlc.compiler.definitions.parameter_types import Reject, describe
from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.diagnostics.quoting import listed

if TYPE_CHECKING:
    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.elaborate.context import Evaluator

PLAIN = "a param is a number, text, true, false or a list"


def value(ev: Evaluator, statement: syntax.Param) -> Any:
    """The value that a command set for the param, or its default."""
    name, value = statement.name.id, ev.evaluate(statement.value)
    help = f"leave `param` out: `{name} = {shown(statement.value)}` gives it a name"
    own = plain(ev, value, statement.value.span, f"{PLAIN}, found ", help)
    if not ev.scope.top or ev.scope.file.source is not ev.state.sources[0] or name not in ev.state.overrides:
        return own
    given = plain(ev, ev.state.overrides[name], statement.name.span, f"{PLAIN}, and `{name}` was set to ", "")
    if not same_kind(own, given):
        raise ev.fail("E0403", statement.name.span,
                      f"`{name}` was set to {describe(given)}, and its own value is {describe(own)}",
                      help="set a value of the same kind")  # fmt: skip
    if isinstance(own, (float, list, tuple)):
        return type(own)(given)
    return given


def plain(ev: Evaluator, value: Any, span: Span, before: str, help: str) -> Any:
    """A valid value of a param. The error message for any other value starts with `before`."""
    try:
        return static.plain(value)
    except Reject as reject:
        raise ev.fail(reject.code, span, before + reject.message, help=help) from None


def shown(expr: syntax.Expr) -> str:
    return expr.span.text if len(expr.span.text) <= 40 and "\n" not in expr.span.text else "..."


def same_kind(own: Any, given: Any) -> bool:
    if isinstance(own, bool) or isinstance(given, bool):
        return isinstance(own, bool) and isinstance(given, bool)
    if isinstance(own, float):
        return isinstance(given, (int, float))
    if isinstance(own, (list, tuple)):
        return isinstance(given, (list, tuple))
    return own is None or isinstance(given, type(own))


def reject_unknown(ev: Evaluator) -> None:
    """Report values that were set for params that the file does not have."""
    known = ev.scope.file.params
    for name in ev.state.overrides:
        if name not in known:
            name = str(name)
            ev.state.problems.add(Diagnostic("E0301", f"the spec has no param `{name}`", (),
                                             help=ev.state.nearest.did_you_mean(name, lambda: known)
                                                  or section_setting_fix(name)
                                                  or (f"its params are {listed(known)}" if known
                                                      else "this spec declares no params")))  # fmt: skip


def section_setting_fix(name: str) -> str:
    """The fix for a setting of a section that is set as a param. Empty for other names."""
    sections = Definition.families["section"].values()
    return next((f"did you mean `{s.name}.{name}`?" for s in sections if name in s.settings), "")
