"""Lints of columns without values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.diagnostics.quoting import VALUES, listed
from dlc.compiler.dims.dim import has_free
from dlc.runtime.data import required_fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data import Dataset


def empty_columns(
    program: CompiledProgram, data: Dataset, weights: Mapping[str, np.ndarray]
) -> Iterator[Diagnostic]:
    """Columns without values in the training rows: `impute` has nothing to compute its value from. Targets of
    which nothing counts: the loss is 0. Targets that no loss reads are exempt."""
    for field in required_fields(program):
        rows = data.train
        if rows is None or not rows.count or field.name not in rows.types or field.measured:
            continue
        steps = (axis for axis, size in enumerate(field.declared.shape, 1) if has_free(size))
        axes = (0, *steps)  # chunks may differ in their number of steps
        if field.declared.element == "class":
            lost = [(places < 0).all(axis=axes) for places in rows.chunks(field.name)]
        elif rows.types[field.name].dtype.kind == "f":
            lost = [np.isnan(values).all(axis=axes) for values in rows.chunks(field.name)]
        else:
            continue
        lost = np.logical_and.reduce(lost)
        if lost.all() if field.is_target else lost.any():
            names = data.columns.get(field.name, ())
            odd = [name for name, missing in zip(names, lost.ravel(), strict=False) if missing]
            what = f" in column {listed(odd, VALUES)}" if len(names) == lost.size else ""
            labels = (Label(field.span),) if field.span is not None else ()
            message = f"no training row has a value of `{field.name}`{what}"
            ignored = f"all are ignored, so `{field.name}` is not trained: compare them with `ignore=`"
            help = ignored if field.is_target else "leave it out: there is nothing to learn from"
            yield Diagnostic("W0709", message, labels, (), help)
