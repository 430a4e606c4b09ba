"""Random numbers and sampling in plain Python, written from the definitions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MASK = 0xFFFFFFFF


def philox(first: int, second: int, key: int) -> tuple[int, int]:
    """Philox2x32-10 with products of 64 bits, as the paper has it."""
    for number in range(10):
        product = 0xD256D193 * first
        first, second = (product >> 32) ^ ((key + number * 0x9E3779B9) & MASK) ^ second, product & MASK
    return first, second


def draw(seed: int, row: int, step: int) -> float:
    """The number of a row and a step. The bits of a seed above 32 are the number of the first row."""
    word, _ = philox(step, (row + (seed >> 32)) & MASK, seed & MASK)
    return (word >> 8) / 2**24


def kept_shares(
    scores: Sequence[float], temperature: float = 1, top_k: int | None = None, top_p: float = 1
) -> dict[int, float]:
    """The classes that may be drawn, in order, with their probabilities."""
    best = sorted(range(len(scores)), key=lambda place: (-scores[place], place))[:top_k]
    weights = {place: math.exp((scores[place] - scores[best[0]]) / temperature) for place in best}
    total, before, kept = math.fsum(weights.values()), 0.0, []
    for place in best:
        if before >= top_p * total and top_p < 1:
            break
        kept.append(place)
        before += weights[place]
    total = math.fsum(weights[place] for place in kept)
    return {place: weights[place] / total for place in sorted(kept)}


def chosen(shares: dict[int, float], number: float) -> int:
    """The class on which a number falls, where they lie side by side."""
    edge = 0.0
    for place, share in shares.items():
        edge += share
        if number < edge:
            return place
    return max(shares)
