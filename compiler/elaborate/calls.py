"""Calls: arguments into tensors and settings, each setting checked against its declaration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.definition import Definition, Setting, spell_value
from dlc.compiler.elaborate import flow
from dlc.compiler.elaborate.scope import FUNCTIONS
from dlc.compiler.elaborate.static import MAX_LIST
from dlc.compiler.elaborate.values import (
    BlockStage,
    DefinedStage,
    Halt,
    Operand,
    OutputRef,
    Stage,
    Template,
    is_tensor,
    is_tensors,
)
from dlc.compiler.kinds import Kind, Reject, describe
from dlc.compiler.operators.base import Operator
from dlc.compiler.suggest import did_you_mean

if TYPE_CHECKING:
    from dlc.compiler.elaborate.evaluate import Evaluator
    from dlc.compiler.source import Span


def call(ev: Evaluator, expr: syntax.Call) -> Any:
    function = expr.function
    if isinstance(function, syntax.Name):
        if function.id in FUNCTIONS and function.id not in ev.scope.names:
            return plain_function(ev, function.id, expr)
        target = ev.lookup(function.id, function.span)
        if isinstance(target, type) and issubclass(target, Definition):
            return call_definition(ev, target, expr)
        if isinstance(target, Template):
            return call_block(ev, target, expr)
    stage = ev.evaluate(function)
    if not isinstance(stage, Stage):
        raise ev.fail("E0401", expr.span, f"{describe(stage)} cannot be called",
                      help="operators, blocks, nets and stages can")  # fmt: skip
    return call_stage(ev, stage, expr)


def call_stage(ev: Evaluator, stage: Stage, expr: syntax.Call) -> Any:
    """A named stage called with its tensors."""
    tensors: list[Operand] = []
    for argument in expr.arguments:
        if argument.name is not None:
            raise ev.fail(
                "E0402",
                argument.name_span or argument.value.span,
                "a stage has its settings already; it takes only tensors",
            )
        tensors += flow.operands(ev, ev.evaluate(argument.value), argument.value)
    if not tensors:
        raise ev.fail(
            "E0401", expr.span, f"{stage.describe()} has its settings already", help="leave out the brackets"
        )
    return flow.apply(ev, stage, tensors, expr.span)


# --- operators, losses, combinators -----------------------------------------------------------------------


def bare_stage(ev: Evaluator, definition: type[Definition], span: Span) -> DefinedStage:
    """A name without brackets, as in `-> relu`."""
    return DefinedStage(fill(ev, definition, [], span)[0], (), span, {})


def call_definition(ev: Evaluator, definition: type[Definition], expr: syntax.Call) -> Any:
    instance, tensors, spans = fill(ev, definition, expr.arguments, expr.span)
    stage = DefinedStage(instance, tuple(tensors), expr.span, spans)
    if not tensors:
        return stage
    low = 1 if definition.family == "loss" or not issubclass(definition, Operator) else definition.arity()[0]
    if len(tensors) < low:
        return stage
    return flow.apply(ev, stage, [], expr.span)


def fill(
    ev: Evaluator, definition: type[Definition], arguments: Any, span: Span
) -> tuple[Any, list[Operand], dict[str, Span]]:
    """An instance of the definition from the arguments of a call, and the tensors among them."""
    positional = (
        [] if definition.family == "loss" else [s for s in definition.settings.values() if not s.keyword]
    )
    waiting = list(positional)
    values: dict[str, Any] = {}
    spans: dict[str, Span] = {}
    tensors: list[Operand] = []
    failed = False
    for argument in arguments:
        try:
            if argument.name is not None:
                declared = named_setting(ev, definition, argument, values)
                values[declared.name] = setting_value(ev, definition, declared, argument.value)
                spans[declared.name] = argument.value.span
                waiting = [s for s in waiting if s.name != declared.name]
                continue
            value = argument_value(ev, waiting[0] if waiting else None, argument.value)
            if is_tensor(value) or is_tensors(value):
                tensors += flow.operands(ev, value, argument.value)
            elif not positional and isinstance(value, (int, float)):
                tensors.append(Operand(value, argument.value.span))
            elif not waiting:
                raise ev.fail("E0404", argument.value.span, too_many(definition, positional, value),
                              help=f"write `{signature(definition)}`" if definition.settings else "")  # fmt: skip
            else:
                declared = waiting[0] if waiting[0].rest else waiting.pop(0)
                spans.setdefault(declared.name, argument.value.span)
                checked = check(ev, definition, declared, value, argument.value.span)
                values[declared.name] = (
                    (*values.get(declared.name, ()), checked) if declared.rest else checked
                )
        except Halt:
            failed = True
    if failed:
        raise Halt
    missing = [s.name for s in definition.settings.values() if s.required and s.name not in values]
    if missing:
        wanted = " and ".join(f"`{m}`" for m in missing)
        raise ev.fail(
            "E0405", span, f"`{definition.name}` needs {wanted}", help=f"write `{signature(definition)}`"
        )
    instance = definition(**values)
    object.__setattr__(instance, "span", span)
    object.__setattr__(instance, "spans", spans)
    return instance, tensors, spans


def named_setting(
    ev: Evaluator, definition: type[Definition], argument: syntax.Argument, values: dict[str, Any]
) -> Setting:
    name, place = argument.name or "", argument.name_span or argument.value.span
    declared = definition.settings.get(name)
    if declared is None:
        in_order = sorted(definition.settings.values(), key=lambda s: s.keyword)
        known = ", ".join(f"`{s.name}`" for s in in_order)
        raise ev.fail("E0402", place, f"`{definition.name}` has no setting `{name}`",
                      help=did_you_mean(name, definition.settings) or (f"its settings are {known}" if known else "it has no settings"))  # fmt: skip
    if name in values:
        raise ev.fail("E0407", place, f"`{name}` is given twice")
    return declared


def too_many(definition: type[Definition], positional: list[Setting], value: Any) -> str:
    if not definition.settings:
        return f"`{definition.name}` has no settings, found {describe(value)}"
    if not positional:
        return f"the settings of `{definition.name}` are given by name, found {describe(value)}"
    settings = "1 setting that goes" if len(positional) == 1 else f"{len(positional)} settings that go"
    return f"`{definition.name}` has {settings} without a name, {describe(value)} is one too many"


def signature(definition: type[Definition]) -> str:
    """How it is called: `dense(units, bias=true)`; settings that go by name alone are shown where there are no others."""
    settings = [s for s in definition.settings.values() if not s.keyword] or list(
        definition.settings.values()
    )
    return f"{definition.name}({', '.join(map(spell_setting, settings))})"


def spell_setting(setting: Setting) -> str:
    if setting.rest or setting.required:
        return f"{setting.name}, ..." if setting.rest else setting.name
    return f"{setting.name}={'...' if setting.shown or isinstance(setting.default, Definition) else spell_value(setting.default)}"


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


def directed_value(ev: Evaluator, kind: Kind, expr: syntax.Expr) -> Any:
    """An expression where a kind is wanted: bare words and members of families come before the file's names."""
    if isinstance(expr, syntax.Name) and expr.id in kind.words:
        return expr.id
    word = kind.read(expr)
    if word is not None:
        return word
    if isinstance(expr, (syntax.ListExpr, syntax.TupleExpr)) and kind.item() is not None:
        return [directed_value(ev, kind.item() or kind, item) for item in expr.items]
    member = family_member(ev, kind, expr)
    if member is not None:
        return member
    if isinstance(expr, syntax.Name) and kind.words and not known(ev, expr.id):
        raise ev.fail(
            "E0403",
            expr.span,
            f"expected {kind.describe()}, found `{expr.id}`",
            help=did_you_mean(expr.id, kind.words),
        )
    return ev.evaluate(expr)


