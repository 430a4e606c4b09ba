"""Settings: each found by its name, its value read as its kind asks, and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler import foreign, syntax
from dlc.compiler.definition import Definition, Setting, spell_value
from dlc.compiler.elaborate.values import Halt, OutputRef
from dlc.compiler.kinds import Kind, OneOf, Reject, TensorValue, Text, describe
from dlc.compiler.later import later, not_built
from dlc.compiler.suggest import did_you_mean

if TYPE_CHECKING:
    from dlc.compiler.elaborate.evaluate import Evaluator
    from dlc.compiler.source import Span


def named_setting(
    ev: Evaluator, definition: type[Definition], argument: syntax.Argument, values: dict[str, Any]
) -> Setting:
    name, place = argument.name or "", argument.name_span or argument.value.span
    declared = definition.settings.get(name)
    if declared is None:
        in_order = sorted(definition.settings.values(), key=lambda s: s.keyword)
        known = ", ".join(f"`{s.name}`" for s in in_order)
        raise ev.fail("E0402", place, f"`{definition.name}` has no setting `{name}`",
                      help=foreign.setting(name, definition.settings)
                           or did_you_mean(name, definition.settings) or activation_help(definition, argument)
                           or (f"its settings are {known}" if known else "it has no settings"))  # fmt: skip
    if name in values:
        raise ev.fail("E0407", place, f"`{name}` is given twice")
    return declared


def activation_help(definition: type[Definition], argument: syntax.Argument) -> str:
    """In the flow an activation is a stage of its own."""
    if argument.name != "activation" or not isinstance(argument.value, syntax.Name):
        return ""
    return f"an activation stands behind it: `{definition.name}(...) -> {argument.value.id}`"


def too_many(definition: type[Definition], positional: list[Setting], value: Any) -> str:
    if not definition.settings:
        return f"`{definition.name}` has no settings, found {describe(value)}"
    if not positional:
        return f"the settings of `{definition.name}` are given by name, found {describe(value)}"
    settings = "1 setting that goes" if len(positional) == 1 else f"{len(positional)} settings that go"
    return f"`{definition.name}` has {settings} without a name, {describe(value)} is one too many"


def signature(definition: type[Definition]) -> str:
    """How it is called: `dense(units, bias=true)`; settings that go by name alone are shown where
    there are no others."""
    settings = [s for s in definition.settings.values() if not s.keyword] or list(
        definition.settings.values()
    )
    return f"{definition.name}({', '.join(map(spell_setting, settings))})"


def spell_setting(setting: Setting) -> str:
    if setting.rest or setting.required:
        return f"{setting.name}, ..." if setting.rest else setting.name
    in_words = setting.shown or isinstance(setting.default, Definition)
    return f"{setting.name}={'...' if in_words else spell_value(setting.default)}"


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
    """An expression where a kind is wanted: bare words and members of families come before
    the file's names. Of `a if condition else b` it is the chosen side that stands there."""
    if isinstance(expr, syntax.Conditional):
        chosen = ev.chosen(expr)
        check_unchosen(ev, kind, expr.other if chosen is expr.value else expr.value)
        return directed_value(ev, kind, chosen)
    if isinstance(expr, syntax.Name) and expr.id in kind.words:
        return expr.id
    word = kind.read(expr)
    if word is not None:
        return word
    item = kind.item()
    if isinstance(expr, (syntax.ListExpr, syntax.TupleExpr)) and item is not None:
        return ev.evaluate_all(expr.items, lambda entry: directed_value(ev, item, entry))
    if isinstance(kind, Text) and not known(ev, root_of(expr)):
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
        check_no_member(ev, kind, expr)
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


def root_of(expr: syntax.Expr) -> str:
    """The name that a path of names begins with: `data` of `data.csv`; empty for anything else."""
    while isinstance(expr, syntax.Attribute):
        expr = expr.value
    return expr.id if isinstance(expr, syntax.Name) else ""


