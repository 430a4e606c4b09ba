"""Ctrl-C that lets a step end before it stops the run."""

from __future__ import annotations

import signal
import threading
from typing import Any, Self


class Interrupt:
    """While it is entered, the first Ctrl-C sets `asked`, the second raises KeyboardInterrupt at once.

    Only the main thread can do this; elsewhere Ctrl-C stays as it is.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._heard)
        return self

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _heard(self, number: int, frame: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
