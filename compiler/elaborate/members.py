"""Members of families, such as `adam` for an optimizer, and the errors for names that are not members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler import static, syntax
from dlc.compiler.definitions import aliases
from dlc.compiler.definitions.definition import Definition, Reject
from dlc.compiler.definitions.parameter_types import Text
from dlc.compiler.definitions.unimplemented import not_built, unimplemented_words
from dlc.compiler.diagnostics.suggest import did_you_mean
from dlc.compiler.elaborate.values import Halt, OutputRef
from dlc.compiler.output_kinds import kind_of

if TYPE_CHECKING:
    from dlc.compiler.definitions.parameter_types import ParameterType
    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.elaborate.context import Evaluator

Head = syntax.Name | syntax.Attribute


def named(kind: ParameterType, expr: syntax.Expr) -> type[Definition] | None:
    """The member of the families of a parameter type that an expression names or calls."""
    head = head_of(expr)
    name = head.id if isinstance(head, syntax.Name) else ""
    families = (Definition.families[family] for family in kind.families())
    return next((members[name] for members in families if name in members), None)


def aliased_members(kind: ParameterType, expr: syntax.Expr) -> list[type[Definition]]:
    """The members of the families of a parameter type for which the name of an expression is an alias."""
    head, families = head_of(expr), kind.families()
    word = aliases.named(name_of(head), *families) if isinstance(head, Head) and families else ""
    return [found for family in families if (found := Definition.families[family].get(word))]


def takes_no_tensor(ev: Evaluator, definition: type[Definition], span: Span) -> Halt:
    help = definition.without_tensor or f"write `{definition.signature()}`"
    return ev.fail("E0404", span, f"`{definition.name}` takes no tensor", help=help)


# --- unknown names where a member is expected --------------------------------------------------------------


def check(ev: Evaluator, kind: ParameterType, expr: syntax.Expr) -> None:
    """Reject an expression whose names show that it is not a value of the parameter type."""
    head = head_of(expr)
    if isinstance(kind, Text) and not known(ev, root_of(first_part(expr))):
        raise ev.fail("E0403", expr.span, f"expected {kind.describe()}, found `{expr.span.text}`",
                      help=f'write `"{expr.span.text}"`')  # fmt: skip
    if isinstance(expr, syntax.Binary):
        check_sum(ev, kind, expr)
    if kind.families() and isinstance(head, Head):
        called = isinstance(expr, syntax.Call) and isinstance(head, syntax.Name)
        if called and root_of(head) in static.ALL_FUNCTIONS:
            return
        if called or not known(ev, root_of(head)):
            raise unknown(ev, kind, head)
    if isinstance(expr, syntax.Name) and kind.words and not known(ev, expr.id):
        raise ev.fail("E0403", expr.span, f"expected {kind.describe()}, found `{expr.id}`",
                      help=native_word(kind, expr.id) or did_you_mean(expr.id, kind.words))  # fmt: skip


def check_head(ev: Evaluator, kind: ParameterType, expr: syntax.Expr) -> None:
    """Reject a name, or a call of a name, that is not a member, a word or a name of the file."""
    head = head_of(expr)
    if not isinstance(head, syntax.Name) or not kind.families() or head.id in kind.words:
        return
    if named(kind, head) is None and not known(ev, head.id):
        raise unknown(ev, kind, head)


def check_sum(ev: Evaluator, kind: ParameterType, expr: syntax.Binary) -> None:
    """Reject `l1(1) + l2(1)` where a list is expected."""
    for side in (expr.left, expr.right):
        if any(root_of(head_of(side)) in Definition.families[family] for family in kind.families()):
            listed = f"[{expr.left.span.text}, {expr.right.span.text}]"
            raise ev.fail("E0403", expr.span, f"nothing can be computed with `{side.span.text}`",
                          help=f"write `{listed}`" if kind.item() else "")  # fmt: skip


def head_of(expr: syntax.Expr) -> syntax.Expr:
    """The function of a call, or the expression itself."""
    return expr.function if isinstance(expr, syntax.Call) else expr


def name_of(head: Head) -> str:
    return head.id if isinstance(head, syntax.Name) else head.name


def first_part(expr: syntax.Expr) -> syntax.Expr:
    """The first part of a path without quotes: `data` of `data/rows.csv`."""
    while isinstance(expr, syntax.Binary) and expr.operator == "/":
        expr = expr.left
    return expr


def root_of(expr: syntax.Expr) -> str:
    """The first name of an attribute path: `data` of `data.csv`. Empty for other expressions."""
    while isinstance(expr, syntax.Attribute):
        expr = expr.value
    return expr.id if isinstance(expr, syntax.Name) else ""


def known(ev: Evaluator, name: str) -> bool:
    return not name or name in ev.scope.names or ev.scope.file.knows(name)


def unknown(ev: Evaluator, kind: ParameterType, head: Head) -> Halt:
    """The error for a name that is not a member of the families."""
    families, name = kind.families(), name_of(head)
    names = [n for f in families for n in Definition.families[f]]
    word = aliases.named(name, *families)
    unbuilt = unimplemented_words(*families)
    if (word or name) in unbuilt:
        return ev.reject(head.span, not_built(families[0], word or name, name))
    what = " or ".join(Definition.spoken[f].partition(" ")[2] for f in families)
    listed = ", ".join(f"`{n}`" for n in names)
    near = "" if name in aliases.ABSENT else did_you_mean(name, [*names, *kind.words, *unbuilt])
    return ev.fail("E0305", head.span, f"there is no {what} `{head.span.text}`",
                   help=aliases.member(name, *families)
                        or near
                        or f"there {'is' if len(names) == 1 else 'are'} {listed}")  # fmt: skip


# --- values that were written in place of a member ---------------------------------------------------------


def suggestion(ev: Evaluator, kind: ParameterType, value: Any) -> str:
    """The fix for a name in quotes, or for a loss without its output."""
    if isinstance(value, (list, tuple)) and value and all(isinstance(v, str) for v in value):
        words = [aliases.named(v, *kind.families()) for v in value] if kind.families() else []
        fix = f"names are written without quotes: write `[{', '.join(words)}]`"
        return fix if words and all(words) else ""
    name = value if isinstance(value, str) else getattr(getattr(value, "definition", None), "name", "")
    loss = aliases.named(name, *kind.of_outputs()) if name and kind.of_outputs() else ""
    if loss and loss not in unimplemented_words(*kind.of_outputs()):
        return loss_fix(ev, loss)
    if not isinstance(value, str):
        return ""
    if word := native_word(kind, value):
        return word
    found = aliases.named(value, *kind.families()) if kind.families() else ""
    if found and found not in unimplemented_words(*kind.families()):
        families = (Definition.families[f] for f in kind.families())
        member = next(family[found] for family in families if found in family)
        return f"names are written without quotes: write `{member.usual_call() or found}`"
    if "source" in kind.families() and len(value) < 40:
        return f'name the kind of source: `csv("{value}")`, `builtin("{value}")`'
    return ""


def native_word(kind: ParameterType, word: str) -> str:
    """The fix for a word of other libraries. Empty if the parameter type has no equivalent."""
    plain = aliases.WORDS.get(word, aliases.CONSTANTS.get(word, word.lower()))
    if plain in kind.words or (plain == aliases.WORDS["valid"] and "same" in kind.words):
        return f"write `{plain}`"
    if plain in ("true", "false", "none"):
        try:
            kind.accept({"true": True, "false": False}.get(plain))
        except Reject:
            return ""
        return f"write `{plain}`"
    return ""


def loss_fix(ev: Evaluator, loss: str) -> str:
    """The fix that applies a loss to an output of the file."""
    outputs = [o for o in ev.scope.file.outputs.values() if isinstance(o, OutputRef)]
    implying = [o for o in outputs if kind_of(o.declared).loss == loss]
    if len(implying) == 1 and len(outputs) == 1:
        return (
            f"write `{loss}({implying[0].name})`, or leave `loss` out: it follows from the type of the output"
        )
    one = implying if len(implying) == 1 else outputs
    return f"write `{loss}({one[0].name})`" if len(one) == 1 else f"name its output: `{loss}(OUTPUT)`"
