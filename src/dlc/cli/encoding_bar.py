"""How much of an encoding is done, as a bar on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.runtime.training import progress

if TYPE_CHECKING:
    from rich.console import Console


class EncodingBar:
    """Shows what is encoded, and how much of it is done, on a terminal; elsewhere nothing."""

    def __init__(self, console: Console) -> None:
        self._console, self._bar, self._task, self._what = console, None, None, ""

    def __call__(self, what: str, done: int, of: int) -> None:
        """Show that `done` of the rows or bytes, `of` them in all, are done; `of` is 0 if it is not known."""
        if not self._console.is_terminal:
            return
        if what != self._what:
            self.close()
            self._what, self._bar = what, progress.bar(self._console)
            self._task = self._bar.add_task(what, total=of or None, now="")
            self._bar.start()
        bar: Any = self._bar
        bar.update(self._task, completed=done)
        if of and done >= of:
            self.close()

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
        self._bar, self._what = None, ""
