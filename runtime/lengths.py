"""Rows that are longer than an operator takes, which only the data can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler import dims
from dlc.compiler.diagnostics import Diagnostic
from dlc.compiler.lower.dims import places
from dlc.compiler.problems import CompileError
from dlc.runtime.data.mistakes import SHAPE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.dims import Size
    from dlc.compiler.ir import Value
    from dlc.compiler.program import Program
    from dlc.runtime.data import Dataset, Rows


def check(program: Program, dataset: Dataset) -> None:
    """Refuse rows with sizes past what an operator takes (`Operator.most`)."""
    for part, rows in dataset.parts():
        problems = list(too_long(program, part, rows))
        if problems:
            raise CompileError(problems)


def too_long(program: Program, part: str, rows: Rows) -> Iterator[Diagnostic]:
    for node in program.graph.nodes:
        for size, most in node.operator.most():
            found = size_in(program, rows, size)
            if found is None or found <= most:
                continue
            message = f"the {part} rows are {found} long here, and `{node.operator.name}` takes {most}"
            help = "raise what it takes, or shorten the rows"
            yield Diagnostic.at(node.site, SHAPE, message, help)


def size_in(program: Program, rows: Rows, size: Size) -> int | None:
    """A size as the rows have it; none where they do not tell."""
    read: dict[Value, tuple[int, ...]] = {
        v: rows.types[v.field].shape for v in program.graph.inputs if v.field in rows.types
    }
    known, sizes = places(read), {}
    for name in dims.names(size):
        if name not in known:
            return None
        value, axis, scale, offset = known[name]
        sizes[name] = (read[value][axis - 1] - offset) // scale
    return dims.evaluate(size, sizes)
