"""Timing two functions alternately, and the noise of their ratio."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.calm import Look, Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Sample = Callable[[], float]  # runs once and returns the measured seconds


@dataclass(frozen=True)
class Timing:
    """Seconds of both, in the order of measurement: A B B A."""

    ours: Sequence[float]
    theirs: Sequence[float]

    @property
    def noise(self) -> float:
        """The noise floor: the ratio of the medians of every second sample and of the others, at least 1."""
        return max(apart(self.ours), apart(self.theirs))


def apart(times: Sequence[float]) -> float:
    first, second = median(times[::2]), median(times[1::2])
    return max(first, second) / min(first, second)


def interleave(ours: Sample, theirs: Sample, rounds: int, patience: float = 0) -> Timing:
    """Time both alternately, A B B A, in every round, after one run of each that does not count.

    Each pair waits for an idle machine, and is repeated if others used the machine, for `patience` seconds in
    total.
    """
    ours()
    theirs()
    waiting, pairs = Patience(patience), []
    while len(pairs) < 2 * rounds:
        waiting.wait()
        look = Look()
        swapped = len(pairs) % 2 == 1  # so that neither is always the first after the wait
        pair = [alone(sample) for sample in ((theirs, ours) if swapped else (ours, theirs))]
        if not waiting.again(look):
            pairs.append(pair[::-1] if swapped else pair)
    return Timing(*zip(*pairs, strict=True))


@dataclass(frozen=True)
class Effort:
    """The number of repetitions of a row; `quick` means once, on little data."""

    quick: bool = False
    rounds: int = 5
    patience: float = 0  # seconds

    def time(self, ours: Sample, theirs: Sample, more: int = 1) -> Timing:
        """Time both; `more` is a factor on the rounds, for short samples."""
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
    """The timing of dlc and of another candidate, and the target of the ratio.

    The ratio is how many times as fast dlc is; with `costs`, how many times as long it takes.
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
        """Whether the target is met; `no` only if the ratio misses it by more than the noise."""
        lead = self.asked / self.ratio if self.costs else self.ratio / self.asked
        if lead >= 1:
            return "yes"
        return "within the noise" if lead * self.timing.noise >= 1 else "no"