def family_member(ev: Evaluator, kind: Kind, expr: syntax.Expr) -> Any:
    """`adam`, `adam(lr=0.1)` where an optimizer is wanted."""
    head = expr.function if isinstance(expr, syntax.Call) else expr
    if not kind.families() or not isinstance(head, syntax.Name):
        return None
    for family in kind.families():
        found = Definition.families[family].get(head.id)
        if found is not None:
            return fill(ev, found, expr.arguments if isinstance(expr, syntax.Call) else [], expr.span)[0]
    if isinstance(expr, syntax.Call) or not known(ev, head.id):
        raise unknown_member(ev, kind, head)
    return None


def known(ev: Evaluator, name: str) -> bool:
    return name in ev.scope.names or name in set(ev.scope.file.known())


def unknown_member(ev: Evaluator, kind: Kind, head: syntax.Name) -> Halt:
    from dlc.compiler.training.later import LATER

    names = [n for f in kind.families() for n in Definition.families[f]]
    later = [n for f in kind.families() for n in LATER.get(f, ())]
    if head.id in later:
        return ev.fail(
            "E0901",
            head.span,
            f"`{head.id}` is not built yet",
            help="it will come with a later version of dlc",
        )
    listed = ", ".join(f"`{n}`" for n in names)
    return ev.fail("E0305", head.span, f"there is no {' or '.join(kind.families())} `{head.id}`",
                   help=did_you_mean(head.id, [*names, *kind.words, *later]) or f"there are {listed}")  # fmt: skip


def check(ev: Evaluator, definition: type[Definition], declared: Setting, value: Any, span: Span) -> Any:
    if isinstance(value, OutputRef) and not isinstance(value, str):
        from dlc.compiler.kinds import OneOf, TensorValue

        if isinstance(declared.kind, (TensorValue, OneOf)) and value.scores is not None:
            value = value.scores
    try:
        return declared.kind.accept(value)
    except Reject as reject:
        raise ev.fail(
            reject.code, span, f"`{declared.name}` of `{definition.name}`: {reject.message}", help=reject.help
        ) from None


