"""Check the expectations of a spec (`expect`), with static measures and with figures of the training."""

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
class CheckedExpectation:
    """One checked expectation; `met` is None if it was not measured."""

    expectation: Expectation
    met: bool | None
    found: Mapping[str, Any]


def static_measures(program: CompiledProgram) -> dict[str, Any]:
    """Measures that are known without training. Those that depend on class counts may need the data."""
    costs_of = {"parameters": costs.parameters(program.graph), "flops": costs.flops(program)}
    return {name: cost for name, cost in costs_of.items() if not names(cost)}


def trained_measures(figures: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    return {f"{part}.{name}": value for part, of in figures.items() for name, value in of.items()}


def check_expectations(program: CompiledProgram, measured: Mapping[str, Any]) -> list[CheckedExpectation]:
    """Every expectation, compared with the measured values."""
    judged = []
    for expectation in program.expectations:
        found = {path: measured[path] for path in expectation.measures() if path in measured}
        known = len(found) == len(expectation.measures())
        judged.append(CheckedExpectation(expectation, expectation.holds(found) if known else None, found))
    return judged


def needs_training(program: CompiledProgram) -> bool:
    """Whether an expectation needs figures that only the training or the data gives."""
    known = static_measures(program)
    return any(path not in known for e in program.expectations for path in e.measures())
