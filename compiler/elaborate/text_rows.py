"""Checks of `data` for texts: the split of windows, and the units of columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.definitions.sections import ColumnField, RandomSplit

if TYPE_CHECKING:
    from dlc.compiler.definitions.sections import Data
    from dlc.compiler.elaborate.context import Elaboration, Evaluator


def check(state: Elaboration, ev: Evaluator, data: Data) -> None:
    """Check that windows of a text stay in order, and that each column with a unit has texts that are cut."""
    if data.text is not None and isinstance(data.split, RandomSplit):
        state.problems.report("E0408", data.spans["split"],
                              "windows of a text are split in order, and `random` would mix neighbours",
                              help="leave it out: the last windows are the test")  # fmt: skip
    types = {i.name: i.declared for i in state.inputs}
    types |= {name: o.declared for name, o in ev.scope.file.outputs.items() if hasattr(o, "declared")}
    for name, field in data.fields.items():
        if not isinstance(field, ColumnField) or field.unit is None or name not in types:
            continue
        message = help = ""
        if not types[name].takes_text:
            message = f"a text is cut for a sequence of classes, and `{name}` is {types[name]}"
            help = f"leave it out, or declare `{name}` as `class(auto)[T]`"
        elif data.table is not None and (data.table.series is not None or data.table.window is not None):
            message = f"the steps of `{name}` are rows of the source, so its texts are not cut"
            help = "leave it out"
        if message:
            state.problems.report("E0408", field.spans["unit"], message, help=help)
