"""Waiting for the machine to be left alone. Where it does not say what it does, it counts as calm."""

from __future__ import annotations

import os
import time
from pathlib import Path

STAT = Path("/proc/stat")
BUSY = 0.1  # share of the machine that others may use
LOOK = 1.0  # seconds over which is looked before something is timed


class Patience:
    """So many seconds may be spent on waiting, and on samples that others disturbed."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    def wait(self) -> None:
        """Until the machine is calm, or patience is at its end."""
        while self.left > 0:
            look = Look()
            time.sleep(LOOK)
            if look.calm():
                return
            self.left -= LOOK

    def again(self, look: Look) -> bool:
        """Whether what was timed since that look is to be timed again."""
        if self.left <= 0 or look.calm():
            return False
        self.left -= time.monotonic() - look.began
        return True


class Look:
    """The processor time of this moment, to compare with."""

    def __init__(self) -> None:
        self.began, self._all, self._own = time.monotonic(), used(), own()

    def calm(self) -> bool:
        """Whether other programs used little of the machine since then."""
        others = (used() - self._all) - (own() - self._own)
        passed = time.monotonic() - self.began
        return others < BUSY * passed * (os.cpu_count() or 1)


def used() -> float:
    """Seconds that all processors together were busy since the machine began; 0 where it cannot be told."""
    if not STAT.exists():
        return 0.0
    user, nice, system, _, _, irq, softirq, steal = map(int, STAT.read_text("utf-8").split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def own() -> float:
    """Of these, the seconds of this process and of those that it ran."""
    return sum(os.times()[:4])
