"""Alignment of two sequences: which entries of one are those of the other."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

Pair = tuple[int, int]

MAX_COMPARED = 64  # comparisons for each entry of the shorter sequence, so that the time grows linearly
FEW = 16  # entries


def align(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[Pair]:
    """Positions of equal entries, as pairs that increase on both sides: a longest common subsequence (Myers
    1986). If the sequences differ in too much, a long one: entries pair by their number among equal ones."""
    begin, end = 0, min(len(a), len(b))
    while begin < end and a[begin] == b[begin]:
        begin += 1
    behind = 0
    while behind < end - begin and a[-1 - behind] == b[-1 - behind]:
        behind += 1
    inner = aligned_within(a, range(begin, len(a) - behind), b, range(begin, len(b) - behind))
    ends = ((len(a) - n, len(b) - n) for n in range(behind, 0, -1))
    return [*((n, n) for n in range(begin)), *inner, *ends]


def aligned_within(a: Sequence[Hashable], of_a: range, b: Sequence[Hashable], of_b: range) -> list[Pair]:
    """The alignment of parts of the sequences. Entries that the other part lacks are left out before."""
    in_a, in_b = {a[i] for i in of_a}, {b[j] for j in of_b}
    places, others = [i for i in of_a if a[i] in in_b], [j for j in of_b if b[j] in in_a]
    first, second = [a[i] for i in places], [b[j] for j in others]
    found = shortest_edits(first, second)
    pairs = by_number(first, second) if found is None else found
    return [(places[i], others[j]) for i, j in pairs]


def refine(pairs: Sequence[Pair], a: Sequence[Hashable], b: Sequence[Hashable]) -> list[Pair]:
    """The pairs, and those of entries between them that are equal by these keys."""
    found: list[Pair] = []
    for (i, k), (j, m) in gaps(pairs, len(a), len(b)):
        found += ((i + x, j + y) for x, y in align(a[i:k], b[j:m]))
        if (k, m) != (len(a), len(b)):
            found.append((k, m))
    return found


def gaps(pairs: Sequence[Pair], a: int, b: int) -> Iterator[tuple[Pair, Pair]]:
    """What lies before each pair and behind the last, as a range on each side; `a` and `b` are lengths."""
    i = j = 0
    for k, m in (*pairs, (a, b)):
        yield (i, k), (j, m)
        i, j = k + 1, m + 1


def shortest_edits(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[Pair] | None:
    """The pairs that a shortest edit script keeps; None if it is too long. `reached[k]` is the furthest
    position in `a` on the diagonal `k`, where the position in `b` is less by `k`."""
    reached, steps, compared = {1: 0}, [], 0
    for edits in range(len(a) + len(b) + 1):
        steps.append(dict(reached))
        for k in range(-edits, edits + 1, 2):
            down = k == -edits or (k != edits and reached[k - 1] < reached[k + 1])
            x = begin = reached[k + 1] if down else reached[k - 1] + 1
            while x < len(a) and x - k < len(b) and a[x] == b[x - k]:
                x += 1
            reached[k], compared = x, compared + x - begin + 1
            if x >= len(a) and x - k >= len(b):
                return kept_by(steps, k, x)
        if compared > MAX_COMPARED * (min(len(a), len(b)) + FEW):
            return None
    return None


def kept_by(steps: Sequence[dict[int, int]], k: int, x: int) -> list[Pair]:
    """The pairs along the way to the position `x` on the diagonal `k`, from the last step to the first."""
    kept: list[Pair] = []
    for edits in range(len(steps) - 1, -1, -1):
        reached = steps[edits]
        down = k == -edits or (k != edits and reached[k - 1] < reached[k + 1])
        before = k + 1 if down else k - 1
        begin = 0 if edits == 0 else reached[before] + (not down)
        kept += ((i, i - k) for i in range(x - 1, begin - 1, -1))
        if edits:
            x, k = reached[before], before
    return kept[::-1]


def by_number(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[Pair]:
    """Pairs of the n-th of equal entries on both sides, without those that cross others."""
    places: dict[Hashable, list[int]] = {}
    for j in range(len(b) - 1, -1, -1):
        places.setdefault(b[j], []).append(j)
    pairs = [(i, places[key].pop()) for i, key in enumerate(a) if places.get(key)]
    return increasing(pairs)


def increasing(pairs: Sequence[Pair]) -> list[Pair]:
    """A longest subsequence whose second positions increase; the first ones do."""
    ends: list[int] = []
    last: list[int] = []  # the index of the pair at each end
    before: list[int] = []
    for index, (_, j) in enumerate(pairs):
        place = bisect_left(ends, j)
        before.append(last[place - 1] if place else -1)
        ends[place : place + 1], last[place : place + 1] = [j], [index]
    found, index = [], last[-1] if last else -1
    while index >= 0:
        found.append(pairs[index])
        index = before[index]
    return found[::-1]
