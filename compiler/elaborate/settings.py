"""Settings: each found by its name, its value read as its kind asks, and checked."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.definitions import aliases
from dlc.compiler.definitions.definition import Definition, Setting
from dlc.compiler.definitions.parameter_types import OneOf, ParameterType, Reject, Text, describe
from dlc.compiler.definitions.tensor_parameter_types import TensorValue
from dlc.compiler.definitions.unimplemented import later, not_built
from dlc.compiler.diagnostics.suggest import did_you_mean
from dlc.compiler.elaborate import foreign_calls, members
from dlc.compiler.elaborate.values import Halt, OutputRef

if TYPE_CHECKING:
    from collections.abc import Callable

    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.elaborate.evaluate import Evaluator


ACTIVATION = "an activation is a stage of its own, behind it: `-> relu`"


def named_setting(
    ev: Evaluator,
    definition: type[Definition],
    argument: syntax.Argument,
    values: dict[str, Any],
    call: syntax.Call | None = None,
) -> Setting:
    """The setting of that name."""
    name, place = argument.name or "", argument.name_span or argument.value.span
    if name in later(definition.name):
        raise ev.refuse(place, not_built(definition.name, name))
    declared = definition.settings.get(name)
    if declared is None:
        raise no_setting(ev, definition, argument, call)
    if name in values:
        of_size = call and aliases.OWN_SIZE.get(definition.name)
        why = "if the first number says how many flow in, take that one out" if of_size else ""
        raise ev.fail("E0407", place, f"`{name}` is given twice", help=why)
    return declared


def no_setting(
    ev: Evaluator, definition: type[Definition], argument: syntax.Argument, call: syntax.Call | None
) -> Halt:
    name, place = argument.name or "", argument.name_span or argument.value.span
    in_order = sorted(definition.settings.values(), key=lambda s: s.keyword)
    listed = ", ".join(f"`{s.name}`" for s in in_order)
    help = aliases.setting(name, definition.settings)
    if help.startswith("leave it out"):
        place = place.to(argument.value.span)
    if not help and name == "activation" and call:
        help = f"write `{written}`" if (written := foreign_calls.call(ev, call)) else ACTIVATION
    if name == "betas" and isinstance(argument.value, (syntax.TupleExpr, syntax.ListExpr)):
        place = place.to(argument.value.span)
        pairs = zip(("beta1", "beta2"), argument.value.items, strict=False)
        help = f"write `{', '.join(f'{beta}={value.span.text}' for beta, value in pairs)}`"
    help = help or did_you_mean(name, definition.settings)
    otherwise = f"its settings are {listed}" if listed else "it has no settings"
    message = f"`{definition.name}` has no setting `{name}`"
    halt = ev.fail("E0402", place, message, help=help or otherwise)
    if meant := aliases.called(name, definition.settings):
        with suppress(Halt):  # its value is looked at as that of the one that is meant
            setting_value(ev, definition, definition.settings[meant], argument.value)
    return halt


def too_many(definition: type[Definition], positional: list[Setting], value: Any) -> str:
    if not definition.settings:
        return f"`{definition.name}` has no settings, found {describe(value)}"
    if not positional:
        return f"the settings of `{definition.name}` are given by name, found {describe(value)}"
    settings = "1 setting that goes" if len(positional) == 1 else f"{len(positional)} settings that go"
    return f"`{definition.name}` has {settings} without a name, {describe(value)} is one too many"


# --- values of settings -----------------------------------------------------------------------------------


def argument_value(ev: Evaluator, declared: Setting | None, expr: syntax.Expr) -> Any:
    return ev.evaluate(expr) if declared is None else directed_value(ev, declared.kind, expr)


def setting_value(ev: Evaluator, definition: type[Definition], declared: Setting, expr: syntax.Expr) -> Any:
    """The value of a setting given by name, checked."""
    value = directed_value(ev, declared.kind, expr)
    if declared.rest and not isinstance(value, (list, tuple)):
        value = (value,)
    if declared.rest:
        return tuple(check(ev, definition, declared, v, expr.span) for v in value)
    return check(ev, definition, declared, value, expr.span)


def directed_value(ev: Evaluator, kind: ParameterType, expr: syntax.Expr) -> Any:
    """An expression where a kind is wanted: bare words and members of families come before
    the file's names. Of `a if condition else b` it is the chosen side that stands there."""
    return ev.builder.within(expr.span, _directed_value, ev, kind, expr)


def _directed_value(ev: Evaluator, kind: ParameterType, expr: syntax.Expr) -> Any:
    if isinstance(expr, syntax.Conditional):
        chosen = ev.chosen(expr)
        members.check_unchosen(ev, kind, expr.other if chosen is expr.value else expr.value, named_setting)
        return directed_value(ev, kind, chosen)
    if isinstance(expr, syntax.Name) and expr.id in kind.words:
        return expr.id
    word = kind.read(expr)
    if word is not None:
        return word
    item = kind.item()
    if isinstance(expr, (syntax.ListExpr, syntax.TupleExpr)) and item is not None:
        return ev.evaluate_all(expr.items, lambda entry: directed_value(ev, item, entry))
    if isinstance(kind, Text) and not members.known(ev, members.root_of(_first(expr))):
        raise ev.fail(
            "E0403",
            expr.span,
            f"expected {kind.describe()}, found `{expr.span.text}`",
            help=f'write `"{expr.span.text}"`',
        )
    if isinstance(expr, syntax.Binary):
        joined = joined_lists(ev, kind, expr)
        if joined is not None:
            return joined
        members.check_no_member(ev, kind, expr)
    member = members.read(ev, kind, expr, named_setting)
    if member is not None:
        return member
    if isinstance(expr, syntax.Name) and kind.words and not members.known(ev, expr.id):
        raise ev.fail(
            "E0403",
            expr.span,
            f"expected {kind.describe()}, found `{expr.id}`",
            help=members.worded(kind, expr.id) or did_you_mean(expr.id, kind.words),
        )
    return ev.evaluate(expr)


def _first(expr: syntax.Expr) -> syntax.Expr:
    """What begins a path without quotes: `data` of `data/rows.csv`."""
    while isinstance(expr, syntax.Binary) and expr.operator == "/":
        expr = expr.left
    return expr


def joined_lists(ev: Evaluator, kind: ParameterType, expr: syntax.Binary) -> list[Any] | None:
    """The entries of `[a] + [b]`; none where it is another sum."""
    sides = (expr.left, expr.right)
    if expr.operator != "+" or kind.item() is None or not any(isinstance(s, syntax.ListExpr) for s in sides):
        return None
    parts = ev.evaluate_all(sides, lambda side: directed_value(ev, kind, side))
    return [entry for part in parts for entry in part] if all(isinstance(p, list) for p in parts) else None


def check(
    ev: Evaluator,
    definition: type[Definition],
    declared: Setting,
    value: Any,
    span: Span,
    otherwise: Callable[[], str] = str,
) -> Any:
    """The value as the setting takes it; `otherwise` says what to do where the kind does not."""
    takes_tensors = isinstance(declared.kind, (TensorValue, OneOf))
    if isinstance(value, OutputRef) and takes_tensors and value.scores is not None:
        value = value.scores
    try:
        return declared.kind.accept(value)
    except Reject as reject:
        message = f"`{declared.name}` of `{definition.name}`: {reject.message}"
        raise ev.fail(
            reject.code,
            span,
            message,
            help=reject.help or members.meant(ev, declared.kind, value) or otherwise(),
        ) from None
