"""Check that no row is longer or shorter than an operator allows. This depends on the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.dims import dim
from dlc.compiler.lower.dim_bindings import dim_sources
from dlc.compiler.passes.lengths import axes_of, length_inputs
from dlc.runtime.data.data_errors import SHAPE

HELP = "leave such rows out (`drop = missing` leaves out empty texts), or reduce the axis by `sum`, `mean` " \
       "or a recurrent layer with `final=true`, which take rows without steps"  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.dims.dim import Size
    from dlc.compiler.ir.graph import Node, Value
    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data import Dataset, Rows


def check(program: CompiledProgram, dataset: Dataset) -> None:
    """Refuse rows with sizes above the maximum of an operator (`Operator.size_limits`), and rows that end
    before an operator has a result (`Operator.least_along`)."""
    for part, rows in dataset.parts():
        longest = free_dims(program, rows)
        problems = [*too_long(program, part, longest), *too_short(program, rows, longest)]
        if problems:
            raise CompileError(problems)


def too_long(program: CompiledProgram, part: str, longest: Mapping[str, int]) -> Iterator[Diagnostic]:
    for node in program.graph.nodes:
        for size, most in node.operator.size_limits():
            if not dim.names(size) <= longest.keys() or (found := dim.evaluate(size, longest)) <= most:
                continue
            message = f"the {part} rows are {found} long here, and `{node.operator.name}` takes {most}"
            help = "raise what it takes, or shorten the rows"
            yield Diagnostic.at(node.site, SHAPE, message, help)


def too_short(program: CompiledProgram, rows: Rows, longest: Mapping[str, int]) -> Iterator[Diagnostic]:
    """One problem for each dimension along which a row is too short."""
    found = {dim: rows.lengths[v.field] for dim, v in length_inputs(program).items()
             if v.field in rows.lengths and rows.count}  # fmt: skip
    shortest = {**longest, **{dim: int(of.min()) for dim, of in found.items()}}
    told: set[str] = set()
    for node in program.graph.nodes:
        for size, least in sizes_needed(node, found):
            dims = {name for name in dim.names(size) if name in found}
            if told.isdisjoint(dims) and dim.evaluate(size, shortest) < least:
                told |= dims
                name = min(dims)
                row = rows.place(int(found[name].argmin()))
                message = f"{row}: `{name}` is {shortest[name]} there, and `{node.operator.name}` needs more"
                yield Diagnostic.at(node.site, SHAPE, message, HELP)


def sizes_needed(node: Node, varying: Mapping[str, object]) -> Iterator[tuple[Size, int]]:
    """The sizes along which rows differ in length, and what an operator needs of them: of an operand, and
    then at least one entry of its result. `varying` has the dimensions along which they differ."""
    needs = False
    for place, value in enumerate(node.operands):
        for axis in axes_of(value, varying):
            if least := node.operator.least_along(place, axis):
                needs = True
                yield value.type.shape[axis], least
    for value in node.results if needs else ():
        yield from ((value.type.shape[axis], 1) for axis in axes_of(value, varying))


def free_dims(program: CompiledProgram, rows: Rows) -> dict[str, int]:
    """The free dimensions of the longest rows, as far as the rows determine them."""
    shapes: dict[Value, tuple[int, ...]] = {
        v: rows.types[v.field].shape for v in program.graph.inputs if v.field in rows.types
    }
    known = dim_sources(shapes).items()
    return {name: (shapes[v][axis - 1] - offset) // scale for name, (v, axis, scale, offset) in known}