# --- blocks and nets --------------------------------------------------------------------------------------


def call_block(ev: Evaluator, template: Template, expr: syntax.Call) -> Any:
    stage = block_stage(ev, template, expr.arguments, expr.span)
    declared = template.declaration.tensors
    return (
        flow.apply(ev, stage, [], expr.span) if stage.given and len(stage.given) >= len(declared) else stage
    )


def block_stage(ev: Evaluator, template: Template, arguments: Any, span: Span) -> BlockStage:
    """A block with its settings: given ones, then defaults, which see the settings before them."""
    declaration = template.declaration
    waiting = [s.name.id for s in declaration.settings]
    positional = bool(waiting)
    given: dict[str, Any] = {}
    tensors: list[Operand] = []
    for argument in arguments:
        if argument.name is not None:
            if argument.name not in [s.name.id for s in declaration.settings]:
                raise unknown_block_setting(ev, template, argument)
            if argument.name in given:
                raise ev.fail(
                    "E0407", argument.name_span or argument.value.span, f"`{argument.name}` is given twice"
                )
            given[argument.name] = ev.evaluate(argument.value)
            waiting = [w for w in waiting if w != argument.name]
            continue
        value = ev.evaluate(argument.value)
        if is_tensor(value) or is_tensors(value):
            tensors += flow.operands(ev, value, argument.value)
        elif not positional and isinstance(value, (int, float)):
            tensors.append(Operand(value, argument.value.span))
        elif not waiting:
            raise ev.fail("E0404", argument.value.span, f"{template.what} `{template.name}` has no setting for {describe(value)}",
                          help=f"write `{block_signature(template)}`")  # fmt: skip
        else:
            given[waiting.pop(0)] = value
    return BlockStage(template, tuple(tensors), defaults(ev, template, given, span), span)


def defaults(ev: Evaluator, template: Template, given: dict[str, Any], span: Span) -> dict[str, Any]:
    from dlc.compiler.elaborate.evaluate import Evaluator as At
    from dlc.compiler.elaborate.scope import Scope

    scope = Scope(template.home.file)
    for declared in template.declaration.settings:
        name = declared.name.id
        if name in given:
            scope.names[name] = given[name]
        elif declared.default is None:
            raise ev.fail(
                "E0405",
                span,
                f"{template.what} `{template.name}` needs `{name}`",
                help=f"write `{block_signature(template)}`",
            )
        else:
            scope.names[name] = At(ev.e, scope).evaluate(declared.default)
    return scope.names


def unknown_block_setting(ev: Evaluator, template: Template, argument: syntax.Argument) -> Halt:
    names = [s.name.id for s in template.declaration.settings]
    listed = ", ".join(f"`{n}`" for n in names)
    return ev.fail("E0402", argument.name_span or argument.value.span, f"{template.what} `{template.name}` has no setting `{argument.name}`",
                   help=did_you_mean(argument.name or "", names) or (f"its settings are {listed}" if names else "it has no settings"))  # fmt: skip


def block_signature(template: Template) -> str:
    settings = [
        s.name.id + ("" if s.default is None else f" = {s.default.span.text}")
        for s in template.declaration.settings
    ]
    return f"{template.name}({', '.join(settings)})"


# --- plain functions --------------------------------------------------------------------------------------


def plain_function(ev: Evaluator, name: str, expr: syntax.Call) -> Any:
    if any(a.name for a in expr.arguments):
        raise ev.fail("E0402", expr.span, f"`{name}` has no settings")
    values = [ev.evaluate(a.value) for a in expr.arguments]
    if name == "range":
        return make_range(ev, values, expr)
    if not values or not all(
        isinstance(v, (list, tuple)) or (name == "len" and isinstance(v, str)) for v in values
    ):
        found = ", ".join(map(describe, values)) or "nothing"
        raise ev.fail("E0403", expr.span, f"`{name}` wants lists, found {found}")
    if name != "zip" and len(values) != 1:
        raise ev.fail("E0404", expr.span, f"`{name}` takes one list, found {len(values)}")
    if name == "zip":
        return [tuple(entry) for entry in zip(*values, strict=False)]
    return len(values[0]) if name == "len" else list(reversed(values[0]))


def make_range(ev: Evaluator, values: list[Any], expr: syntax.Call) -> list[int]:
    if not 1 <= len(values) <= 3 or not all(isinstance(v, int) and not isinstance(v, bool) for v in values):
        raise ev.fail(
            "E0403",
            expr.span,
            f"`range` wants one to three whole numbers, found {', '.join(map(describe, values)) or 'none'}",
        )
    if len(values) == 3 and values[2] == 0:
        raise ev.fail("E0403", expr.span, "the step of a `range` cannot be 0")
    numbers = range(*values)
    if len(numbers) > MAX_LIST:
        raise ev.fail(
            "E0904",
            expr.span,
            f"a `range` of {len(numbers):_} entries is too long",
            help=f"at most {MAX_LIST:_} are possible",
        )
    return list(numbers)
