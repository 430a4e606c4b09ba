"""Warnings that depend on the rows. They are reported before training begins.

Each lint takes a program, its rows and the initial weights, and yields diagnostics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.runtime.lints import classes, columns, overlap, precision, scales, schedules, sequences, texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from dlc.compiler.diagnostics.diagnostic import Diagnostic
    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data import Dataset

LINTS = (classes.single_class, classes.classes_without_rows, classes.missing_marks, classes.confusable,
         classes.not_data, classes.numeric_classes, columns.empty_columns, precision.imprecise_fields,
         precision.imprecise_casts, scales.different_scales, overlap.overlapping_parts,
         schedules.too_long, sequences.long_recurrence, sequences.uneven_reductions,
         texts.longer_than_frames)  # fmt: skip


def run_lints(program: CompiledProgram, data: Dataset, weights: Mapping[str, np.ndarray]) -> list[Diagnostic]:
    """All warnings except those that the spec allows."""
    found = [diagnostic for lint in LINTS for diagnostic in lint(program, data, weights)]
    return [d for d in found if not any(a.suppresses(d) for a in program.allowed)]
