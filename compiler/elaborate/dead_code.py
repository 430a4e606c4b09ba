"""Names in dead code: bodies of unused blocks, and the branch of an `if` that is not taken.

Shapes are unknown there, but misspelled operators and settings are found.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.definitions.definition import Definition
from dlc.compiler.definitions.unimplemented import unimplemented_words
from dlc.compiler.dims.dim import BATCH_SIZE
from dlc.compiler.elaborate import arguments, unknown_names
from dlc.compiler.elaborate.declarations import declares
from dlc.compiler.elaborate.scope import CONSTANTS, FUNCTIONS, LOSS_FUNCTIONS, find_operator
from dlc.compiler.elaborate.values import Halt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.elaborate.context import Evaluator

SpanRange = tuple[int, int]
DECLARATIONS = (
    syntax.Import,
    syntax.Param,
    syntax.Input,
    syntax.Output,
    syntax.Weight,
    syntax.Block,
    syntax.AverageNet,
    syntax.Section,
)


def check(ev: Evaluator, tree: syntax.File) -> None:
    """Report unknown names in the file, except at spans that have an error already."""
    file = ev.scope.file
    common = {
        *file.declared,
        *file.known(),
        *file.free,
        *FUNCTIONS,
        *CONSTANTS,
        *LOSS_FUNCTIONS,
        str(BATCH_SIZE),
        *unimplemented_words("operator", "loss"),
        *ev.state.recovery.names,
        *bare_words(),
    }
    reported = {
        (d.span.start, d.span.end) for d in ev.state.problems.found if d.span and d.span.source is tree.source
    }
    body = [s for s in tree.body if not isinstance(s, DECLARATIONS)]
    check_body(ev, body, (common, bound_names(body)), reported)
    for block in (s for s in tree.body if isinstance(s, syntax.Block)):
        own = {i.id for i in (*block.tensors, *(s.name for s in block.settings))}
        check_body(ev, block.body, (common, own, bound_names(block.body), ev.state.top_names()), reported)


def bare_words() -> set[str]:
    """Bare words that any setting takes."""
    found: set[str] = set()
    for members in Definition.families.values():
        found.update(members)
        for member in members.values():
            found.update(w for s in member.settings.values() for w in s.kind.words)
    return found


def bound_names(body: Sequence[syntax.Statement]) -> set[str]:
    """All names that the statements bind."""
    names: set[str] = set()
    for statement in body:
        if isinstance(statement, (syntax.Bind, syntax.For)):
            names.update(t.id for t in statement.targets)
        names.update(i.id for i in declares(statement))
        names |= bound_names(syntax.bodies(statement))
    return names


def check_body(
    ev: Evaluator, body: Sequence[syntax.Statement], known: Sequence[set[str]], reported: set[SpanRange]
) -> None:
    """Check statements against several sets of known names. `reported` are the spans of reported errors. The
    inside of a call with an error is not checked."""

    def within(expr: syntax.Expr) -> bool:
        spans = (expr.span, expr.function.span) if isinstance(expr, syntax.Call) else ()
        return not any((s.start, s.end) in reported for s in spans)

    for statement in body:
        for expr in syntax.expressions(statement, within):
            try:
                check_expression(ev, expr, known)
            except Halt:
                continue
        check_body(ev, syntax.bodies(statement), known, reported)


def check_expression(ev: Evaluator, expr: syntax.Expr, known: Sequence[set[str]]) -> None:
    if isinstance(expr, syntax.Name) and (
        not any(expr.id in names for names in known)
        and not find_operator(expr.id, losses=True)
        and not ev.state.problems.seen_at(expr.span)
    ):
        raise unknown_names.unknown(ev, expr.id, expr.span, lambda: [*chain(*known), *ev.scope.candidates()])
    if isinstance(expr, syntax.Call) and isinstance(expr.function, syntax.Name):
        definition = find_operator(expr.function.id, losses=True)
        for argument in expr.arguments if definition else ():
            check_setting(ev, definition, argument, expr)


def check_setting(ev: Evaluator, definition: Any, argument: syntax.Argument, call: syntax.Call) -> None:
    if argument.name is not None and not ev.state.problems.seen_at(argument.name_span or argument.value.span):
        arguments.named_setting(ev, definition, argument, (), call)
