"""Check that no row is longer than an operator allows. This depends on the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.dims import dim
from dlc.compiler.lower.dim_bindings import dim_sources
from dlc.runtime.data.data_errors import SHAPE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.dims.dim import Size
    from dlc.compiler.ir.graph import Value
    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data import Dataset, Rows


def check(program: CompiledProgram, dataset: Dataset) -> None:
    """Refuse rows with sizes above the maximum of an operator (`Operator.most`)."""
    for part, rows in dataset.parts():
        problems = list(too_long(program, part, rows))
        if problems:
            raise CompileError(problems)


def too_long(program: CompiledProgram, part: str, rows: Rows) -> Iterator[Diagnostic]:
    for node in program.graph.nodes:
        for size, most in node.operator.size_limits():
            found = size_in(program, rows, size)
            if found is None or found <= most:
                continue
            message = f"the {part} rows are {found} long here, and `{node.operator.name}` takes {most}"
            help = "raise what it takes, or shorten the rows"
            yield Diagnostic.at(node.site, SHAPE, message, help)


def size_in(program: CompiledProgram, rows: Rows, size: Size) -> int | None:
    """The value of a size for these rows; None if they do not determine it."""
    read: dict[Value, tuple[int, ...]] = {
        v: rows.types[v.field].shape for v in program.graph.inputs if v.field in rows.types
    }
    known, sizes = dim_sources(read), {}
    for name in dim.names(size):
        if name not in known:
            return None
        value, axis, scale, offset = known[name]
        sizes[name] = (read[value][axis - 1] - offset) // scale
    return dim.evaluate(size, sizes)
