"""The nearest name to a mistyped one."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING

from dlc.compiler.characters import foreign_letters, latin

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_WORD = 40  # longer words are compared by their beginning


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that was probably meant by `word`, if there is one."""
    from dlc.compiler.foreign import ABSENT

    if word in ABSENT:
        return None
    from_elsewhere = re.search("[a-z][A-Z]", word)  # no name of the language is written so
    best, least = None, 2 if from_elsewhere else 1 + max(1, min(len(word), MAX_WORD) // 3)
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
    known = list(candidates)
    if help := look_alike(word, known):
        return help
    meant = nearest(word, known)
    return f"did you mean `{meant}`?" if meant else ""


def look_alike(word: str, candidates: Iterable[str]) -> str:
    """What to do about a word that differs from a candidate in the alphabet of its letters alone."""
    if not word.isascii():
        twin = next((c for c in candidates if c != word and latin(c) == latin(word)), "")
        other = f", that one {foreign_letters(twin)}" if not twin.isascii() else ""
        return f"write `{twin}`: it holds {foreign_letters(word)}{other}" if twin else ""
    twin = next((c for c in candidates if not c.isascii() and latin(c) == word), "")
    if not twin:
        return ""
    return f"there is `{twin}`, which holds {foreign_letters(twin)}: write both alike"


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
