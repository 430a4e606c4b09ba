"""Warnings that only the rows can tell, given before training begins.

Each lint takes a program, its rows and the weights that training begins with, and gives diagnostics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.runtime.lints import classes, columns, precision, scales, schedules

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from dlc.compiler.diagnostics.diagnostic import Diagnostic
    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data import Dataset

LINTS = (classes.single, classes.without_rows, classes.markers, classes.alike, classes.no_rows,
         classes.fractions, columns.empty, precision.coarse_fields, precision.coarse_casts,
         scales.differing, schedules.too_long)  # fmt: skip


def look(program: CompiledProgram, data: Dataset, weights: Mapping[str, np.ndarray]) -> list[Diagnostic]:
    """All warnings but those that the file allows."""
    found = [diagnostic for lint in LINTS for diagnostic in lint(program, data, weights)]
    return [d for d in found if not any(a.suppresses(d) for a in program.allowed)]
