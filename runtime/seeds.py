"""Several trainings of one spec that differ only in their seed: their results, mean and deviation."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.passes import specialize
from dlc.compiler.training.seed_statistics import LARGEST_SEED
from dlc.runtime import pipeline
from dlc.runtime.expectations import SeedSpread
from dlc.runtime.open_rows import source_from

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dlc.runtime.open_rows import Face
    from dlc.runtime.pipeline import Result
    from dlc.runtime.training.history import Figures


@dataclass(frozen=True)
class SeedResults:
    """The results of `dlc.train(..., seeds=5)`.

    `results` are the runs that ended, by seed. `interrupted` is the run that Ctrl-C ended early, if there is
    one; it is not counted in the means.
    """

    results: Mapping[int, Result]
    interrupted: Result | None = None
    spreads: Mapping[str, Mapping[str, SeedSpread]] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def mean(self) -> Mapping[str, Figures]:
        """The mean of each figure: `mean["test"]["accuracy"]`."""
        return {part: {name: s.mean for name, s in of.items()} for part, of in self.spreads.items()}

    @property
    def deviation(self) -> Mapping[str, Figures]:
        """The standard deviation of each figure, with n - 1."""
        return {part: {name: s.deviation for name, s in of.items()} for part, of in self.spreads.items()}


def spreads(figures: Sequence[Mapping[str, Figures]]) -> dict[str, dict[str, SeedSpread]]:
    """The spread of each figure that all runs have, by part of the data."""
    first = figures[0] if figures else {}
    return {
        part: {
            name: SeedSpread(tuple(of[part][name] for of in figures))
            for name in names
            if all(name in of.get(part, {}) for of in figures)
        }
        for part, names in first.items()
    }


def each(face: Face, count: int, **settings: Any) -> Iterator[tuple[int, Result]]:
    """Train a program with its own seed and those after it, and yield each seed with its run. A run that
    Ctrl-C ended early is the last one. Warnings and notes are given once. `settings` are those of
    `pipeline.train`.

    Raises `CompileError` before the first training if nothing is trained, or if a seed is too large.
    """
    check(face, count)
    settings["data"] = source_from(settings.get("data"))  # opened once, because some can be read only once
    shown: list[Any] = []
    for place in range(count):
        program = face.with_later_seed(place)
        result = pipeline.train(program, **settings | told_once(settings, shown))
        yield program.compiled.train.seed, result
        if was_interrupted(result):
            return


def check(face: Face, count: int) -> None:
    """Refuse a program that no seed changes, and seeds that are too large."""
    program = face.compiled
    if not specialize.trained(program):
        message = "this spec trains no weights, so all seeds give the same"
        raise CompileError.of("E0804", message, help="train it without several seeds")
    last = max(phase.settings.seed for phase in program.phases) + count - 1
    if last > LARGEST_SEED:
        message = f"the last seed would be {last}, and the largest one is {LARGEST_SEED}"
        raise CompileError.of("E0403", message, help="ask for fewer seeds, or write a smaller `seed`")


def told_once(settings: Mapping[str, Any], shown: list[Any]) -> dict[str, Any]:
    """The functions `warn` and `note` among the settings, for what they have not been given yet."""

    def once(tell: Any) -> Any:
        def tell_new(found: Iterable[Any]) -> None:
            new = [one for one in found if one not in shown]
            shown.extend(new)
            tell(new)

        return tell_new

    return {name: once(settings[name]) for name in ("warn", "note") if name in settings}


def was_interrupted(result: Result) -> bool:
    return result.trained is not None and result.trained.was_interrupted


def train(face: Face, count: int, **settings: Any) -> SeedResults:
    """All of `each`."""
    runs = dict(each(face, count, **settings))
    stopped = next((run for run in runs.values() if was_interrupted(run)), None)
    whole = {seed: run for seed, run in runs.items() if run is not stopped}
    return SeedResults(whole, stopped, spreads([run.figures for run in whole.values()]))
