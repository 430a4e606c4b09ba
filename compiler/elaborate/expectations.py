"""`expect`: comparisons of values known at compile time, and of figures that training measures."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.definitions import aliases
from dlc.compiler.definitions.definition import family
from dlc.compiler.definitions.sections import PARTS
from dlc.compiler.definitions.unimplemented import not_built, unimplemented_words
from dlc.compiler.diagnostics.quoting import listed
from dlc.compiler.elaborate import arguments
from dlc.compiler.elaborate.values import Halt, OutputRef
from dlc.compiler.record import record
from dlc.compiler.training.figures import Expectation, Measure, figure_of_alias, figure_path, find_figure
from dlc.compiler.training.seed_statistics import LARGEST_SEED, SeedMean

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from dlc.compiler.elaborate.context import Evaluator
    from dlc.compiler.training.metrics import Metric

STATIC = ("parameters", "flops")
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


@record
class MeasuredFigures:
    """The figures that training measures, and the parts of the split on which it measures them. `possible`
    are words of further figures that might exist without errors in the spec. `seed` is the largest seed of
    the training."""

    figures: Mapping[str, Metric | None]
    parts: tuple[str, ...]
    possible: Collection[str]
    before: frozenset[str] = frozenset()  # the figures of earlier phases
    seed: int = 0


def read(ev: Evaluator, written: syntax.Section | None, measured: MeasuredFigures) -> tuple[Expectation, ...]:
    """The comparisons of the `expect` section."""
    expected = []
    for statement in written.body if written else ():
        try:
            expected.append(read_one(ev, statement, measured))
        except Halt:
            continue
    return tuple(expected)


def read_one(ev: Evaluator, statement: syntax.Statement, measured: MeasuredFigures) -> Expectation:
    if not isinstance(statement, syntax.Evaluate):
        fix = comparison_fix(statement) if isinstance(statement, syntax.Bind) else ""
        raise not_a_comparison(ev, statement, "test.accuracy >= 0.9", fix)
    return comparison(ev, statement.value, "test.accuracy >= 0.9", measured)


def comparison(ev: Evaluator, expr: syntax.Expr, example: str, measured: MeasuredFigures) -> Expectation:
    """A comparison of figures. `example` is shown in the error message."""
    if not isinstance(expr, syntax.Binary) or expr.operator not in COMPARISONS:
        joins = isinstance(expr, syntax.Binary) and expr.operator in ("and", "or")
        raise not_a_comparison(ev, expr, example, "write one comparison alone" if joins else "")
    left, right = (operand(ev, s, measured) for s in (expr.left, expr.right))
    return Expectation(left, expr.operator, right, expr.span)


def not_a_comparison(
    ev: Evaluator, found: syntax.Expr | syntax.Statement, example: str, help: str = ""
) -> Halt:
    return ev.fail("E0606", found.span, f"expected a comparison, such as `{example}`", help=help)


def until(ev: Evaluator, written: syntax.Expr | None, measured: MeasuredFigures) -> Expectation | None:
    """The condition that ends training: a comparison of figures that are measured after each epoch."""
    if written is None:
        return None
    try:
        any_part = replace(measured, parts=("test", *(p for p in measured.parts if p != "test")))
        found = comparison(ev, written, "train.loss <= 0.01", any_part)
        if found.seeds > 1:
            raise ev.fail("E0606", written.span, "this condition ends one training, which has one seed",
                          help="compare the figure without `mean`; `expect` compares means")  # fmt: skip
        paths = found.paths()
        if any(path.startswith("test.") for path in paths):
            raise ev.fail("E0408", written.span, "the test rows take no part in training",
                          help="compare a figure of `train` or `validation`")  # fmt: skip
        if not paths or set(paths) & set(STATIC):
            raise ev.fail("E0606", written.span, "training does not change the compared values",
                          help="compare a figure of an epoch, such as `train.loss <= 0.01`")  # fmt: skip
    except Halt:
        return None
    return found


def comparison_fix(statement: syntax.Bind) -> str:
    return f"`==` compares: write `{statement.targets[0].id} == {statement.value.span.text}`"


def operand(ev: Evaluator, expr: syntax.Expr, measured: MeasuredFigures) -> Any:
    """One side of a comparison: a static value, or a figure that is measured later."""
    if isinstance(expr, syntax.Name) and expr.id in STATIC:
        return Measure(expr.id)
    if isinstance(expr, syntax.Call) and isinstance(expr.function, syntax.Name):
        if expr.function.id == SeedMean.name:
            return mean(ev, expr, measured)
        if (figure := next(filter(is_figure, (a.value for a in expr.arguments)), None)) is not None:
            raise ev.fail("E0606", expr.span, f"`{expr.function.id}` of a figure is not known",
                          help=f"`mean({figure.span.text}, seeds=5)` is its mean over five trainings"
                          )  # fmt: skip
    if (
        isinstance(expr, syntax.Call)
        and isinstance(expr.function, syntax.Name)
        and expr.function.id == "shape"
    ):
        if len(expr.arguments) != 1:
            raise ev.fail("E0606", expr.span, "`shape` takes one tensor")
        attribute = syntax.Attribute(expr.span, expr.arguments[0].value, "shape", expr.function.span)
        return ev.evaluate(attribute)
    path = figure_path(expr)
    if path is not None and path[0] in PARTS and path[0] not in ev.scope.names:
        return measure(ev, expr, path, measured)
    figure = ".".join(path or ())
    if len(path or ()) > 1 and find_figure(figure, measured.figures) is not None:
        raise ev.fail("E0606", expr.span, f"`{figure}` is measured on several parts of the rows",
                      help=f"write `{measured.parts[-1]}.{figure}`")  # fmt: skip
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


def mean(ev: Evaluator, call: syntax.Call, measured: MeasuredFigures) -> Measure:
    """The mean of a figure over several trainings, `mean(test.accuracy, seeds=5)`."""
    figures = [a.value for a in call.arguments if a.name in (None, "figure")]
    of = operand(ev, figures[0], measured) if figures else None
    text = figures[0].span.text if figures else f"{measured.parts[-1]}.loss"
    if figures and (not isinstance(of, Measure) or of.path in STATIC):
        raise ev.fail("E0606", figures[0].span, f"`{text}` is the same with every seed",
                      help=f"write `{text}` without `mean`")  # fmt: skip
    if isinstance(of, Measure) and of.seeds > 1:
        raise ev.fail("E0606", call.span, "this is the mean of a mean", help=f"write `{text}`")
    if len(figures) != 1 or not any(a.name for a in call.arguments):
        raise ev.fail("E0606", call.span, "`mean` takes one figure and the number of trainings",
                      help=f"write `mean({text}, seeds=5)`")  # fmt: skip
    made, _, spans = arguments.bind(ev, SeedMean, call, call.span)
    last = measured.seed + made.seeds - 1
    if last > LARGEST_SEED:
        raise ev.fail("E0403", spans["seeds"], f"the last seed would be {last}, and the largest one is "
                      f"{LARGEST_SEED}", help="write a smaller `seed` into `train`")  # fmt: skip
    return Measure(made.figure, made.seeds)


def is_figure(expr: syntax.Expr) -> bool:
    """Whether an expression names a figure of a part of the rows."""
    path = figure_path(expr)
    return path is not None and len(path) > 1 and path[0] in PARTS


def unknown(ev: Evaluator, name: syntax.Name, measured: MeasuredFigures) -> Halt:
    figure = figure_of_alias(name.id, measured.parts[-1])
    metric = figure.partition(".")[2]
    if metric in unimplemented_words("metric"):
        return ev.reject(name.span, not_built("metric", metric, name.id))
    if name.id == SeedMean.name:
        return ev.fail("E0606", name.span, "`mean` needs a figure and the number of trainings",
                       help=f"write `mean({measured.parts[-1]}.loss, seeds=5)`")  # fmt: skip
    if metric and metric not in measured.possible and find_figure(metric, measured.figures) is None:
        raise unmeasured(ev, name, figure.split("."), measured)
    same = aliases.COUNTS.get(name.id, figure)
    return ev.fail("E0301", name.span, f"nothing is called `{name.id}` here",
                   help=f"write `{same}`" if same else ev.state.nearest.did_you_mean(
                       name.id, lambda: [*STATIC, *PARTS, *ev.scope.candidates()]))  # fmt: skip


def known(ev: Evaluator, name: str) -> bool:
    file = ev.scope.file
    return any(name in names for names in (ev.scope.names, file.free, ev.state.recovery.names)) or file.knows(
        name
    )


def measure(ev: Evaluator, expr: syntax.Expr, path: list[str], measured: MeasuredFigures) -> Measure:
    """The measure `test.accuracy`, or with several outputs `test.OUTPUT.accuracy`."""
    figure = ".".join(path[1:])
    if find_figure(figure, measured.figures) is None:
        raise unmeasured(ev, expr, path, measured)
    if path[0] not in measured.parts:
        raise ev.fail("E0606", expr.span, f"`data` has no {path[0]} rows to measure this on",
                      help=f"write `{path[0]} = 0.2` into `data`")  # fmt: skip
    return Measure(".".join(path))


def unmeasured(ev: Evaluator, expr: syntax.Expr, path: list[str], measured: MeasuredFigures) -> Halt:
    """The error for a figure that is not measured."""
    figure, figures = ".".join(path[1:]), measured.figures
    reported = ev.state.recovery.unmeasured
    if not {*path[1:]}.isdisjoint(measured.possible) or figure in reported:
        return Halt()
    reported.add(figure)
    known = figure_of_alias(figure, path[0])
    metric = known.partition(".")[2]
    if metric in unimplemented_words("metric"):
        return ev.reject(expr.span, not_built("metric", metric, figure))
    same = f"write `{known}`" if metric in figures else ""
    other = "" if same else aliases.named(figure, "metric")  # the metric that has this name elsewhere
    named: Any = family("metric").get(figure) or family("metric").get(other)
    outputs = ev.scope.file.outputs.values() if named and not named.tabular else ()
    if any(isinstance(o, OutputRef) and o.declared.element in named.for_elements for o in outputs):
        with_settings = [f for f in figures if f.startswith(f"{named.name}(")]
        same = (f"write `{path[0]}.{with_settings[0]}`" if with_settings
                else f"`train {{ metrics = [{named.usual_call() or named.name}] }}` measures it")  # fmt: skip
    return ev.fail("E0606", expr.span, f"training does not measure `{figure}`",
                   help=same or of_earlier_phase(figure, measured)
                        or ev.state.nearest.did_you_mean(figure, lambda: figures)
                        or f"it measures {listed(figures, f'`{path[0]}.{{}}`')}")  # fmt: skip


def of_earlier_phase(figure: str, measured: MeasuredFigures) -> str:
    """The help for a figure of a phase that is not the last one, also with the name of the phase."""
    names = (figure, figure.partition(".")[2])
    if all(find_figure(name, measured.before) is None for name in names):
        return ""
    return f"figures are those of the last phase: {listed(measured.figures)}"
