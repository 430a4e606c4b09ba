"""Checks of the section `data` against itself and against the types of its fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.definitions.data_families import DataSource
from dlc.compiler.definitions.sections import Columns, GroupsSplit, NormalField, RandomSplit, UniformField
from dlc.compiler.definitions.series import Ahead, TableFile, fits, steps_of
from dlc.compiler.diagnostics.suggest import did_you_mean
from dlc.compiler.dims.dim import free
from dlc.compiler.elaborate import file_rows, text_rows
from dlc.compiler.elaborate.values import BROKEN, OutputRef
from dlc.compiler.operators.operands import spell_classes

if TYPE_CHECKING:
    from dlc.compiler.definitions.data_families import Field
    from dlc.compiler.definitions.sections import Data
    from dlc.compiler.elaborate.context import Elaboration, Evaluator
    from dlc.compiler.types import Tensor

SHAPE = "E0704"


def check(state: Elaboration, ev: Evaluator, data: Data | None) -> None:
    if data is None:
        return
    check_split(state, data)
    check_stratify(state, ev, data)
    check_sequences(state, data)
    text_rows.check(state, ev, data)
    file_rows.check(state, ev, data)
    if not state.problems.failed:
        check_shapes(state, ev, data)


def check_split(state: Elaboration, data: Data) -> None:
    """Check that `split` has parts to choose, and that no window is in two parts."""
    if "split" not in data.spans:
        return
    chosen = [n for n in (data.validation, data.test) if n and not isinstance(n, DataSource)]
    message = help = ""
    if not chosen:
        message = "`split` chooses rows for validation and test, and neither takes any"
        help = "write `test = 0.2` into `data` too"
    elif data.windowed and isinstance(data.split, RandomSplit):
        message = "`split = random` would put windows that share rows into different parts"
        help = "leave it out: the last stretch of each series is validated and tested"
    elif data.windowed and isinstance(data.split, GroupsSplit) and data.table and data.table.series is None:
        message = "`split = groups(...)` chooses whole series, and the rows of the source are one series"
        help = 'name the column that tells them apart: `series="..."` in the source'
    if message:
        state.problems.report("E0408", data.spans["split"], message, help=help)


def check_stratify(state: Elaboration, ev: Evaluator, data: Data) -> None:
    """Check that `stratify` fits the split, and names an output of the file."""
    if data.stratify is None:
        return
    if not isinstance(data.splitting, RandomSplit):
        how = f"`split = {data.splitting.name}`" if data.split else "the split of windows"
        state.problems.report("E0408", data.spans["stratify"],
                              f"`stratify` chooses rows of each class, and {how} other rows",
                              help="leave `stratify` out")  # fmt: skip
    file = ev.scope.file
    output = file.outputs.get(data.stratify)
    lost = output is BROKEN or data.stratify in state.recovery.names or state.recovery.name_lost
    if lost or state.problems.tells(f"nothing is called `{data.stratify}` here"):
        return
    if not isinstance(output, OutputRef) or output.declared.element not in ("class", "binary", "bool"):
        state.problems.report("E0605", data.spans["stratify"],
                              f"`stratify` takes a class or binary output, and `{data.stratify}` is not one",
                              help=did_you_mean(data.stratify, file.outputs))  # fmt: skip


def check_sequences(state: Elaboration, data: Data) -> None:
    """Check the windows of the sources, and that `ahead` stands behind one."""
    sources = {key: getattr(data, key) for key in ("source", "validation", "test")}
    for part, source in sources.items():
        if not isinstance(source, DataSource):
            continue
        if isinstance(source, TableFile) and source.step != 1 and source.window is None:
            state.problems.report("E0408", source.spans["step"],
                                  "`step` is that of windows, and there are none",
                                  help="write `window=...` too")  # fmt: skip
        if data.source is not None and samples_of(source) != samples_of(data.source):
            state.problems.report("E0408", data.spans[part],
                                  f"`{part}` has {samples_of(source)}, and `source` has "
                                  f"{samples_of(data.source)}",
                                  help="give both the same `window`, and both or none "
                                       "`series`")  # fmt: skip
    for name, field in data.fields.items():
        if isinstance(field, Ahead) and not data.windowed and data.source is not None:
            state.problems.report("E0408", field.span,
                                  f"`{name}` is ahead of a window, and the rows of the source are no windows",
                                  help=f'write `{data.source.name}(..., window=...)`'
                                  if data.table else "windows are of `csv` and `parquet`")  # fmt: skip


def samples_of(source: DataSource | None) -> str:
    """What the samples of a source are."""
    if isinstance(source, TableFile) and source.window is not None:
        return f"windows of {source.window} rows"
    return "series" if isinstance(source, TableFile) and source.series is not None else "rows"


def check_shapes(state: Elaboration, ev: Evaluator, data: Data) -> None:
    """Check the shapes of fields against the windows, as far as the spec has them."""
    if data.table is None or (data.table.window is None and data.table.series is None):
        return
    file = ev.scope.file
    declared = {i.name: (i.declared, i.site.span) for i in state.inputs}
    declared |= {o.target: (o.declared, o.span) for o in file.outputs.values()
                 if isinstance(o, OutputRef) and o.target_value is not None}  # fmt: skip
    for name, (type, span) in declared.items():
        field = data.fields.get(name)
        if isinstance(field, (NormalField, UniformField)):
            continue
        row = row_shape(data, field)
        problem = None if row is None else shape_problem(name, type, field, row, data.table.window)
        if problem:
            message, help = problem
            state.problems.report(SHAPE, field.span if field else span, message, help=help)


def row_shape(data: Data, field: Field | None) -> tuple[int, ...] | None:
    """The shape of a field in one row; None where only the file knows it, which may have lists, or several
    columns of one name."""
    if data.csv is None or not isinstance(field, (Columns, Ahead)):
        return None
    return (len(field.columns),) if len(field.columns) > 1 else ()


def shape_problem(
    name: str, type: Tensor, field: Field | None, row: tuple[int, ...], window: int | None
) -> tuple[str, str] | None:
    """The message and the fix for a field of another shape than its rows have."""
    steps = steps_of(field, type.shape, row, window)
    if steps.fit(type.shape, row):
        return None
    if steps.whole:
        series = spell_classes(type.with_shape(free("T"), *row))
        return (
            f"`{name}` is {spell_classes(type)}, and its series are {series}",
            f"declare it as `{name}: {series}`",
        )
    found = (steps.count, *row)
    if isinstance(field, Ahead):
        what = f"{len(field.columns)} columns over {field.n} rows are" if row else f"{field.n} rows are"
    else:
        what = f"a window of {len(row) and row[0]} columns is" if row else "a window is"
    fitting = spell_classes(type.with_shape(*found))
    turn = "; its rows are first, and `transpose` exchanges the axes" if type.shape == found[::-1] else ""
    behind = bool(type.shape) and not isinstance(field, Ahead) and fits(type.shape[1:], row)
    other = f", or take rows behind the window: `{name} = ahead(...)`" if behind else ""
    return (
        f"`{name}` is {spell_classes(type)}, and {what} {fitting}",
        f"declare it as `{name}: {fitting}`{turn}{other}",
    )
