"""Whether a spec is what its `expect` says: what is known without training, and what training gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dlc.compiler.dims.dim import names
from dlc.compiler.passes import cost as costs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.figures import Expectation


@dataclass(frozen=True)
class Judged:
    """One expectation: `met` is none where it could not be measured."""

    expectation: Expectation
    met: bool | None
    found: Mapping[str, Any]


def static_measures(program: CompiledProgram) -> dict[str, Any]:
    """What is known without training; counts of classes may wait for the data."""
    costs_of = {"parameters": costs.parameters(program.graph), "flops": costs.flops(program)}
    return {name: cost for name, cost in costs_of.items() if not names(cost)}


def trained_measures(figures: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    return {f"{part}.{name}": value for part, of in figures.items() for name, value in of.items()}


def judge(program: CompiledProgram, measured: Mapping[str, Any]) -> list[Judged]:
    """Every expectation held against what was measured."""
    judged = []
    for expectation in program.expectations:
        found = {path: measured[path] for path in expectation.measures() if path in measured}
        known = len(found) == len(expectation.measures())
        judged.append(Judged(expectation, expectation.holds(found) if known else None, found))
    return judged


def needs_training(program: CompiledProgram) -> bool:
    """Whether an expectation is about figures that only training, or its data, gives."""
    known = static_measures(program)
    return any(path not in known for e in program.expectations for path in e.measures())
