"""`expect`: comparisons of figures that are known now, and of figures that training will give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.elaborate.values import Halt
from dlc.compiler.program import Expectation, Measure
from dlc.compiler.sections import PARTS
from dlc.compiler.suggest import listed
from dlc.compiler.training.figures import find_figure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.elaborate.evaluate import Evaluator
    from dlc.compiler.training.metrics import Metric

    Figures = Mapping[str, Metric | None]

STATIC = ("parameters", "flops")
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


def read(ev: Evaluator, written: syntax.Section | None, measured: Figures) -> tuple[Expectation, ...]:
    expected = []
    for statement in written.body if written else ():
        try:
            expected.append(one(ev, statement, measured))
        except Halt:
            continue
    return tuple(expected)


def one(ev: Evaluator, statement: syntax.Statement, measured: Figures) -> Expectation:
    comparison = statement.value if isinstance(statement, syntax.Evaluate) else None
    if not isinstance(comparison, syntax.Binary) or comparison.operator not in COMPARISONS:
        raise ev.fail("E0606", statement.span, "expected a comparison, such as `test.accuracy >= 0.9`",
                      help="write `==` to compare" if isinstance(statement, syntax.Bind) else "")  # fmt: skip
    left, right = side(ev, comparison.left, measured), side(ev, comparison.right, measured)
    return Expectation(left, comparison.operator, right, statement.span)


def side(ev: Evaluator, expr: syntax.Expr, measured: Figures) -> Any:
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
        return measure(ev, expr, path, measured)
    if isinstance(expr, syntax.Name) and not known(ev, expr.id):
        raise ev.fail("E0301", expr.span, f"nothing is called `{expr.id}` here",
                      help=ev.e.nearest.did_you_mean(
                          expr.id, lambda: [*STATIC, *PARTS, *ev.scope.candidates()]))  # fmt: skip
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
    return any(name in names for names in (ev.scope.names, file.free, ev.e.torn.names)) or file.knows(name)


def dotted(expr: syntax.Expr) -> list[str] | None:
    """The parts of `test.f1.setosa`, or of `test.f1[3]`, whose index belongs to the last."""
    if isinstance(expr, syntax.Name):
        return [expr.id]
    if isinstance(expr, syntax.Attribute):
        before = dotted(expr.value)
        return None if before is None else [*before, expr.name]
    if isinstance(expr, syntax.Index) and len(expr.items) == 1 and isinstance(expr.items[0], syntax.Literal):
        before, place = dotted(expr.value), expr.items[0].value
        return None if before is None else [*before[:-1], f"{before[-1]}[{place}]"]
    return None


def measure(ev: Evaluator, expr: syntax.Expr, path: list[str], measured: Figures) -> Measure:
    """`test.accuracy`, or with several outputs `test.OUTPUT.accuracy`."""
    figure = ".".join(path[1:])
    if find_figure(figure, measured) is None:
        raise ev.fail("E0606", expr.span, f"training does not measure `{figure}`",
                      help=ev.e.nearest.did_you_mean(figure, lambda: measured)
                           or f"it measures {listed(measured, f'`{path[0]}.{{}}`')}")  # fmt: skip
    return Measure(".".join(path))
