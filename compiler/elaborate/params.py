"""`param`: values of the file that a command may set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.definition import Definition
from dlc.compiler.diagnostics import Diagnostic
from dlc.compiler.kinds import describe
from dlc.compiler.suggest import listed

if TYPE_CHECKING:
    from dlc.compiler.elaborate.evaluate import Evaluator


def value(ev: Evaluator, statement: syntax.Param) -> Any:
    """The value that was set for the param, or its own."""
    own = ev.evaluate(statement.value)
    if not isinstance(own, (bool, int, float, str, list, tuple)) and own is not None:
        raise ev.fail(
            "E0403",
            statement.value.span,
            f"a param is a number, text, true, false or a list, found {describe(own)}",
        )
    name = statement.name.id
    if not ev.scope.top or ev.scope.file.source is not ev.e.sources[0] or name not in ev.e.overrides:
        return own
    given = ev.e.overrides[name]
    if not same_kind(own, given):
        raise ev.fail("E0403", statement.name.span,
                      f"`{name}` was set to {describe(given)}, and its own value is {describe(own)}",
                      help="set a value of the same kind")  # fmt: skip
    return float(given) if isinstance(own, float) and not isinstance(given, float) else given


def same_kind(own: Any, given: Any) -> bool:
    if isinstance(own, bool) or isinstance(given, bool):
        return isinstance(own, bool) and isinstance(given, bool)
    if isinstance(own, float):
        return isinstance(given, (int, float))
    if isinstance(own, (list, tuple)):
        return isinstance(given, (list, tuple))
    return own is None or isinstance(given, type(own))


def refuse_unknown(ev: Evaluator) -> None:
    """Every value that was set has to be a param of the file."""
    known = ev.scope.file.params
    for name in ev.e.overrides:
        if name not in known:
            ev.e.problems.add(Diagnostic("E0301", f"the spec has no param `{name}`", (),
                                         help=ev.e.nearest.did_you_mean(name, lambda: known)
                                              or for_section(name)
                                              or (f"its params are {listed(known)}" if known
                                                  else "it has none")))  # fmt: skip


def for_section(name: str) -> str:
    """The mend for a setting of a section that is given as a param; empty for another name."""
    for section in Definition.families["section"].values():
        if name in section.settings:
            return f"declare `param {name} = ...` and write `{name} = {name}` in `{section.name}`"
    return ""
