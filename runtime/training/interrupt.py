"""Handle Ctrl-C: finish the current step, then stop the run."""

from __future__ import annotations

import signal
import threading
from typing import Any, Self


class Interrupt:
    """In its context the first Ctrl-C sets `asked`, the second one raises KeyboardInterrupt.

    Only the main thread can handle signals; in other threads Ctrl-C is unchanged.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _handle(self, number: int, frame: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
