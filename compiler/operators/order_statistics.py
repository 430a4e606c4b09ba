"""Quantiles and the most frequent value of each feature, of any number of values in bounded memory: few
values are kept, and many are read several times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

KEPT = 1 << 24  # values that are kept in memory at once
COUNTERS = 1 << 22
BITS = 64


class ValuePasses:
    """Arrays [rows, features] in float64, NaN where a value is missing, in any number of passes. `kept` has
    all of them if they are few."""

    def __init__(self, read: Callable[[], Iterable[Any]]) -> None:
        self._read = read
        self.kept = self._few()

    def _few(self) -> list[Any] | None:
        kept, size = [], 0
        for rows in self._read():
            kept.append(rows)
            size += rows.size
            if size > KEPT:
                return None
        return kept

    def __call__(self) -> Iterable[Any]:
        return self._read() if self.kept is None else self.kept

    def features(self, np: Any) -> Iterator[Any]:
        """The values of each feature, of few values."""
        for column in np.concatenate(self.kept).T:
            yield column[~np.isnan(column)]


def quantiles(np: Any, passes: ValuePasses, shares: Sequence[float]) -> Any:
    """The quantiles of each feature, `[features, shares]`, as `numpy.quantile` computes them; 0 for features
    without values."""
    if passes.kept is not None:
        none = np.zeros(len(shares))
        return np.array([np.quantile(of, shares) if len(of) else none for of in passes.features(np)])
    counts = count(np, passes)
    virtual = np.maximum(counts - 1, 0)[:, None] * np.asarray(shares, np.float64)
    lower = np.floor(virtual).astype(np.int64)
    upper = np.minimum(lower + 1, np.maximum(counts - 1, 0)[:, None])
    values = selected(np, passes, np.concatenate([lower, upper], axis=1), counts)
    below, above = np.split(values, 2, axis=1)
    return np.where(counts[:, None] > 0, between(np, below, above, virtual - lower), 0)


def between(np: Any, below: Any, above: Any, part: Any) -> Any:
    """Numbers between two others, rounded as `numpy.quantile` does."""
    step = above - below
    return np.where(part >= 0.5, above - step * (1 - part), below + step * part)


def medians(np: Any, passes: ValuePasses) -> Any:
    """The median of each feature, as `numpy.median` computes it; 0 for features without values."""
    if passes.kept is not None:
        return np.array([np.median(of) if len(of) else 0 for of in passes.features(np)])
    counts = count(np, passes)
    middle = np.stack([np.maximum(counts - 1, 0) // 2, counts // 2], axis=1)
    middle = np.minimum(middle, np.maximum(counts - 1, 0)[:, None])
    return np.where(counts > 0, selected(np, passes, middle, counts).mean(axis=1), 0)


def count(np: Any, passes: ValuePasses) -> Any:
    """The number of values of each feature."""
    return sum((~np.isnan(rows)).sum(axis=0) for rows in passes())


def selected(np: Any, passes: ValuePasses, places: Any, counts: Any) -> Any:
    """The values at some places of the sorted values of each feature, `[features, places]`. Each pass finds
    more bits of the values, from the first one on, by counting the values that begin with those found."""
    begun, ranks, known = np.zeros(places.shape, np.uint64), places.copy(), 0
    while known < BITS:
        prefixes = [np.unique(of) for of in begun]
        total = max(sum(map(len, prefixes)), 1)
        bits = max(min(16, BITS - known, (COUNTERS // total).bit_length() - 1), 1)
        counters = [np.zeros((len(of), 1 << bits), np.int64) for of in prefixes]
        for rows in passes():
            for feature, column in enumerate(rows.T):
                add(
                    np, counters[feature], keys(np, column[~np.isnan(column)]), prefixes[feature], known, bits
                )
        for feature in np.flatnonzero(counts).tolist():
            ends = counters[feature].cumsum(axis=1)
            for place, prefix in enumerate(np.searchsorted(prefixes[feature], begun[feature]).tolist()):
                next_bits = int(np.searchsorted(ends[prefix], ranks[feature, place], side="right"))
                ranks[feature, place] -= ends[prefix][next_bits - 1] if next_bits else 0
                begun[feature, place] = (begun[feature, place] << np.uint64(bits)) | np.uint64(next_bits)
        known += bits
    return values(np, begun)


def add(np: Any, counters: Any, found: Any, prefixes: Any, known: int, bits: int) -> None:
    """Count the keys that begin with these prefixes of `known` bits by their next `bits`."""
    begin = found >> np.uint64(BITS - known) if known else np.zeros_like(found)
    at = np.minimum(np.searchsorted(prefixes, begin), len(prefixes) - 1)
    there = prefixes[at] == begin
    following = (found[there] >> np.uint64(BITS - known - bits)) & np.uint64((1 << bits) - 1)
    places = (at[there] << bits) + following.astype(np.int64)
    counters += np.bincount(places, minlength=counters.size).reshape(counters.shape)


def keys(np: Any, numbers: Any) -> Any:
    """Integers of 64 bits in the order of the numbers."""
    bits = np.ascontiguousarray(numbers + 0.0, np.float64).view(np.uint64)  # -0 becomes 0
    negative = bits >> np.uint64(63) == 1
    return np.where(negative, ~bits, bits | np.uint64(1 << 63))


def values(np: Any, keys: Any) -> Any:
    """The numbers of `keys`."""
    positive = keys >> np.uint64(63) == 1
    return np.where(positive, keys & np.uint64((1 << 63) - 1), ~keys).view(np.float64)


def most_frequent(np: Any, passes: ValuePasses, features: int) -> Any:
    """The most frequent value of each feature, of several the smallest; 0 for features without values. A pass
    counts the smallest values that were not counted before."""
    if passes.kept is not None:
        every = (np.unique(of, return_counts=True) for of in passes.features(np))
        return np.array([numbers[counts.argmax()] if len(counts) else 0 for numbers, counts in every])
    most = max(KEPT // max(features, 1) // 4, 1)
    best, times = np.zeros(features), np.zeros(features, np.int64)
    low, left = np.full(features, -np.inf), {*range(features)}
    while left:
        found = {feature: (np.zeros(0), np.zeros(0, np.int64), np.inf) for feature in left}
        for rows in passes():
            for feature in left:
                column = rows[:, feature]
                found[feature] = counted(np, *found[feature], column[column > low[feature]], most)
        for feature, (numbers, counts, bound) in found.items():
            if len(counts) and counts.max() > times[feature]:
                best[feature], times[feature] = numbers[counts.argmax()], counts.max()
            low[feature] = bound
        left = {feature for feature in left if low[feature] < np.inf}
    return best


def counted(np: Any, numbers: Any, counts: Any, bound: float, more: Any, most: int) -> tuple[Any, Any, float]:
    """Sorted numbers up to a bound with their counts, and more numbers. At most `most` are kept: the smallest
    ones, up to a smaller bound."""
    fresh, of_fresh = np.unique(more[more <= bound], return_counts=True)
    every, at = np.unique(np.concatenate([numbers, fresh]), return_inverse=True)
    total = np.bincount(at, np.concatenate([counts, of_fresh]), len(every)).astype(np.int64)
    if len(every) <= most:
        return every, total, bound
    return every[:most], total[:most], float(every[most - 1])
