"""The free dimensions of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.lower.dim_bindings import dim_sources
from dlc.compiler.passes.lengths import length_inputs

if TYPE_CHECKING:
    from dlc.compiler.ir.graph import Value
    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data.rows.dataset import Rows


def free_dims(program: CompiledProgram, rows: Rows) -> dict[str, np.ndarray]:
    """The free dimensions that rows determine, by name: one number for all rows, or one for each row."""
    shapes: dict[Value, tuple[int, ...]] = {
        v: rows.types[v.field].shape for v in program.graph.inputs if v.field in rows.types
    }
    found = {
        name: np.array([(shapes[value][axis - 1] - offset) // scale])
        for name, (value, axis, scale, offset) in dim_sources(shapes).items()
    }
    of_rows = ((name, v.field) for name, v in length_inputs(program).items())
    return found | {name: rows.lengths[field] for name, field in of_rows if field in rows.lengths}
