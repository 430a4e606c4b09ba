"""`expect`: comparisons of figures that are known now, and of figures that training will give."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.definitions import aliases
from dlc.compiler.definitions.definition import family
from dlc.compiler.definitions.sections import PARTS
from dlc.compiler.definitions.unimplemented import later, not_built
from dlc.compiler.diagnostics.quoting import listed
from dlc.compiler.elaborate.values import Halt
from dlc.compiler.record import record
from dlc.compiler.training.figures import Expectation, Measure, figure_of_alias, find_figure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.elaborate.context import Evaluator
    from dlc.compiler.training.metrics import Metric

STATIC = ("parameters", "flops")
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


@record
class MeasuredFigures:
    """The figures of training, and the parts of the rows that it measures them on; `uncertain` says that
    errors may have kept more from being measured."""

    figures: Mapping[str, Metric | None]
    parts: tuple[str, ...]
    uncertain: bool


def read(ev: Evaluator, written: syntax.Section | None, measured: MeasuredFigures) -> tuple[Expectation, ...]:
    """What is expected."""
    expected = []
    for statement in written.body if written else ():
        try:
            expected.append(one(ev, statement, measured))
        except Halt:
            continue
    return tuple(expected)


def one(ev: Evaluator, statement: syntax.Statement, measured: MeasuredFigures) -> Expectation:
    if not isinstance(statement, syntax.Evaluate):
        raise no_comparison(ev, statement, "test.accuracy >= 0.9",
                            compared(statement) if isinstance(statement, syntax.Bind) else "")  # fmt: skip
    return comparison(ev, statement.value, "test.accuracy >= 0.9", measured)


def comparison(ev: Evaluator, expr: syntax.Expr, such: str, measured: MeasuredFigures) -> Expectation:
    """A comparison of figures; `such` is one."""
    if not isinstance(expr, syntax.Binary) or expr.operator not in COMPARISONS:
        joins = isinstance(expr, syntax.Binary) and expr.operator in ("and", "or")
        raise no_comparison(ev, expr, such, "write one comparison alone" if joins else "")
    left, right = (side(ev, s, measured) for s in (expr.left, expr.right))
    return Expectation(left, expr.operator, right, expr.span)


def no_comparison(ev: Evaluator, found: syntax.Expr | syntax.Statement, such: str, help: str = "") -> Halt:
    return ev.fail("E0606", found.span, f"expected a comparison, such as `{such}`", help=help)


def until(ev: Evaluator, written: syntax.Expr | None, measured: MeasuredFigures) -> Expectation | None:
    """What ends training where it holds: a comparison of what is measured after an epoch."""
    if written is None:
        return None
    try:
        any_part = replace(measured, parts=("test", *(p for p in measured.parts if p != "test")))
        found = comparison(ev, written, "train.loss <= 0.01", any_part)
        paths = found.measures()
        if any(path.startswith("test.") for path in paths):
            raise ev.fail("E0408", written.span, "the test rows take no part in training",
                          help="compare a figure of `train` or `validation`")  # fmt: skip
        if not paths or set(paths) & set(STATIC):
            raise ev.fail("E0606", written.span, "training does not change what is compared",
                          help="compare a figure of an epoch, such as `train.loss <= 0.01`")  # fmt: skip
    except Halt:
        return None
    return found


def compared(statement: syntax.Bind) -> str:
    return f"`==` compares: write `{statement.targets[0].id} == {statement.value.span.text}`"


def side(ev: Evaluator, expr: syntax.Expr, measured: MeasuredFigures) -> Any:
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
        raise unknown(ev, expr, measured)
    value = ev.evaluate(expr)
    if not isinstance(value, (int, float, list)):
        raise ev.fail(
            "E0606",
            expr.span,
            "expected a number, a figure such as `test.accuracy`, `parameters`, `flops` or `shape(x)`",
        )
    return value


def unknown(ev: Evaluator, name: syntax.Name, measured: MeasuredFigures) -> Halt:
    figure = figure_of_alias(name.id, measured.parts[-1])
    metric = figure.partition(".")[2]
    if metric in later("metric"):
        return ev.refuse(name.span, not_built("metric", metric, name.id))
    if metric and not measured.uncertain and find_figure(metric, measured.figures) is None:
        raise unmeasured(ev, name, figure.split("."), measured)
    same = aliases.COUNTS.get(name.id, figure)
    return ev.fail("E0301", name.span, f"nothing is called `{name.id}` here",
                   help=f"write `{same}`" if same else ev.e.nearest.did_you_mean(
                       name.id, lambda: [*STATIC, *PARTS, *ev.scope.candidates()]))  # fmt: skip


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
    if isinstance(expr, syntax.Index) and len(expr.items) == 1:
        before, place = dotted(expr.value), whole_number(expr.items[0])
        return None if before is None or place is None else [*before[:-1], f"{before[-1]}[{place}]"]
    return None


def whole_number(expr: syntax.Expr) -> int | None:
    """`3` or `-3` as they are written."""
    if isinstance(expr, syntax.Unary) and expr.operator == "-":
        number = whole_number(expr.operand)
        return None if number is None else -number
    return expr.value if isinstance(expr, syntax.Literal) and type(expr.value) is int else None


def measure(ev: Evaluator, expr: syntax.Expr, path: list[str], measured: MeasuredFigures) -> Measure:
    """`test.accuracy`, or with several outputs `test.OUTPUT.accuracy`."""
    figure = ".".join(path[1:])
    if find_figure(figure, measured.figures) is None:
        raise unmeasured(ev, expr, path, measured)
    if path[0] not in measured.parts:
        raise ev.fail("E0606", expr.span, f"`data` has no {path[0]} rows to measure this on",
                      help=f"write `{path[0]} = 0.2` into `data`")  # fmt: skip
    return Measure(".".join(path))


def unmeasured(ev: Evaluator, expr: syntax.Expr, path: list[str], measured: MeasuredFigures) -> Halt:
    """No figure of that name."""
    figure, figures = ".".join(path[1:]), measured.figures
    if measured.uncertain and set(path[1:]) & {"loss", *family("metric")}:
        return Halt()
    known = figure_of_alias(figure, path[0])
    metric = known.partition(".")[2]
    if metric in later("metric"):
        return ev.refuse(expr.span, not_built("metric", metric, figure))
    same = f"write `{known}`" if metric in figures else ""
    return ev.fail("E0606", expr.span, f"training does not measure `{figure}`",
                   help=same or ev.e.nearest.did_you_mean(figure, lambda: figures)
                        or f"it measures {listed(figures, f'`{path[0]}.{{}}`')}")  # fmt: skip
