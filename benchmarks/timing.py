"""Two things timed in turn, and what of their difference is noise."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Sample = Callable[[], float]  # does it once and gives the seconds that count


@dataclass(frozen=True)
class Timing:
    """Seconds of both, in the order in which they were taken: A B A B."""

    ours: Sequence[float]
    theirs: Sequence[float]

    @property
    def noise(self) -> float:
        """Each against itself: medians of every other sample and of the rest, larger by smaller."""
        return max(apart(self.ours), apart(self.theirs))


def apart(times: Sequence[float]) -> float:
    first, second = median(times[::2]), median(times[1::2])
    return max(first, second) / min(first, second)


def interleave(ours: Sample, theirs: Sample, rounds: int) -> Timing:
    """Time both in turn, twice a round, after one run of each that does not count."""
    ours(), theirs()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(2 * rounds):
        for sample, kept in zip((ours, theirs), times, strict=True):
            gc.collect()
            kept.append(sample())
    return Timing(*times)


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@dataclass(frozen=True)
class Comparison:
    """What was timed, against what, and what is asked of the ratio.

    The ratio says how many times as fast dlc is; with `costs`, how many times as long it takes.
    """

    what: str
    against: str
    timing: Timing
    asked: float
    costs: bool = False

    @property
    def ratio(self) -> float:
        ours, theirs = median(self.timing.ours), median(self.timing.theirs)
        return ours / theirs if self.costs else theirs / ours

    @property
    def met(self) -> str:
        """`no` only where the ratio is further from what is asked than the noise explains."""
        lead = self.asked / self.ratio if self.costs else self.ratio / self.asked
        if lead >= 1:
            return "yes"
        return "within the noise" if lead * self.timing.noise >= 1 else "no"
