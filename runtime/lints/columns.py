"""Lints of columns without values, and of numbers that are always the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.diagnostics.quoting import VALUES, listed
from dlc.compiler.dims.dim import has_free
from dlc.runtime.data import required_fields
from dlc.runtime.data.rows.dataset import spread_out
from dlc.runtime.lints.scalars import read, scalars

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data import Dataset

SAMPLED = 1000  # rows that are compared before all rows are
FEWEST = 10  # rows that are not equal by chance


def constant_numbers(
    program: CompiledProgram, data: Dataset, weights: Mapping[str, np.ndarray]
) -> Iterator[Diagnostic]:
    """Columns of numbers that have the same value in all training rows. Entries of vectors are exempt, as the
    border of a picture is, unless the spec lists their columns."""
    rows = data.train
    if rows is None or (rows.count or 0) < FEWEST:
        return
    every = [*scalars(program, data, "input"), *scalars(program, data, "target")]
    wanted = [one for one in every if one.field.declared.is_number or one.field.declared.element == "binary"]
    wanted = [one for one in wanted if (one.place is None or one.listed) and not one.field.measured]
    for order in (spread_out(rows, SAMPLED), None):
        found = read(rows, wanted, order)
        wanted = [one for one, values in zip(wanted, found, strict=True) if (values == values[0]).all()]
    for one, values in zip(wanted, read(rows, wanted, np.arange(1)), strict=True):
        message = f"all training rows have the same value of {one}, {float(values[0]):g}"
        help = "add rows of other values" if one.field.is_target else one.leave_out
        labels = (Label(one.field.span),) if one.field.span is not None else ()
        yield Diagnostic("W0702", message, labels, (), help)


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
