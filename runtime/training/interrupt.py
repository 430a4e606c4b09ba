"""Handle Ctrl-C and SIGTERM: finish the current step, then stop the run."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from math import inf
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_times: dict[int, float] = {}  # when each signal came last
TWICE = 1.0  # seconds in which SIGTERM is the same one: `timeout` sends it to a process and to its group


class Interrupt:
    """In its context the first Ctrl-C or SIGTERM sets `asked`, the second one raises KeyboardInterrupt.

    Only the main thread can handle signals; in other threads they are unchanged.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _handle(self, number: int, frame: Any) -> None:
        if is_repeated(number):
            return
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """In its context SIGTERM raises KeyboardInterrupt, as Ctrl-C does."""

    def stop(number: int, frame: Any) -> None:
        if not is_repeated(number):
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def is_repeated(number: int) -> bool:
    """Whether this is a SIGTERM that came a moment ago too, and so is the same one."""
    before, _times[number] = _times.get(number, -inf), time.monotonic()
    return number == signal.SIGTERM and time.monotonic() < before + TWICE
