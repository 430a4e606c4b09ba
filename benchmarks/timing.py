"""Timing two functions alternately, and the noise of their ratio."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, ClassVar

from benchmarks.calm import Look, Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Sample = Callable[[], float]  # runs once and returns the measured seconds


@dataclass(frozen=True)
class Timing:
    """Seconds of both, in the order of measurement: A B B A."""

    ours: Sequence[float]
    theirs: Sequence[float]

    @property
    def medians(self) -> tuple[float, float]:
        return median(self.ours), median(self.theirs)

    @property
    def noise(self) -> float:
        """The noise floor: the ratio of the medians of every second sample and of the others, at least 1."""
        return max(apart(self.ours), apart(self.theirs))


def apart(times: Sequence[float]) -> float:
    if len(times) < 2:
        return 1.0
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
    """The timing of dlc and of another candidate, and the target of the ratio, 0 for none.

    The ratio is how many times as fast dlc is; with `costs`, how many times as long it takes. `tokens` is the
    number of steps of sequences, or of rows, that are processed; `counted` is the word for them.
    """

    what: str
    against: str
    timing: Timing
    asked: float
    costs: bool = False
    tokens: int = 0
    counted: str = "tokens"
    is_size: bool = False  # bytes of memory in place of seconds

    @property
    def times(self) -> tuple[float, float]:
        """The median seconds of dlc and of the other."""
        return self.timing.medians

    @property
    def noise(self) -> float:
        return self.timing.noise

    @property
    def ratio(self) -> float:
        ours, theirs = self.times
        return ours / theirs if self.costs else theirs / ours

    @property
    def met(self) -> str:
        if not self.asked:
            return "-"
        return verdict(self.asked / self.ratio if self.costs else self.ratio / self.asked, self.noise)


def verdict(lead: float, noise: float) -> str:
    """Whether a target is met; `no` only if the ratio misses it by more than the noise."""
    if lead >= 1:
        return "yes"
    return "within the noise" if lead * noise >= 1 else "no"


@dataclass(frozen=True)
class Sweep:
    """The timings over a table of shapes, by row and column. The target is of the median ratio."""

    what: str
    against: str
    timings: Mapping[tuple[str, str], Timing]
    asked: float
    corner: str  # what the rows and the columns are
    costs: ClassVar[bool] = False
    tokens: ClassVar[int] = 0
    counted: ClassVar[str] = "tokens"

    @property
    def times(self) -> tuple[float, float]:
        """The medians over all shapes."""
        ours, theirs = zip(*(timing.medians for timing in self.timings.values()), strict=True)
        return median(ours), median(theirs)

    @property
    def noise(self) -> float:
        return median(timing.noise for timing in self.timings.values())

    @property
    def ratios(self) -> dict[tuple[str, str], float]:
        return {shape: theirs / ours for shape, (ours, theirs) in
                ((shape, timing.medians) for shape, timing in self.timings.items())}  # fmt: skip

    @property
    def ratio(self) -> float:
        return median(self.ratios.values())

    @property
    def met(self) -> str:
        return verdict(self.ratio / self.asked, self.noise)
