"""Check that no row is longer or shorter than an operator allows. This depends on the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.dims import dim
from dlc.compiler.passes.lengths import axes_of, length_inputs
from dlc.runtime.data.data_errors import SHAPE
from dlc.runtime.data.rows.free_dims import free_dims

HELP = "leave such rows out (of texts, `drop = missing` leaves out the empty ones), or reduce the axis by " \
       "`sum`, `mean` or a recurrent layer with `final=true`, which take rows without steps"  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np

    from dlc.compiler.dims.dim import Size
    from dlc.compiler.ir.graph import Node
    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data import Dataset, Rows


def check(program: CompiledProgram, dataset: Dataset) -> None:
    """Refuse rows with sizes above the maximum of an operator (`Operator.size_limits`), and rows that end
    before an operator has a result (`Operator.least_along`)."""
    for part, rows in dataset.parts():
        dims = free_dims(program, rows) if rows.count else {}
        problems = [*too_long(program, part, dims), *too_short(program, rows, dims)]
        if problems:
            raise CompileError(problems)


def too_long(program: CompiledProgram, part: str, dims: Mapping[str, np.ndarray]) -> Iterator[Diagnostic]:
    longest = {name: int(of.max()) for name, of in dims.items()}
    for node in program.graph.nodes:
        for size, most in node.operator.size_limits():
            if not dim.names(size) <= longest.keys() or (found := dim.evaluate(size, longest)) <= most:
                continue
            message = f"the {part} rows are {found} long here, and `{node.operator.name}` takes {most}"
            help = "raise what it takes, or shorten the rows"
            yield Diagnostic.at(node.site, SHAPE, message, help)


def too_short(program: CompiledProgram, rows: Rows, dims: Mapping[str, np.ndarray]) -> Iterator[Diagnostic]:
    """One problem for each dimension along which a row is too short."""
    found = {name: dims[name] for name in length_inputs(program) if name in dims}
    shortest = {name: int(of.min()) for name, of in dims.items()}
    told: set[str] = set()
    for node in program.graph.nodes:
        for size, least in sizes_needed(node, found):
            varying = {name for name in dim.names(size) if name in found}
            if told.isdisjoint(varying) and dim.evaluate(size, shortest) < least:
                told |= varying
                name = min(varying)
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
