"""Waiting until no other program uses the machine. A machine without `/proc/stat` counts as idle."""

from __future__ import annotations

import os
import time
from pathlib import Path

STAT = Path("/proc/stat")
BUSY = 0.1  # share of the processors that other programs may use
LOOK = 1.0  # seconds of observation before a sample


class Patience:
    """The seconds that are left for waiting, and for repeating disturbed samples."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    def wait(self) -> None:
        """Wait until the machine is idle, or no time is left."""
        while self.left > 0:
            look = Look()
            time.sleep(LOOK)
            if look.calm():
                return
            self.left -= LOOK

    def again(self, look: Look) -> bool:
        """Whether to repeat the sample that was timed since that look."""
        if self.left <= 0 or look.calm():
            return False
        self.left -= time.monotonic() - look.began
        return True


class Look:
    """The processor time at one moment, for comparison."""

    def __init__(self) -> None:
        self.began, self._all, self._own = time.monotonic(), used(), own()

    def calm(self) -> bool:
        """Whether other programs have used less than `BUSY` of the processors since then."""
        others = (used() - self._all) - (own() - self._own)
        passed = time.monotonic() - self.began
        return others < BUSY * passed * (os.cpu_count() or 1)


def used() -> float:
    """Busy seconds of all processors since the start of the machine; 0 if unknown."""
    if not STAT.exists():
        return 0.0
    user, nice, system, _, _, irq, softirq, steal = map(int, STAT.read_text("utf-8").split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def own() -> float:
    """Processor seconds of this process and its children."""
    return sum(os.times()[:4])
