"""Check the expectations of a spec (`expect`), with static measures and with figures of the training."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite, nan
from statistics import fmean, stdev
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from dlc.compiler.dims.dim import names
from dlc.compiler.passes import cost as costs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.figures import Expectation


@dataclass(frozen=True)
class SeedSpread:
    """One figure of several trainings, in the order of their seeds."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return fmean(self.values)

    @property
    def deviation(self) -> float:
        """The standard deviation of a sample, which divides by n - 1. NaN for a single value, and if a value
        is not finite."""
        is_known = len(self.values) > 1 and all(map(isfinite, self.values))
        return stdev(self.values) if is_known else nan


@dataclass(frozen=True)
class CheckedExpectation:
    """One checked expectation; `met` is None if it was not measured. `spreads` are those of its means, by
    their texts."""

    expectation: Expectation
    met: bool | None
    found: Mapping[str, Any]
    spreads: Mapping[str, SeedSpread] = field(default_factory=dict)


def static_measures(program: CompiledProgram) -> dict[str, Any]:
    """Measures that are known without training. Those that depend on class counts may need the data."""
    costs_of = {"parameters": costs.parameters(program.graph), "flops": costs.flops(program)}
    return {name: cost for name, cost in costs_of.items() if not names(cost)}


def trained_measures(figures: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    return {f"{part}.{name}": value for part, of in figures.items() for name, value in of.items()}


def spread_measures(
    program: CompiledProgram, figures: Sequence[Mapping[str, Mapping[str, float]]]
) -> dict[str, SeedSpread]:
    """The spreads of the means that are expected, of the figures of runs in the order of their seeds. Those
    that need more runs are left out."""
    measured = [trained_measures(of) for of in figures]
    found = {}
    for measure in (m for e in program.expectations for m in e.measures if m.seeds > 1):
        runs = measured[: measure.seeds]
        if len(runs) == measure.seeds and all(measure.path in run for run in runs):
            found[measure.name] = SeedSpread(tuple(run[measure.path] for run in runs))
    return found


def seeds_needed(program: CompiledProgram) -> int:
    """The number of trainings that the expectations need; 1 also if they need none."""
    return max((e.seeds for e in program.expectations), default=1)


def check_expectations(
    program: CompiledProgram,
    measured: Mapping[str, Any],
    spreads: Mapping[str, SeedSpread] = MappingProxyType({}),
) -> list[CheckedExpectation]:
    """Every expectation, compared with the measured values and the means of `spreads`."""
    values = {**measured, **{name: spread.mean for name, spread in spreads.items()}}
    judged = []
    for expectation in program.expectations:
        names = [measure.name for measure in expectation.measures]
        found = {name: values[name] for name in names if name in values}
        met = expectation.holds(found) if len(found) == len({*names}) else None
        own = {name: spreads[name] for name in found if name in spreads}
        judged.append(CheckedExpectation(expectation, met, found, own))
    return judged


def needs_training(program: CompiledProgram) -> bool:
    """Whether an expectation needs figures that only the training or the data gives."""
    known = static_measures(program)
    return any(path not in known for e in program.expectations for path in e.paths())
