"""Room for functions that call themselves as deep as a spec nests."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FRAMES = 20_000  # the limits of the builder and of the parser keep far below


@contextmanager
def deep() -> Iterator[None]:
    """Python's limit of nested calls raised within."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, FRAMES))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
