"""Members of families by name, as `adam` where an optimizer is wanted; what is said of other names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.definitions import aliases
from dlc.compiler.definitions.definition import Definition, Reject
from dlc.compiler.definitions.unimplemented import later, not_built
from dlc.compiler.diagnostics.suggest import did_you_mean
from dlc.compiler.elaborate.values import Halt, OutputRef
from dlc.compiler.output_kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from dlc.compiler.definitions.definition import Setting
    from dlc.compiler.definitions.parameter_types import ParameterType
    from dlc.compiler.elaborate.evaluate import Evaluator

    Named = Callable[[Evaluator, type[Definition], syntax.Argument, dict[str, Any]], Setting]

Head = syntax.Name | syntax.Attribute


def read(ev: Evaluator, kind: ParameterType, expr: syntax.Expr, named: Named) -> Any:
    """`adam`, `adam(lr=0.1)` where an optimizer is wanted; none for what is no member. `named` finds a
    setting, or tells that there is none."""
    head = expr.function if isinstance(expr, syntax.Call) else expr
    if not kind.families() or not isinstance(head, Head):
        return None
    name = head.id if isinstance(head, syntax.Name) else ""
    for family in kind.families():
        found = Definition.families[family].get(name)
        if found is not None:
            call = expr if isinstance(expr, syntax.Call) else None
            member, tensors = ev.instance(found, call, expr.span)
            if tensors:
                raise ev.fail(
                    "E0404",
                    tensors[0].span,
                    f"`{name}` takes no tensor",
                    help=found.without_tensor or f"write `{found.signature()}`",
                )
            return member
    called = isinstance(expr, syntax.Call) and isinstance(head, syntax.Name)
    if called or not known(ev, root_of(head)):
        raise unknown(ev, kind, head, expr, named)
    return None


def check_unchosen(ev: Evaluator, kind: ParameterType, expr: syntax.Expr, named: Named) -> None:
    """The side of a conditional that is not compiled has to name something all the same."""
    if isinstance(expr, syntax.Conditional):
        check_unchosen(ev, kind, expr.value, named)
        return check_unchosen(ev, kind, expr.other, named)
    head = expr.function if isinstance(expr, syntax.Call) else expr
    if not isinstance(head, syntax.Name) or not kind.families() or head.id in kind.words:
        return None
    if not any(head.id in Definition.families[f] for f in kind.families()) and not known(ev, head.id):
        raise unknown(ev, kind, head, expr, named)
    return None


def check_no_member(ev: Evaluator, kind: ParameterType, expr: syntax.Binary) -> None:
    """`l1(1) + l2(1)`, where a list is meant."""
    for side in (expr.left, expr.right):
        head = side.function if isinstance(side, syntax.Call) else side
        if any(root_of(head) in Definition.families[family] for family in kind.families()):
            listed = f"[{expr.left.span.text}, {expr.right.span.text}]"
            raise ev.fail("E0403", expr.span, f"nothing can be computed with `{side.span.text}`",
                          help=f"write `{listed}`" if kind.item() else "")  # fmt: skip


def root_of(expr: syntax.Expr) -> str:
    """The name that a path of names begins with: `data` of `data.csv`; empty for anything else."""
    while isinstance(expr, syntax.Attribute):
        expr = expr.value
    return expr.id if isinstance(expr, syntax.Name) else ""


def known(ev: Evaluator, name: str) -> bool:
    return not name or name in ev.scope.names or name in set(ev.scope.file.known())


def unknown(ev: Evaluator, kind: ParameterType, head: Head, expr: syntax.Expr, named: Named) -> Halt:
    """No member of the families has this name."""
    families = kind.families()
    name = head.id if isinstance(head, syntax.Name) else head.name
    names = [n for f in families for n in Definition.families[f]]
    word = aliases.named(name, *families)
    unbuilt = later(*families)
    if (word or name) in unbuilt:
        return ev.refuse(head.span, not_built(families[0], word or name, name))
    check_settings(ev, families, word, expr, named)
    what = " or ".join(Definition.spoken[f].partition(" ")[2] for f in families)
    listed = ", ".join(f"`{n}`" for n in names)
    near = "" if name in aliases.ABSENT else did_you_mean(name, [*names, *kind.words, *unbuilt])
    return ev.fail("E0305", head.span, f"there is no {what} `{head.span.text}`",
                   help=aliases.member(name, *families)
                        or near
                        or f"there {'is' if len(names) == 1 else 'are'} {listed}")  # fmt: skip


def check_settings(
    ev: Evaluator, families: tuple[str, ...], word: str, expr: syntax.Expr, named: Named
) -> None:
    """Tell of the settings too that the member which is surely meant does not have."""
    for family in families:
        definition = Definition.families[family].get(word)
        for argument in expr.arguments if definition and isinstance(expr, syntax.Call) else ():
            try:
                if argument.name is not None and definition:
                    named(ev, definition, argument, {})
            except Halt:
                continue


# --- values that stand for a member -----------------------------------------------------------------------


def meant(ev: Evaluator, kind: ParameterType, value: Any) -> str:
    """What to write where a text stands for a name, or a loss without its output."""
    if isinstance(value, (list, tuple)) and value and all(isinstance(v, str) for v in value):
        words = [aliases.named(v, *kind.families()) for v in value] if kind.families() else []
        return f"names stand without quotes: write `[{', '.join(words)}]`" if words and all(words) else ""
    name = value if isinstance(value, str) else getattr(getattr(value, "definition", None), "name", "")
    loss = aliases.named(name, *kind.of_outputs()) if name and kind.of_outputs() else ""
    if loss and loss not in later(*kind.of_outputs()):
        return of_output(ev, loss)
    if not isinstance(value, str):
        return ""
    if word := worded(kind, value):
        return word
    found = aliases.named(value, *kind.families()) if kind.families() else ""
    if found and found not in later(*kind.families()):
        families = (Definition.families[f] for f in kind.families())
        member = next(family[found] for family in families if found in family)
        return f"names stand without quotes: write `{member.usual_call() or found}`"
    if "source" in kind.families() and len(value) < 40:
        return f'say what kind of source it is: `csv("{value}")`, `builtin("{value}")`'
    return ""


def worded(kind: ParameterType, word: str) -> str:
    """What to write for a word as other libraries have it; empty where the kind takes none like it."""
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


def of_output(ev: Evaluator, loss: str) -> str:
    """How a loss of the file's output is written."""
    outputs = [o for o in ev.scope.file.outputs.values() if isinstance(o, OutputRef)]
    implying = [o for o in outputs if kind_of(o.declared).loss == loss]
    if len(implying) == 1 and len(outputs) == 1:
        return (
            f"write `{loss}({implying[0].name})`, or leave `loss` out: it follows from the type of the output"
        )
    one = implying if len(implying) == 1 else outputs
    return f"write `{loss}({one[0].name})`" if len(one) == 1 else f"say of which output: `{loss}(OUTPUT)`"
