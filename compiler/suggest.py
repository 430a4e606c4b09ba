"""The nearest name to a mistyped one."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_WORD = 40  # longer words are compared by their beginning


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that was probably meant by `word`, if there is one."""
    best, least = None, 1 + max(1, min(len(word), MAX_WORD) // 3)
    for candidate in sorted(set(candidates)):
        if candidate == word or abs(len(candidate) - len(word)) >= least + 1:
            continue
        steps = _steps(_plain(word), _plain(candidate))
        if steps > least or steps >= max(len(word), len(candidate)):
            continue
        if steps < least or (best is not None and shared(word, candidate) > shared(word, best)):
            best, least = candidate, steps
    return best


def shared(a: str, b: str) -> int:
    """How many letters two words begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(_plain(a), _plain(b), strict=False)))


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """A sentence that names the nearest candidate, or nothing."""
    meant = nearest(word, candidates)
    return f"did you mean `{meant}`?" if meant else ""


def _plain(word: str) -> str:
    return word[:MAX_WORD].lower().replace("_", "")


def _steps(a: str, b: str) -> int:
    """Letters to put in, take out, replace or swap with their neighbour to get from `a` to `b`."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a):
        above, before, row = before, row, [i + 1]
        for j, y in enumerate(b):
            cost = min(before[j] + (x != y), before[j + 1] + 1, row[j] + 1)
            if i and j and x == b[j - 1] and y == a[i - 1]:
                cost = min(cost, above[j - 1] + 1)
            row.append(cost)
    return row[-1]
