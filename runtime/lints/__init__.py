"""Warnings that depend on the rows. They are reported before training begins.

Each lint takes a program, its rows and the initial weights, and yields diagnostics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.runtime.lints import (
    classes,
    columns,
    giveaways,
    ids,
    overlap,
    precision,
    rare_classes,
    scales,
    schedules,
    sequences,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from dlc.compiler.diagnostics.diagnostic import Diagnostic
    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data import Dataset

# They look at the rows alone.
OF_ROWS = (classes.single_class, classes.classes_without_rows, classes.missing_marks, classes.confusable,
           classes.not_data, classes.numeric_classes, columns.constant_numbers, columns.empty_columns,
           rare_classes.rare_classes, giveaways.giveaways, ids.row_numbers, precision.imprecise_fields,
           overlap.overlapping_parts, schedules.too_long, sequences.long_recurrence,
           sequences.uneven_reductions, texts.longer_than_frames)  # fmt: skip
# They compute what flows into layers, with torch.
OF_LAYERS = (precision.imprecise_casts, scales.different_scales)


def run_lints(
    program: CompiledProgram, data: Dataset, weights: Mapping[str, np.ndarray] | None = None
) -> list[Diagnostic]:
    """All warnings except those that the spec allows. Without weights only those of the rows alone, which
    need no torch."""
    lints = OF_ROWS if weights is None else (*OF_ROWS, *OF_LAYERS)
    found = [d for lint in lints for d in lint(program, data, weights or {})]
    return [d for d in found if not any(a.suppresses(d) for a in program.allowed)]
