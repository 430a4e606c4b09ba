"""Who is told how much of an encoding is done."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Watch = Callable[[str, int, int], None]  # gets what is done, how much of it is done, and how much it is

_watch: ContextVar[Watch] = ContextVar("watch", default=lambda what, done, of: None)


def current_watch() -> Watch:
    return _watch.get()


@contextmanager
def watched(watch: Watch | None) -> Iterator[None]:
    """Within the block, `watch` is told how much of an encoding is done."""
    token = _watch.set(watch or _watch.get())
    try:
        yield
    finally:
        _watch.reset(token)
