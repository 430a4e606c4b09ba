"""Settings of definitions: which of them positional arguments fill, and the errors for other arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.definitions import aliases, other_settings
from dlc.compiler.definitions.parameter_types import describe
from dlc.compiler.diagnostics.suggest import did_you_mean
from dlc.compiler.dims.dim import Dim
from dlc.compiler.elaborate import foreign_calls, members
from dlc.compiler.elaborate.tensor_operands import not_a_tensor
from dlc.compiler.elaborate.values import Halt, InputRef, Stage, is_tensor, is_tensors
from dlc.compiler.static import FUNCTIONS_OF_SEVERAL, is_number, is_numbers

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from dlc.compiler.definitions.definition import Definition, Setting
    from dlc.compiler.definitions.parameter_types import Reject
    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.elaborate.context import Evaluator
    from dlc.compiler.elaborate.values import Operand

ACTIVATION = "an activation is a separate stage after it: `-> relu`"


def positional(definition: type[Definition]) -> list[Setting]:
    """The settings that positional arguments fill, in order."""
    every = () if definition.family == "loss" else definition.settings.values()
    return [s for s in every if not s.keyword]


def past_rest(unfilled: list[Setting], named: Container[str], left: int) -> list[Setting]:
    """The settings that the next of `left` positional arguments may fill. The settings behind one that takes
    all remaining arguments fill the last of them, as in `ahead("a", "b", 24)`."""
    if not unfilled or not unfilled[0].rest:
        return unfilled
    behind = [s for s in unfilled[1:] if s.name not in named]
    return behind if left <= len(behind) else unfilled


def takes_numbers(definition: type[Definition]) -> bool:
    """Whether positional numbers are tensor operands, because no setting takes them."""
    return definition.family in ("operator", "loss") and not positional(definition)


def is_operand(definition: type[Definition], value: Any, setting: Setting | None) -> bool:
    """Whether a positional argument is an operand instead of the value of `setting`, the next one without a
    value. A list of numbers is an operand where this setting takes no list."""
    if is_numbers(value):
        takes_list = setting is not None and (setting.rest or setting.kind.item() is not None)
        return definition.family in ("operator", "loss") and not takes_list
    is_number = isinstance(value, (int, float, Dim)) and takes_numbers(definition)
    return isinstance(value, InputRef) or is_tensor(value) or is_tensors(value) or is_number


def is_static_operand(
    definition: type[Definition], call: syntax.Call | None, value: Any, before: Sequence[Operand]
) -> bool:
    """Whether a positional number is one of several operands of a static function, as in `max(2, n)`.
    `before` are the operands before it."""
    several = definition.name in FUNCTIONS_OF_SEVERAL and call is not None and len(call.arguments) > 1
    counts = is_number(value) or isinstance(value, Dim)
    return several and counts and all(is_number(operand.value) for operand in before)


# --- errors of arguments ----------------------------------------------------------------------------------


def unknown(
    ev: Evaluator, definition: type[Definition], argument: syntax.Argument, call: syntax.Call | None
) -> Halt:
    """The error for an unknown setting."""
    name, span = argument.name or "", argument.name_span or argument.value.span
    in_order = sorted(definition.settings.values(), key=lambda s: s.keyword)
    listed = ", ".join(f"`{s.name}`" for s in in_order)
    help = aliases.setting(name, definition.settings)
    if help.startswith("leave it out"):
        span = span.to(argument.value.span)
    if not help and name == "activation" and call:
        help = f"write `{written}`" if (written := foreign_calls.translate(call)) else ACTIVATION
    if both := foreign_calls.native_pair(name, argument.value, definition):
        span = span.to(argument.value.span)
        help = f"write `{', '.join(f'{setting}={value}' for setting, value in both.items())}`"
    help = help or did_you_mean(name, definition.settings)
    otherwise = f"its settings are {listed}" if listed else "it has no settings"
    return ev.fail("E0402", span, f"`{definition.name}` has no setting `{name}`", help=help or otherwise)


def given_twice(
    ev: Evaluator, definition: type[Definition], name: str, span: Span, call: syntax.Call | None
) -> Halt:
    of_size = call and other_settings.INPUT_SIZE_ARGUMENTS.get(definition.name)
    why = "if the first number is the input size, remove it" if of_size else ""
    return ev.fail("E0407", span, f"`{name}` is given twice", help=why)


def surplus_argument(
    ev: Evaluator, definition: type[Definition], value: Any, span: Span, call: syntax.Call | None
) -> Halt:
    """The error for a positional value without a setting."""
    if isinstance(value, Stage):
        return not_a_tensor(ev, value, span)
    usage = f"write `{definition.signature()}`" if definition.settings else ""
    help = of_other_libraries(definition, call) or usage
    return ev.fail("E0404", span, too_many(definition, value), help=help)


def too_many(definition: type[Definition], value: Any) -> str:
    if not definition.settings:
        return f"`{definition.name}` has no settings, found {describe(value)}"
    count = len(positional(definition))
    if not count:
        return f"the settings of `{definition.name}` are given by name, found {describe(value)}"
    settings = "1 setting" if count == 1 else f"{count} settings"
    return f"`{definition.name}` takes {settings} without a name, and {describe(value)} is one too many"


def missing_settings(
    ev: Evaluator,
    definition: type[Definition],
    given: Container[str],
    call: syntax.Call | None,
    span: Span,
) -> Halt:
    """The error for missing required settings."""
    needed = [s.name for s in definition.settings.values() if s.required and s.name not in given]
    wanted = " and ".join(f"`{name}`" for name in needed)
    usual = f"write `{with_tensors(ev, definition.usual_call(), call) or definition.signature()}`"
    lists = [a.value for a in call.arguments if isinstance(a.value, syntax.ListExpr)] if call else []
    usual = f"`{lists[0].span.text}` is taken as its tensor; {usual}" if lists else usual
    help = tensor_for_setting(ev, call) or usual
    return ev.fail("E0405", span, f"`{definition.name}` needs {wanted}", help=help)


def with_tensors(ev: Evaluator, usual: str, call: syntax.Call | None) -> str:
    """A usual call with the tensors of a written one before its settings: `attention(memory, 4)`."""
    names = tensor_names(ev, call)
    return usual.replace("(", f"({', '.join(names)}, ", 1) if names else usual


def tensor_names(ev: Evaluator, call: syntax.Call | None) -> list[str]:
    """The names of tensors that a call gives without names of settings."""
    arguments = [a.value for a in call.arguments if a.name is None] if call else []
    names = [v.id for v in arguments if isinstance(v, syntax.Name)]
    inputs = ev.scope.file.inputs if ev.scope.top else ()
    return [name for name in names if name in inputs or is_tensor(ev.scope.names.get(name))]


def tensor_for_setting(ev: Evaluator, call: syntax.Call | None) -> str:
    """The fix for a setting that a block declares as a tensor, `block f(x, units)`."""
    names = tensor_names(ev, call)
    if ev.scope.top or len(names) != 1:
        return ""
    return f"`{names[0]}` is a tensor here; settings of a block follow `;`: `(x; {names[0]})`"


def rejected(
    ev: Evaluator,
    definition: type[Definition],
    setting: Setting,
    value: Any,
    reject: Reject,
    span: Span,
    call: syntax.Call | None,
) -> Halt:
    """The error for a value that a setting rejects. `call` is set if the argument is positional."""
    help = reject.help or members.suggestion(ev, setting.kind, value) or of_other_libraries(definition, call)
    message = f"`{setting.name}` of `{definition.name}`: {reject.message}"
    return ev.fail(reject.code, span, message, help=help)


def of_other_libraries(definition: type[Definition], call: syntax.Call | None) -> str:
    """The fix for arguments in the style of another library, as in `dense(4, 8)`."""
    written = foreign_calls.translate(call) if call else ""
    known = other_settings.INPUT_SIZE_ARGUMENTS.get(definition.name)
    return f"write `{written}`{f': {known[1]}' if known else ''}" if written else ""
