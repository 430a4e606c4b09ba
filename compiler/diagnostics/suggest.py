"""Suggestions for misspelled names, by edit distance."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.confusables import non_ascii_letters, to_latin

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

MAX_WORD = 40  # characters of a word that are compared
MAX_COMPARED = 100_000  # comparisons for one spec


class Nearest:
    """Suggestions for the misspelled names of one spec, with a bound on the total time.

    The candidates of a name can be all names of the file, so the time for many errors is quadratic in its
    size. After `MAX_COMPARED` comparisons, errors are reported without a suggestion.
    """

    def __init__(self) -> None:
        self.left = MAX_COMPARED

    def did_you_mean(self, word: str, candidates: Callable[[], Collection[str]]) -> str:
        """The help with the nearest candidate; empty if there is none."""
        return self.suggestion(word, candidates)[1]

    def suggestion(self, word: str, candidates: Callable[[], Collection[str]]) -> tuple[str, str]:
        """The nearest candidate and the help that names it; both empty if there is none."""
        if self.left <= 0:
            return "", ""
        found = candidates()
        self.left -= len(found)
        return suggestion(word, found)


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `word` is probably a misspelling of; None if there is none."""
    camel_case = re.search("[a-z][A-Z]", word)  # camel case: not a name of the language
    plain = _plain(word)
    letters, distances, best = set(plain), EditDistance(plain), None
    best_distance = 2 if camel_case else 1 + max(1, min(len(word), MAX_WORD) // 3)
    for other, candidate in sorted((_plain(c), c) for c in set(candidates)):
        if candidate == word or abs(len(other) - len(plain)) > best_distance:
            continue
        if len(letters.difference(other)) > best_distance:  # each missing letter costs an edit
            continue
        found = distances.to(other, best_distance)
        if found > best_distance or found >= max(len(word), len(candidate)):
            continue
        rank = (found, -common_prefix_of_words(word, candidate), candidate)
        if found < best_distance or (best is not None and rank < best):
            best, best_distance = rank, found
    return best and best[2]


def common_prefix_of_words(a: str, b: str) -> int:
    """The length of the common prefix of two words, without case and `_`."""
    return common_prefix(_plain(a), _plain(b))


def common_prefix(a: str, b: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """The help with the nearest candidate; empty if there is none."""
    return suggestion(word, candidates)[1]


def suggestion(word: str, candidates: Iterable[str]) -> tuple[str, str]:
    """The nearest candidate and the help that names it; both empty if there is none."""
    known = list(candidates)
    found = nearest(word, known) or ""
    return found, homoglyph_help(word, known) or (f"did you mean `{found}`?" if found else "")


def homoglyph_help(word: str, candidates: Iterable[str]) -> str:
    """The help for a word that differs from a candidate only in the alphabet of its letters."""
    if not word.isascii():
        twin = next((c for c in candidates if c != word and to_latin(c) == to_latin(word)), "")
        other = f", that one {non_ascii_letters(twin)}" if not twin.isascii() else ""
        return f"write `{twin}`: it contains {non_ascii_letters(word)}{other}" if twin else ""
    twin = next((c for c in candidates if not c.isascii() and to_latin(c) == word), "")
    if not twin:
        return ""
    return f"there is `{twin}`, which contains {non_ascii_letters(twin)}: use the same letters in both"


def _plain(word: str) -> str:
    return word[:MAX_WORD].lower().replace("_", "")


class EditDistance:
    """Edit distance (Damerau-Levenshtein) from one word to others.

    A row of the table has the distances of all prefixes of the word to one prefix of the other word. Words in
    alphabetical order reuse the rows of their common prefix.
    """

    def __init__(self, word: str) -> None:
        self.word, self.other = word, ""
        self.rows = [list(range(len(word) + 1))]

    def to(self, other: str, most: int) -> int:
        """The distance to another word; at least `most + 1` if it is larger than `most`."""
        same = common_prefix(other, self.other)
        del self.rows[same + 1 :]
        self.other = other[: len(self.rows) - 1]
        while len(self.rows) <= len(other):
            if min(self.rows[-1]) > most and min(self.rows[-2:][0]) > most:
                return most + 1
            self.other += other[len(self.other)]
            self.rows.append(self._next())
        return self.rows[-1][-1]

    def _next(self) -> list[int]:
        """The next row: that of the prefix of the other word with one letter more."""
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
