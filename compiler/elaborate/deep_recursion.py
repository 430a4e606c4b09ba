"""Depth that does not touch the interpreter's recursion limit, which all threads of a program share."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def in_thread(act: Callable[..., Any], *given: Any) -> Any:
    """What `act` makes, in a thread of its own: Python counts the calls of each thread by themselves."""
    made: list[Any] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            made.append(act(*given))
        except BaseException as error:  # noqa: BLE001  raised anew below
            failed.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]
