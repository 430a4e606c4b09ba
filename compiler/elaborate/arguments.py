"""Arguments of a call: match each to a setting, read it as that parameter type, check and bind it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.definitions import aliases
from dlc.compiler.definitions.definition import Definition
from dlc.compiler.definitions.initializers import LoadInitial
from dlc.compiler.definitions.parameter_types import OneOf, Reject
from dlc.compiler.definitions.tensor_parameter_types import TensorValue
from dlc.compiler.definitions.unimplemented import not_built, unimplemented_words
from dlc.compiler.elaborate import decimal_commas, foreign_calls, loaded_constants, members, settings
from dlc.compiler.elaborate.tensor_operands import operands, unseen_input
from dlc.compiler.elaborate.values import Halt, InputRef, OutputRef

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from dlc.compiler.definitions.definition import Setting
    from dlc.compiler.definitions.parameter_types import ParameterType
    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.elaborate.context import Evaluator
    from dlc.compiler.elaborate.values import Operand


def bind(
    ev: Evaluator, definition: type[Definition], call: syntax.Call | None, span: Span
) -> tuple[Any, list[Operand], dict[str, Span]]:
    """Bind a call, or a bare name, to a definition. Returns an instance of the definition, the tensors among
    the arguments, and the span of each setting. Errors of all arguments are reported before `Halt`."""
    if call and (halt := decimal_commas.reject(ev, definition, call)):
        raise halt
    unfilled = settings.positional(definition)
    values: dict[str, list[Any]] = {}
    spans: dict[str, Span] = {}
    tensors: list[Operand] = []
    failed = position_lost = False
    named = {a.name for a in call.arguments} if call else set()
    left = sum(a.name is None for a in call.arguments) if call else 0
    for argument in call.arguments if call else ():
        by_name, expr = argument.name is not None, argument.value
        if not by_name:
            unfilled, left = settings.past_rest(unfilled, named, left), left - 1
        if position_lost and not by_name:
            continue  # its setting is unknown
        try:
            if by_name:
                setting = named_setting(ev, definition, argument, values, call)
            else:
                setting = unfilled[0] if unfilled else None
            value = read(ev, setting.kind, expr) if setting else ev.evaluate(expr)
            if not by_name and (
                settings.is_operand(definition, value, setting)
                or settings.is_static_operand(definition, call, value, tensors)
            ):
                tensors += operands(ev, value, expr)
                continue
            if setting is None:
                raise settings.surplus_argument(ev, definition, value, expr.span, call)
            entries = check(ev, definition, setting, value, expr.span, None if by_name else call)
            values.setdefault(setting.name, []).extend(entries)
            spans.setdefault(setting.name, expr.span)
            if by_name or not setting.rest:
                unfilled = [s for s in unfilled if s.name != setting.name]
        except Halt:
            failed, position_lost = True, position_lost or not by_name
    if failed:
        raise Halt
    if any(s.required and s.name not in values for s in definition.settings.values()):
        raise settings.missing_settings(ev, definition, values, call, span)
    given = {name: tuple(v) if definition.settings[name].rest else v[0] for name, v in values.items()}
    return definition(**given).placed(span, spans), tensors, spans


def named_setting(
    ev: Evaluator,
    definition: type[Definition],
    argument: syntax.Argument,
    given: Container[str],
    call: syntax.Call | None = None,
) -> Setting:
    """The setting that a named argument refers to. `given` are the settings that have a value already."""
    name, span = argument.name or "", argument.name_span or argument.value.span
    if name in unimplemented_words(definition.name):
        raise ev.reject(span, not_built(definition.name, name))
    if name not in definition.settings:
        halt = settings.unknown(ev, definition, argument, call)
        meant = aliases.called(name, definition.settings)
        if meant and not foreign_calls.native_pair(name, argument.value, definition):
            with suppress(Halt):  # check the value as that of the setting that the alias stands for
                value_of(ev, definition, definition.settings[meant], argument.value)
        raise halt
    if name in given:
        raise settings.given_twice(ev, definition, name, span, call)
    return definition.settings[name]


def value_of(ev: Evaluator, definition: type[Definition], setting: Setting, expr: syntax.Expr) -> Any:
    """Read and check the value of a setting that is given by name."""
    entries = check(ev, definition, setting, read(ev, setting.kind, expr), expr.span)
    return tuple(entries) if setting.rest else entries[0]


def check(
    ev: Evaluator,
    definition: type[Definition],
    setting: Setting,
    value: Any,
    span: Span,
    call: syntax.Call | None = None,
) -> list[Any]:
    """The entries of a value, checked and converted by the setting: one, or for a variadic setting those of a
    list that is given by name. `call` is set if the argument is positional."""
    several = call is None and setting.rest and isinstance(value, (list, tuple))
    takes_tensors = isinstance(setting.kind, (TensorValue, OneOf))
    checked = []
    for entry in value if several else (value,):
        if takes_tensors and isinstance(entry, OutputRef) and entry.scores is not None:
            entry = entry.scores
        if takes_tensors and isinstance(entry, InputRef):
            raise unseen_input(ev, entry, span)
        try:
            checked.append(setting.kind.accept(entry))
        except Reject as reject:
            raise settings.rejected(ev, definition, setting, entry, reject, span, call) from None
    return checked


# --- values of a parameter type ---------------------------------------------------------------------------


def read(ev: Evaluator, kind: ParameterType, expr: syntax.Expr) -> Any:
    """Evaluate an expression as a value of a parameter type. Its bare words and members take precedence over
    the names of the file. Of `a if condition else b`, the chosen side is read."""
    return ev.builder.within(expr.span, _read, ev, kind, expr)


def _read(ev: Evaluator, kind: ParameterType, expr: syntax.Expr) -> Any:
    item = kind.item()
    if isinstance(expr, syntax.Conditional):
        chosen = ev.chosen(expr)
        check_unchosen(ev, kind, expr.other if chosen is expr.value else expr.value)
        value = read(ev, kind, chosen)
    elif (written := kind.read(expr)) is not None:
        value = written
    elif item is not None and isinstance(expr, (syntax.ListExpr, syntax.TupleExpr)):
        value = ev.evaluate_all(expr.items, lambda entry: read(ev, item, entry))
    elif (entries := joined_lists(ev, kind, expr)) is not None:
        value = entries
    elif (definition := members.named(kind, expr)) is not None:
        value = member(ev, definition, expr)
    else:
        check_names(ev, kind, expr, members.check)
        value = ev.evaluate(expr)
    return value


def joined_lists(ev: Evaluator, kind: ParameterType, expr: syntax.Expr) -> list[Any] | None:
    """The entries of `[a] + [b]` where a list is expected; `None` for any other expression."""
    sides = (expr.left, expr.right) if isinstance(expr, syntax.Binary) and expr.operator == "+" else ()
    if kind.item() is None or not any(isinstance(side, syntax.ListExpr) for side in sides):
        return None
    parts = ev.evaluate_all(sides, lambda side: read(ev, kind, side))
    return [entry for part in parts for entry in part] if all(isinstance(p, list) for p in parts) else None


def member(ev: Evaluator, definition: type[Definition], expr: syntax.Expr) -> Any:
    """An instance of a family member, from its name, `adam`, or from a call, `adam(lr=0.1)`."""
    call = expr if isinstance(expr, syntax.Call) else None
    made, tensors, _ = bind(ev, definition, call, expr.span)
    if tensors:
        raise members.takes_no_tensor(ev, definition, tensors[0].span)
    return loaded_constants.found(ev, made) if isinstance(made, LoadInitial) else made


def check_unchosen(ev: Evaluator, kind: ParameterType, expr: syntax.Expr) -> None:
    """Check the names in the side of a conditional that is not compiled."""
    if isinstance(expr, syntax.Conditional):
        check_unchosen(ev, kind, expr.value)
        check_unchosen(ev, kind, expr.other)
    else:
        check_names(ev, kind, expr, members.check_head)


def check_names(
    ev: Evaluator,
    kind: ParameterType,
    expr: syntax.Expr,
    rule: Callable[[Evaluator, ParameterType, syntax.Expr], None],
) -> None:
    """Check the names of an expression by a rule. If it calls an unknown name that is an alias of a member,
    check the settings too, as those of that member."""
    try:
        rule(ev, kind, expr)
    except Halt:
        named = [a for a in expr.arguments if a.name is not None] if isinstance(expr, syntax.Call) else []
        for definition in members.aliased_members(kind, expr) if named else ():
            for argument in named:
                with suppress(Halt):
                    named_setting(ev, definition, argument, ())
        raise
