"""The layout of a chain with nested skip connections, as in a U-Net (Ronneberger et al. 2015): down
on the left and up on the right. Each skip connection is a horizontal edge."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from dlc.show.layers import GAP_X, GAP_Y

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from dlc.show.layers import Item, LayoutEdge

MIN_SKIPS = 2
BETWEEN = 3 * GAP_X  # the least length of a skip connection


def nested_skips(items: Sequence[Item], lines: Sequence[LayoutEdge]) -> list[tuple[int, int]]:
    """The skip connections as pairs of positions in the chain, from the outside in. Empty if the items, given
    in topological order, are not a chain, or if the skip connections are not nested."""
    position = {item: n for n, item in enumerate(items)}
    ends = {(position[line.source], position[line.target]) for line in lines}
    chain = set(pairwise(range(len(items))))
    skips = sorted(ends - chain)
    nested = all(a < c and d < b for (a, b), (c, d) in pairwise(skips))
    inside = len(skips) >= MIN_SKIPS and skips[-1][1] - skips[-1][0] >= 2
    return skips if chain <= ends and nested and inside else []


def bottom_of(skips: Sequence[tuple[int, int]]) -> int:
    """The position of the item at the bottom of the U."""
    return sum(skips[-1]) // 2


def arrange_as_u(items: Sequence[Item], skips: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """Place the items of a chain, and return the width and height of the layout."""
    bottom = bottom_of(skips)
    left, right = items[:bottom], items[bottom + 1 :]
    place_levels(items, skips, bottom)
    left_wide, right_wide = (max(item.width for item in side) for side in (left, right))
    between = max(BETWEEN, items[bottom].width + 2 * GAP_X - (left_wide + right_wide) / 2)
    for item in left:
        item.x = left_wide / 2
    for item in right:
        item.x = left_wide + between + right_wide / 2
    items[bottom].x = left_wide + between / 2
    top = min(item.y for item in items)
    for item in items:
        item.y -= top
    return left_wide + between + right_wide, max(item.y + item.height for item in items)


def place_levels(items: Sequence[Item], skips: Sequence[tuple[int, int]], bottom: int) -> None:
    """Set `y`: the two ends of a skip connection have the same middle, and the item at the bottom is below
    all others. Each pair of sides is as high as the higher of them."""
    middle = 0.0
    outer = skips[0]
    stack_up([*reversed(items[: outer[0] + 1])], middle)
    stack_up(items[outer[1] :], middle)
    for (a, b), (c, d) in pairwise(skips):
        ways = items[a : c + 1], [*reversed(items[d : b + 1])]
        space = max(map(distance, ways))
        for way in ways:
            stretch(way, middle, space)
        middle += space
    a, b = skips[-1]
    ways: tuple[Sequence[Item], ...] = items[a:bottom], [*reversed(items[bottom + 1 : b + 1])]
    ends = [middle + distance(way) + way[-1].height / 2 for way in ways]
    for way in ways:
        stretch(way, middle, distance(way))
    items[bottom].y = max(ends) + GAP_Y


def distance(way: Sequence[Item]) -> float:
    """From the middle of the first item to the middle of the last one, if they are stacked."""
    return sum((a.height + b.height) / 2 + GAP_Y for a, b in pairwise(way))


def stretch(way: Sequence[Item], middle: float, space: float) -> None:
    """Place items downwards from the middle of the first one, with equal gaps, over a distance."""
    gaps = len(way) - 1
    more = (space - distance(way)) / gaps if gaps else 0.0
    for item, after in zip(way, (*way[1:], None), strict=True):
        item.y = middle - item.height / 2
        if after is not None:
            middle += (item.height + after.height) / 2 + GAP_Y + more


def stack_up(way: Sequence[Item], middle: float) -> None:
    """Place items upwards from the middle of the first one."""
    for item, after in zip(way, (*way[1:], None), strict=True):
        item.y = middle - item.height / 2
        if after is not None:
            middle -= (item.height + after.height) / 2 + GAP_Y


def route(line: LayoutEdge, position: Mapping[Any, int], bottom: int) -> list[tuple[float, float]]:
    """The corners of an edge, from the border of its source to that of its target."""
    a, b = line.source, line.target
    start, end = position[a], position[b]
    if end - start > 1:  # a skip connection
        y = a.y + a.height / 2
        return [(a.x + a.width / 2, y), (b.x - b.width / 2, y)]
    if end == bottom:
        y = b.y + b.height / 2
        return [(a.x, a.y + a.height), (a.x, y), (b.x - b.width / 2, y)]
    if start == bottom:
        y = a.y + a.height / 2
        return [(a.x + a.width / 2, y), (b.x, y), (b.x, b.y + b.height)]
    if end < bottom:
        return [(a.x, a.y + a.height), (b.x, b.y)]
    return [(a.x, a.y), (b.x, b.y + b.height)]
