"""The nearest name to a mistyped one."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.confusables import foreign_letters, latin

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

MAX_WORD = 40  # longer words are compared by their beginning
MAX_COMPARED = 100_000  # names that one spec may have compared with mistyped ones


class Nearest:
    """Names the nearest candidates to the mistyped names of one spec.

    The candidates of one name may be all names of the file, and with many errors the time would grow with the
    square of the file: past a bound on what is compared, errors are told without this fix.
    """

    def __init__(self) -> None:
        self.left = MAX_COMPARED

    def did_you_mean(self, word: str, candidates: Callable[[], Collection[str]]) -> str:
        """A sentence that names the nearest candidate, or nothing."""
        return self.meant(word, candidates)[1]

    def meant(self, word: str, candidates: Callable[[], Collection[str]]) -> tuple[str, str]:
        """The nearest candidate and a sentence that names it, or nothing of both."""
        if self.left <= 0:
            return "", ""
        found = candidates()
        self.left -= len(found)
        return meant(word, found)


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that was probably meant by `word`, if there is one."""
    from_elsewhere = re.search("[a-z][A-Z]", word)  # no name of the language is written so
    plain = _plain(word)
    letters, steps, best = set(plain), Steps(plain), None
    least = 2 if from_elsewhere else 1 + max(1, min(len(word), MAX_WORD) // 3)
    for other, candidate in sorted((_plain(c), c) for c in set(candidates)):
        if candidate == word or abs(len(other) - len(plain)) > least:
            continue
        if len(letters.difference(other)) > least:  # each letter that is missing takes a step
            continue
        found = steps.to(other, least)
        if found > least or found >= max(len(word), len(candidate)):
            continue
        rank = (found, -shared(word, candidate), candidate)
        if found < least or (best is not None and rank < best):
            best, least = rank, found
    return best and best[2]


def shared(a: str, b: str) -> int:
    """How many letters two words begin with alike."""
    return alike(_plain(a), _plain(b))


def alike(a: str, b: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """A sentence that names the nearest candidate, or nothing."""
    return meant(word, candidates)[1]


def meant(word: str, candidates: Iterable[str]) -> tuple[str, str]:
    """The nearest candidate and a sentence that names it, or nothing of both."""
    known = list(candidates)
    found = nearest(word, known) or ""
    return found, look_alike(word, known) or (f"did you mean `{found}`?" if found else "")


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


class Steps:
    """Counts letters to put in, take out, replace or swap with their neighbour to get from a word to others.

    A row of the table is how many steps each beginning of the word is from one beginning of another word.
    Words that come in alphabetical order share the rows of what they begin with alike.
    """

    def __init__(self, word: str) -> None:
        self.word, self.other = word, ""
        self.rows = [list(range(len(word) + 1))]

    def to(self, other: str, most: int) -> int:
        """The steps to another word; past `most` they are not counted to the end."""
        same = alike(other, self.other)
        del self.rows[same + 1 :]
        self.other = other[: len(self.rows) - 1]
        while len(self.rows) <= len(other):
            if min(self.rows[-1]) > most and min(self.rows[-2:][0]) > most:
                return most + 1
            self.other += other[len(self.other)]
            self.rows.append(self._next())
        return self.rows[-1][-1]

    def _next(self) -> list[int]:
        """The row behind the last one, of the other word with one letter more."""
        letter, before = self.other[-1], self.rows[-1]
        swapped = self.rows[-2] if len(self.other) > 1 else None
        row, last = [len(self.other)], ""
        for j, own in enumerate(self.word):
            cost = min(before[j] + (own != letter), before[j + 1] + 1, row[j] + 1)
            if swapped and own == self.other[-2] and last == letter:
                cost = min(cost, swapped[j - 1] + 1)
            row.append(cost)
            last = own
        return row