def family_member(ev: Evaluator, kind: Kind, expr: syntax.Expr) -> Any:
    """`adam`, `adam(lr=0.1)` where an optimizer is wanted."""
    head = expr.function if isinstance(expr, syntax.Call) else expr
    if not kind.families() or not isinstance(head, syntax.Name):
        return None
    for family in kind.families():
        found = Definition.families[family].get(head.id)
        if found is not None:
            arguments = expr.arguments if isinstance(expr, syntax.Call) else ()
            member, tensors = ev.instance(found, arguments, expr.span)
            if tensors:
                raise ev.fail(
                    "E0404",
                    tensors[0].span,
                    f"`{head.id}` takes no tensor",
                    help=found.without_tensor or f"write `{signature(found)}`",
                )
            return member
    if isinstance(expr, syntax.Call) or not known(ev, head.id):
        raise unknown_member(ev, kind, head)
    return None


def check_unchosen(ev: Evaluator, kind: Kind, expr: syntax.Expr) -> None:
    """The side of a conditional that is not compiled has to name something all the same."""
    if isinstance(expr, syntax.Conditional):
        check_unchosen(ev, kind, expr.value)
        return check_unchosen(ev, kind, expr.other)
    head = expr.function if isinstance(expr, syntax.Call) else expr
    if not isinstance(head, syntax.Name) or not kind.families() or head.id in kind.words:
        return None
    if not any(head.id in Definition.families[f] for f in kind.families()) and not known(ev, head.id):
        raise unknown_member(ev, kind, head)
    return None


def joined_lists(ev: Evaluator, kind: Kind, expr: syntax.Binary) -> list[Any] | None:
    """The entries of `[a] + [b]`; none where it is another sum."""
    sides = (expr.left, expr.right)
    if expr.operator != "+" or kind.item() is None or not any(isinstance(s, syntax.ListExpr) for s in sides):
        return None
    parts = ev.evaluate_all(sides, lambda side: directed_value(ev, kind, side))
    return [entry for part in parts for entry in part] if all(isinstance(p, list) for p in parts) else None


def check_no_member(ev: Evaluator, kind: Kind, expr: syntax.Binary) -> None:
    """`l1(1) + l2(1)`, where a list is meant."""
    for side in (expr.left, expr.right):
        head = side.function if isinstance(side, syntax.Call) else side
        if any(root_of(head) in Definition.families[family] for family in kind.families()):
            listed = f"[{expr.left.span.text}, {expr.right.span.text}]"
            raise ev.fail("E0403", expr.span, f"nothing can be computed with `{side.span.text}`",
                          help=f"write `{listed}`" if kind.item() else "")  # fmt: skip


def known(ev: Evaluator, name: str) -> bool:
    return not name or name in ev.scope.names or ev.scope.file.knows(name)


def unknown_member(ev: Evaluator, kind: Kind, head: syntax.Name) -> Halt:
    names = [n for f in kind.families() for n in Definition.families[f]]
    unbuilt = later(*kind.families())
    if head.id in unbuilt:
        return ev.refuse(head.span, not_built(kind.families()[0], head.id))
    what = " or ".join(Definition.spoken[f].partition(" ")[2] for f in kind.families())
    listed = ", ".join(f"`{n}`" for n in names)
    return ev.fail("E0305", head.span, f"there is no {what} `{head.id}`",
                   help=foreign.member(head.id, names)
                        or did_you_mean(head.id, [*names, *kind.words, *unbuilt])
                        or f"there {'is' if len(names) == 1 else 'are'} {listed}")  # fmt: skip


def check(ev: Evaluator, definition: type[Definition], declared: Setting, value: Any, span: Span) -> Any:
    takes_tensors = isinstance(declared.kind, (TensorValue, OneOf))
    if isinstance(value, OutputRef) and takes_tensors and value.scores is not None:
        value = value.scores
    try:
        return declared.kind.accept(value)
    except Reject as reject:
        message = f"`{declared.name}` of `{definition.name}`: {reject.message}"
        raise ev.fail(
            reject.code, span, message, help=reject.help or quoted_help(declared.kind, value)
        ) from None


def quoted_help(kind: Kind, value: Any) -> str:
    """The mend for a text where a name, or a source, is wanted."""
    if not isinstance(value, str):
        return ""
    if any(value in Definition.families[f] for f in kind.families()):
        return f"names stand without quotes: `{value}`"
    if "source" in kind.families():
        return (
            f'say what kind of source it is: `csv("{value}")`, `builtin("{value}")`'
            if len(value) < 40
            else ""
        )
    return ""
