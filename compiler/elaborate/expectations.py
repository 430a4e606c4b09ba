"""`expect`: comparisons of figures that are known now, and of figures that training will give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.elaborate.values import Halt
from dlc.compiler.program import Expectation, Measure
from dlc.compiler.suggest import did_you_mean
from dlc.compiler.training.metrics import figures

if TYPE_CHECKING:
    from dlc.compiler.elaborate.evaluate import Evaluator
    from dlc.compiler.training.metrics import Metric

PARTS = ("train", "validation", "test")
STATIC = ("parameters", "flops")
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


def read(
    ev: Evaluator, written: syntax.Section | None, metrics: tuple[tuple[str, Metric], ...]
) -> tuple[Expectation, ...]:
    expected = []
    for statement in written.body if written else ():
        try:
            expected.append(one(ev, statement, metrics))
        except Halt:
            continue
    return tuple(expected)


def one(ev: Evaluator, statement: syntax.Statement, metrics: tuple[tuple[str, Metric], ...]) -> Expectation:
    comparison = statement.value if isinstance(statement, syntax.Evaluate) else None
    if not isinstance(comparison, syntax.Binary) or comparison.operator not in COMPARISONS:
        raise ev.fail("E0606", statement.span, "expected a comparison, such as `test.accuracy >= 0.9`",
                      help="write `==` to compare" if isinstance(statement, syntax.Bind) else "")  # fmt: skip
    left, right = side(ev, comparison.left, metrics), side(ev, comparison.right, metrics)
    return Expectation(left, comparison.operator, right, statement.span)


def side(ev: Evaluator, expr: syntax.Expr, metrics: tuple[tuple[str, Metric], ...]) -> Any:
    """One side: a static value, or a measure that comes later."""
    if isinstance(expr, syntax.Name) and expr.id in STATIC:
        return Measure(expr.id)
    if (
        isinstance(expr, syntax.Call)
        and isinstance(expr.function, syntax.Name)
        and expr.function.id == "shape"
    ):
        if len(expr.arguments) != 1:
            raise ev.fail("E0606", expr.span, "`shape` takes one tensor")
        attribute = syntax.Attribute(expr.span, expr.arguments[0].value, "shape", expr.function.span)
        return ev.evaluate(attribute)
    path = dotted(expr)
    if path is not None and path[0] in PARTS and path[0] not in ev.scope.names:
        return measured(ev, expr, path, metrics)
    if isinstance(expr, syntax.Name) and not known(ev, expr.id):
        raise ev.fail("E0301", expr.span, f"nothing is called `{expr.id}` here",
                      help=did_you_mean(expr.id, [*STATIC, *PARTS, *ev.scope.candidates()]))  # fmt: skip
    value = ev.evaluate(expr)
    if not isinstance(value, (int, float, list)):
        raise ev.fail(
            "E0606",
            expr.span,
            "expected a number, a figure such as `test.accuracy`, `parameters`, `flops` or `shape(x)`",
        )
    return value


def known(ev: Evaluator, name: str) -> bool:
    file = ev.scope.file
    return name in ev.scope.names or name in {*file.known(), *file.free, *ev.e.torn.names}


def dotted(expr: syntax.Expr) -> list[str] | None:
    if isinstance(expr, syntax.Name):
        return [expr.id]
    if isinstance(expr, syntax.Attribute):
        before = dotted(expr.value)
        return None if before is None else [*before, expr.name]
    return None


def measured(
    ev: Evaluator, expr: syntax.Expr, path: list[str], metrics: tuple[tuple[str, Metric], ...]
) -> Measure:
    """`test.accuracy`, or with several outputs `test.OUTPUT.accuracy`."""
    known = figures(metrics)
    figure = ".".join(path[1:])
    if figure not in known:
        raise ev.fail("E0606", expr.span, f"training does not measure `{figure}`",
                      help=did_you_mean(figure, known)
                           or f"it measures {', '.join(f'`{path[0]}.{k}`' for k in known)}")  # fmt: skip
    return Measure(".".join(path))
