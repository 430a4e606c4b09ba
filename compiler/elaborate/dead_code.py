"""Names in what is never unfolded: bodies of unused blocks, the side of an `if` that is not taken.

Shapes cannot be known there, but a misspelled operator or setting can be told.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.definitions.definition import Definition
from dlc.compiler.definitions.unimplemented import later
from dlc.compiler.elaborate import arguments, unknown_names
from dlc.compiler.elaborate.declarations import declares
from dlc.compiler.elaborate.scope import FUNCTIONS, find_operator
from dlc.compiler.elaborate.values import Halt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.elaborate.context import Evaluator

Place = tuple[int, int]
DECLARATIONS = (
    syntax.Import,
    syntax.Param,
    syntax.Input,
    syntax.Output,
    syntax.Weight,
    syntax.Block,
    syntax.Section,
)


def check(ev: Evaluator, tree: syntax.File) -> None:
    """Tell of names in the file that nothing is called, unless that was told when they were used."""
    file = ev.scope.file
    common = {
        *file.declared,
        *file.known(),
        *file.free,
        *FUNCTIONS,
        *later("operator", "loss"),
        *ev.e.torn.names,
        *words(),
    }
    told = {
        (d.span.start, d.span.end) for d in ev.e.problems.found if d.span and d.span.source is tree.source
    }
    body = [s for s in tree.body if not isinstance(s, DECLARATIONS)]
    check_body(ev, body, (common, bound(body)), told)
    for block in (s for s in tree.body if isinstance(s, syntax.Block)):
        own = {i.id for i in (*block.tensors, *(s.name for s in block.settings))}
        check_body(ev, block.body, (common, own, bound(block.body), ev.e.top_names()), told)


def words() -> set[str]:
    """Words that some setting takes bare."""
    found: set[str] = set()
    for members in Definition.families.values():
        found.update(members)
        for member in members.values():
            found.update(w for s in member.settings.values() for w in s.kind.words)
    return found


def bound(body: Sequence[syntax.Statement]) -> set[str]:
    """Every name that some statement binds."""
    names: set[str] = set()
    for statement in body:
        if isinstance(statement, (syntax.Bind, syntax.For)):
            names.update(t.id for t in statement.targets)
        names.update(i.id for i in declares(statement))
        names |= bound(syntax.bodies(statement))
    return names


def check_body(
    ev: Evaluator, body: Sequence[syntax.Statement], known: Sequence[set[str]], told: set[Place]
) -> None:
    """The statements, in which the names of several sets are known. `told` are the places of errors; in a
    call that is to be written anew nothing more is told."""

    def within(expr: syntax.Expr) -> bool:
        spans = (expr.span, expr.function.span) if isinstance(expr, syntax.Call) else ()
        return not any((s.start, s.end) in told for s in spans)

    for statement in body:
        for expr in syntax.expressions(statement, within):
            try:
                check_expression(ev, expr, known)
            except Halt:
                continue
        check_body(ev, syntax.bodies(statement), known, told)


def check_expression(ev: Evaluator, expr: syntax.Expr, known: Sequence[set[str]]) -> None:
    if isinstance(expr, syntax.Name) and (
        not any(expr.id in names for names in known)
        and not find_operator(expr.id, losses=True)
        and not ev.e.problems.seen_at(expr.span)
    ):
        raise unknown_names.nothing(ev, expr.id, expr.span, lambda: [*chain(*known), *ev.scope.candidates()])
    if isinstance(expr, syntax.Call) and isinstance(expr.function, syntax.Name):
        definition = find_operator(expr.function.id, losses=True)
        for argument in expr.arguments if definition else ():
            check_setting(ev, definition, argument, expr)


def check_setting(ev: Evaluator, definition: Any, argument: syntax.Argument, call: syntax.Call) -> None:
    if argument.name is not None and not ev.e.problems.seen_at(argument.name_span or argument.value.span):
        arguments.named_setting(ev, definition, argument, (), call)
