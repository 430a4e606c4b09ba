"""Two things timed in turn, and what of their difference is noise."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.calm import Look, Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Sample = Callable[[], float]  # does it once and gives the seconds that count


@dataclass(frozen=True)
class Timing:
    """Seconds of both, in the order in which they were taken: A B B A."""

    ours: Sequence[float]
    theirs: Sequence[float]

    @property
    def noise(self) -> float:
        """Each against itself: medians of every other sample and of the rest, larger by smaller."""
        return max(apart(self.ours), apart(self.theirs))


def apart(times: Sequence[float]) -> float:
    first, second = median(times[::2]), median(times[1::2])
    return max(first, second) / min(first, second)


def interleave(ours: Sample, theirs: Sample, rounds: int, patience: float = 0) -> Timing:
    """Time both in turn, A B B A, in every round, after one run of each that does not count.

    For so many seconds in all, a pair waits for a calm machine, and is timed again if it did not stay so.
    """
    ours(), theirs()
    waiting, pairs = Patience(patience), []
    while len(pairs) < 2 * rounds:
        waiting.wait()
        look = Look()
        swapped = len(pairs) % 2 == 1  # neither is always the first after the wait
        pair = [alone(sample) for sample in ((theirs, ours) if swapped else (ours, theirs))]
        if not waiting.again(look):
            pairs.append(pair[::-1] if swapped else pair)
    return Timing(*zip(*pairs, strict=True))


@dataclass(frozen=True)
class Effort:
    """How much is done for a row; `quick` is once, on little data."""

    quick: bool = False
    rounds: int = 5
    patience: float = 0  # seconds

    def time(self, ours: Sample, theirs: Sample, more: int = 1) -> Timing:
        """Both in turn; what is short takes `more` times the rounds."""
        return interleave(ours, theirs, 1 if self.quick else more * self.rounds, self.patience)


def alone(sample: Sample) -> float:
    gc.collect()
    return sample()


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
