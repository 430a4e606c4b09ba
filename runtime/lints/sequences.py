"""Lints of sequences: what their lengths in the data do to recurrent layers, sums and means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.dims.dim import has_free, names, substitute
from dlc.compiler.operators.padding import Fill
from dlc.compiler.passes.lints.recurrence import vanishing
from dlc.runtime.data.rows.free_dims import free_dims

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.dims.dim import Size
    from dlc.compiler.ir.graph import Node, Value
    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data import Dataset

RARE = 5  # percent of the rows that may be shorter, and longer, than the lengths that are reported
FACTOR = 20  # between the lengths of long and short rows, from which on sums and means of them differ much


def long_recurrence(
    program: CompiledProgram, data: Dataset, weights: Mapping[str, np.ndarray]
) -> Iterator[Diagnostic]:
    """Recurrent layers without gates along a free dimension that is long in half of the rows."""
    usual = {dim: int(np.median(lengths)) for dim, lengths in training_dims(program, data).items()}

    def steps(size: Size) -> int:
        known = substitute(size, usual) if has_free(size) else 0
        return known if isinstance(known, int) else 0

    return vanishing(program, "W0713", steps, " (the median of the rows)")


def uneven_reductions(
    program: CompiledProgram, data: Dataset, weights: Mapping[str, np.ndarray]
) -> Iterator[Diagnostic]:
    """Sums and means over the steps of rows of which some have many times as many as others."""
    ends = {dim: np.percentile(lengths, (RARE, 100 - RARE), method="nearest") for dim, lengths in
            training_dims(program, data).items()}  # fmt: skip
    uneven = {dim: (low, high) for dim, (low, high) in ends.items() if high > FACTOR * max(low, 1)}
    if not uneven:
        return
    producers, readers = program.graph.producers(), program.graph.readers()
    answers = program.graph.needed_by(output.flowed for output in program.outputs)
    for node in program.graph.nodes:
        found = None if answers.isdisjoint(node.results) else reduction(node, uneven)
        if found is None:
            continue
        dim, is_mean = found
        weighs = is_weighted(node.operands[0], producers) or is_divided(node.results[0], readers)
        if is_mean or not weighs:
            yield warning_of(node, *uneven[dim], is_mean)


def warning_of(node: Node, low: float, high: float, is_mean: bool) -> Diagnostic:
    name, steps = node.operator.name, f"{low:.0f} to {high:.0f} steps"
    times = f"{high / max(low, 1):.0f} times"
    if is_mean:
        message = (
            f"`{name}` averages {steps}: one step counts {times} as much in a short row as in a long one"
        )
        help = "`max` over the steps, or a recurrent layer with `final=true`, finds single steps in any row"
    else:
        message = (
            f"`{name}` adds up {steps}: the sums of long rows are {times} as large as those of short ones"
        )
        help = "use `mean`, or divide by `x.length`"
    return Diagnostic.at(node.site, "W0714", message, help)


def training_dims(program: CompiledProgram, data: Dataset) -> dict[str, np.ndarray]:
    """The free dimensions of the training rows."""
    return free_dims(program, data.train) if data.train is not None and data.train.count else {}


def reduction(node: Node, dims: Mapping[str, object]) -> tuple[str, bool] | None:
    """The dimension over which a node computes a sum or a mean, and whether that is a mean."""
    if len(node.operands) != 1 or not node.operands[0].type.batched:
        return None
    kept = {name for result in node.results for size in result.type.shape for name in names(size)}
    for axis, size in enumerate(node.operands[0].type.shape):
        dim = next((name for name in names(size) - kept if name in dims), None)
        padding = node.operator.padding_of(0, axis) if dim is not None else None
        if isinstance(padding, Fill) and padding.value == 0:
            return str(dim), padding.lengths
    return None


def is_weighted(value: Value, producers: Mapping[Value, Node]) -> bool:
    """Whether it is a product with weights that sum to 1, as in attention."""
    factors = [producers.get(v) for v in getattr(producers.get(value), "operands", ())]
    return any(f.operator.sums_to_one(f.operands[0].type) is not None for f in factors if f and f.operands)


def is_divided(value: Value, readers: Mapping[Value, list[Node]]) -> bool:
    """Whether it is divided by another value of each row: the result is linear in the first operand alone."""
    both = (n for n in readers.get(value, ()) if len(n.operands) == 2 and n.operands[1].type.batched)
    return any(node.operands[0] == value and node.operator.linear_in == ((0,),) for node in both)
