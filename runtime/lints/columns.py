"""Columns of which the training rows tell nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.diagnostics.quoting import VALUES, listed
from dlc.runtime.data import wanted_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data import Dataset


def empty(program: CompiledProgram, data: Dataset, weights: Mapping[str, np.ndarray]) -> Iterator[Diagnostic]:
    """A column without any value: what `impute` puts in its place is made up."""
    for field in wanted_by(program):
        rows = data.train
        if rows is None or not rows.count or field.is_target or field.name not in rows.types:
            continue
        if field.declared.element == "class":
            lost = [(places < 0).all(axis=0) for places in rows.chunks(field.name)]
        elif rows.types[field.name].dtype.kind == "f":
            lost = [np.isnan(values).all(axis=0) for values in rows.chunks(field.name)]
        else:
            continue
        lost = np.logical_and.reduce(lost)
        if lost.any():
            names = data.columns.get(field.name, ())
            odd = [name for name, gone in zip(names, lost.ravel(), strict=False) if gone]
            what = f" in column {listed(odd, VALUES)}" if len(names) == lost.size else ""
            labels = (Label(field.place),) if field.place is not None else ()
            message = f"no training row has a value of `{field.name}`{what}"
            yield Diagnostic("W0709", message, labels, (), "leave it out: there is nothing to learn from")
