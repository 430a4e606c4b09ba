"""Statements of a file, a block or a net, executed in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.definitions.parameter_types import describe
from dlc.compiler.dims.dim import Dim
from dlc.compiler.elaborate import declarations
from dlc.compiler.elaborate.shape_hints import ANY_LENGTH
from dlc.compiler.elaborate.tensor_operands import scores_of
from dlc.compiler.elaborate.values import BROKEN, Halt, OutputRef, Template, is_tensor, is_tensors
from dlc.compiler.ir.graph import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dlc.compiler.elaborate.context import Evaluator


class Returned:
    def __init__(self, value: Any):
        self.value = value


def run_body(ev: Evaluator, template: Template) -> Any:
    """Run the body of a block or net, and return its value."""
    returned = run(ev, template.declaration.body)
    if returned is None:
        name = template.declaration.name
        if ev.state.recovery.has_error_in(template.declaration.span):
            raise Halt
        raise ev.fail(
            "E0508",
            name.span,
            f"{template.what} `{name.id}` ends without a `return`",
            help="every path through it has to return a value",
        )
    return returned.value


def run(ev: Evaluator, body: Sequence[syntax.Statement]) -> Returned | None:
    """Run statements until one returns. If a statement fails, its names are marked as broken, and the next
    statements are run."""
    halted = False
    for statement in body:
        ev.builder.count_work(statement.span)
        try:
            returned = run_one(ev, statement)
        except Halt:
            break_names(ev, [statement])
            halted = True
            if returns([statement]) and not ev.scope.top:
                raise
            continue
        if returned is not None:
            return returned
    if halted:
        raise Halt
    return None


def run_one(ev: Evaluator, statement: syntax.Statement) -> Returned | None:
    if isinstance(statement, syntax.Bind):
        bind(ev, statement.targets, ev.evaluate(statement.value), statement.value)
    elif isinstance(statement, syntax.Evaluate):
        end_flow(ev, statement)
    elif isinstance(statement, syntax.If):
        body = statement.then if ev.condition(statement.condition) else statement.otherwise
        return ev.builder.within(statement.span, run, ev, body)
    elif isinstance(statement, syntax.For):
        return run_for(ev, statement)
    elif isinstance(statement, syntax.Return):
        if ev.scope.top:
            raise ev.fail("E0508", statement.span, "`return` is allowed only in a block or net",
                          help="at the top of a file a flow ends in an output: `-> OUTPUT`")  # fmt: skip
        values = tuple(resolve_output(ev, ev.evaluate(v), v) for v in statement.values)
        return Returned(values[0] if len(values) == 1 else values)
    elif isinstance(statement, syntax.Weight):
        declare_weight(ev, statement)
    elif not ev.scope.top:
        word = statement.span.text.split(maxsplit=1)[0]
        raise ev.fail(
            "E0509", statement.span, f"`{word}` is allowed only at the top of a file, not in a block"
        )
    return None


def declare_weight(ev: Evaluator, statement: syntax.Weight) -> None:
    """Declare a weight. If its declaration fails, its uses report no other error."""
    try:
        declarations.weight(ev, statement)
    except Halt:
        if ev.scope.top:
            ev.scope.file.weights[statement.name.id] = BROKEN
        raise


def resolve_output(ev: Evaluator, value: Any, expr: syntax.Expr) -> Any:
    return scores_of(ev, value, expr.span) if isinstance(value, OutputRef) and not ev.losses else value


def run_for(ev: Evaluator, statement: syntax.For) -> Returned | None:
    entries = ev.evaluate(statement.iterable)
    if not isinstance(entries, (list, tuple)):
        raise ev.fail(
            "E0403",
            statement.iterable.span,
            f"`for` goes over a list, found {describe(entries)}",
            help=f"write `range({entries})`" if type(entries) is int else steps_of(entries),
        )
    for entry in entries:
        ev.builder.count_work(statement.span)
        bind(ev, statement.targets, entry, statement.iterable)
        returned = ev.builder.within(statement.span, run, ev, statement.body)
        if returned is not None:
            return returned
    return None


def steps_of(value: Any) -> str:
    """How to write a loop over a value that is not a list, such as the first axis of a tensor."""
    size = value.type.shape[0] if isinstance(value, Value) and value.type.rank else "n"
    if isinstance(size, Dim):
        return ANY_LENGTH
    return f"count with `range({size})`" + ", and read a step as `x[t]`" * (size != "n")


def bind(ev: Evaluator, targets: Sequence[syntax.Ident], value: Any, expr: syntax.Expr) -> None:
    for target in targets:
        if ev.scope.top and not ev.losses and isinstance(ev.scope.file.outputs.get(target.id), OutputRef):
            raise bound_output(ev, targets, expr)
        declarations.check_name(ev, target, binding=True)
    if value is None and isinstance(expr, syntax.Flow):
        raise ev.fail(
            "E0503",
            expr.span,
            "this flow ends in an output; it has no value to bind",
            help="leave out the name, or bind the tensor before it reaches the output",
        )
    if len(targets) == 1:
        ev.scope.names[targets[0].id] = value
        return
    if not isinstance(value, (tuple, list)) or len(value) != len(targets):
        found = f"{len(value)} values" if isinstance(value, (tuple, list)) else "one value"
        node = ev.builder.producers.get(value) if isinstance(value, Value) else None
        recurs = node is not None and node.operator.recurs
        help = "its result is the states alone; `final=true` gives the last one" if recurs else ""
        raise ev.fail("E0510", expr.span, f"{len(targets)} names for {found}", help=help)
    for target, part in zip(targets, value, strict=True):
        ev.scope.names[target.id] = part


def bound_output(ev: Evaluator, targets: Sequence[syntax.Ident], expr: syntax.Expr) -> Halt:
    """The error for `y = x -> f` where `y` is an output."""
    name = targets[0].id if len(targets) == 1 else f"({', '.join(t.id for t in targets)})"
    flow = expr.span.text if not isinstance(expr, syntax.Conditional) else f"({expr.span.text})"
    message = f"`{targets[0].id}` is declared already, as an output"
    help = f"a flow ends in an output: write `{flow} -> {name}`"
    return ev.fail("E0303", targets[0].span.to(expr.span), message, help=help)


def end_flow(ev: Evaluator, statement: syntax.Evaluate) -> None:
    value = ev.evaluate(statement.value)
    if value is None:
        return
    if is_tensor(value) or is_tensors(value):
        ev.state.has_dangling_flow = ev.state.has_dangling_flow or ev.scope.top
        raise ev.fail("E0506", statement.span,
                      f"this flow ends nowhere: {shown(value)} is computed and then not used",
                      help=f"let it flow on, `-> {unfilled_output(ev)}`, or give it a "
                           "name, `name = ...`")  # fmt: skip
    raise ev.fail(
        "E0506",
        statement.span,
        f"{describe(value)} has no effect here",
        help="give it a name, `name = ...`",
    )


def unfilled_output(ev: Evaluator) -> str:
    """The only output without a value, or a placeholder."""
    unfilled = ev.state.unfilled_outputs
    return next(iter(unfilled)) if len(unfilled) == 1 and ev.scope.top else "OUTPUT"


def shown(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return "a tuple"
    return describe(value)


# --- after an error --------------------------------------------------------------------------------------


def break_names(ev: Evaluator, body: Iterable[syntax.Statement]) -> None:
    """Mark the names and outputs of the statements as broken. Their uses report no further errors."""
    for statement in body:
        if isinstance(statement, (syntax.Bind, syntax.For)):
            ev.scope.names.update({t.id: BROKEN for t in statement.targets})
            break_outputs(ev, [t.id for t in statement.targets])
        if not ev.scope.top:
            ev.scope.names.update({i.id: BROKEN for i in declarations.declares(statement)})
        if isinstance(statement, syntax.If):
            break_names(ev, (*statement.then, *statement.otherwise))
        if isinstance(statement, syntax.For):
            break_names(ev, statement.body)
        if ev.scope.top and isinstance(statement, (syntax.Bind, syntax.Evaluate)):
            mentioned = [e.id for e in syntax.expressions(statement) if isinstance(e, syntax.Name)]
            break_outputs(ev, mentioned)
            ev.state.has_dangling_flow = ev.state.has_dangling_flow or (
                isinstance(statement, syntax.Evaluate) and not fills_output(ev, statement.value)
            )


def fills_output(ev: Evaluator, value: syntax.Expr) -> bool:
    """Whether a flow ends in outputs of the file."""
    sink = value.steps[-1] if isinstance(value, syntax.Flow) else value
    items = sink.items if isinstance(sink, syntax.TupleExpr) else (sink,)
    return all(isinstance(i, syntax.Name) and i.id in ev.scope.file.outputs for i in items)


def break_outputs(ev: Evaluator, names: Iterable[str]) -> None:
    """Mark outputs without a value as broken."""
    for name in names if ev.scope.top else ():
        output = ev.scope.file.outputs.get(name)
        if isinstance(output, OutputRef) and output.scores is None:
            output.broken = True


def returns(body: Iterable[syntax.Statement]) -> bool:
    """Whether the statements contain a `return`."""
    return any(
        isinstance(s, syntax.Return)
        or (isinstance(s, syntax.If) and (returns(s.then) or returns(s.otherwise)))
        or (isinstance(s, syntax.For) and returns(s.body))
        for s in body
    )
