"""Layered layout of a directed acyclic graph (Sugiyama, Tagawa and Toda 1981): layers by longest path,
crossing reduction by barycenters, then coordinates that keep edges straight."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet

GAP_X, GAP_Y = 26.0, 28.0
LANE = 10.0  # the width of an edge that passes a layer
SWEEPS, PLACINGS = 8, 30
MAX_LANES = 5000
FAINT = 1e-3  # weight of a segment of a long edge
LIGHT = 1e-4  # weight of a passing edge, relative to an item


class TooLarge(Exception):
    """The graph is too large for a picture."""


@dataclass(eq=False)
class Item:
    """An item with a size. `x` is its center, `y` its top; `arrange` sets both."""

    width: float
    height: float
    x: float = 0.0
    y: float = 0.0
    layer: int = 0
    passing: bool = False  # a dummy item where an edge passes a layer

    @property
    def is_entry(self) -> bool:
        """Whether it is only the entry point of an edge."""
        return self.width == 0


@dataclass(eq=False)
class LayoutEdge:
    """An edge from the bottom of one item to the top of another, with offsets from their centers."""

    source: Item
    target: Item
    source_x: float = 0.0
    target_x: float = 0.0
    lanes: list[Item] = field(default_factory=list)
    label: str = ""


@dataclass(eq=False)
class Link:
    """A segment of an edge between adjacent layers."""

    above: Item
    below: Item
    above_x: float = 0.0
    below_x: float = 0.0
    short: bool = True  # a whole edge

    @property
    def weight(self) -> float:
        return 1.0 if self.short else FAINT


def arrange(
    items: Sequence[Item],
    lines: Sequence[LayoutEdge],
    *,
    top: Sequence[Item] = (),
    bottom: Sequence[Item] = (),
) -> tuple[float, float]:
    """Place the items, given in topological order, and return the width and height of the layout. `top` and
    `bottom` are items of the first and the last layer. `TooLarge` if too many edges are long."""
    count = choose_layers(items, lines, set(top), set(bottom))
    if sum(max(0, line.target.layer - line.source.layer - 1) for line in lines) > MAX_LANES:
        raise TooLarge("a picture of so many tensors that are read much further on cannot be read")
    links = [link for line in lines for link in cut(line)]
    layers: list[list[Item]] = [[] for _ in range(count)]
    for item in (*items, *(lane for line in lines for lane in line.lanes)):
        layers[item.layer].append(item)
    above: dict[Item, list[Link]] = {}
    below: dict[Item, list[Link]] = {}
    for link in links:
        above.setdefault(link.below, []).append(link)
        below.setdefault(link.above, []).append(link)
    order(layers, above, below)
    place(layers, lines, above, below)
    return settle(layers)


# --- layers -----------------------------------------------------------------------------------------------


def choose_layers(
    items: Sequence[Item], lines: Sequence[LayoutEdge], top: AbstractSet[Item], bottom: AbstractSet[Item]
) -> int:
    """Assign layers: every item is below its predecessors, and sources are as low as possible."""
    before: dict[Item, list[Item]] = {}
    behind: dict[Item, list[Item]] = {}
    for line in lines:
        before.setdefault(line.target, []).append(line.source)
        behind.setdefault(line.source, []).append(line.target)
    for item in items:
        item.layer = max(
            (b.layer + 1 for b in before.get(item, ())), default=0 if item in top or not top else 1
        )
    for item in items:
        if item not in before and item in behind and item not in top:
            item.layer = min(b.layer for b in behind[item]) - 1
    count = 1 + max((item.layer for item in items if item not in bottom), default=-1)
    for item in bottom:
        item.layer = count
    return count + bool(bottom)


def cut(line: LayoutEdge) -> list[Link]:
    """Split an edge into segments between adjacent layers."""
    line.lanes = [
        Item(LANE, 0.0, layer=n, passing=True) for n in range(line.source.layer + 1, line.target.layer)
    ]
    stops = [line.source, *line.lanes, line.target]
    links = [Link(a, b, short=not line.lanes) for a, b in pairwise(stops)]
    links[0].above_x, links[-1].below_x = line.source_x, line.target_x
    return links


# --- order within the layers ------------------------------------------------------------------------------


def order(layers: list[list[Item]], above: dict[Item, list[Link]], below: dict[Item, list[Link]]) -> None:
    """Sort each layer by the barycenters of its items in the next layer, down and up, and keep the best
    order."""
    best, fewest = [list(layer) for layer in layers], crossings(layers, above)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for layer in layers[1:] if down else layers[-2::-1]:
            others = layers[layers_index(layers, layer) + (-1 if down else 1)]
            rank = {item: i for i, item in enumerate(others)}
            mine = {item: float(i) for i, item in enumerate(layer)}
            for item in layer:
                linked = [
                    rank[link.above if down else link.below]
                    for link in (above if down else below).get(item, ())
                ]
                if linked:
                    mine[item] = sum(linked) / len(linked)
            layer.sort(key=lambda item: mine[item])
        found = crossings(layers, above)
        if found < fewest:
            best, fewest = [list(layer) for layer in layers], found
    for layer, kept in zip(layers, best, strict=True):
        layer[:] = kept


def layers_index(layers: list[list[Item]], layer: list[Item]) -> int:
    return layer[0].layer if layer else next(i for i, other in enumerate(layers) if other is layer)


def crossings(layers: list[list[Item]], above: dict[Item, list[Link]]) -> int:
    """The number of edge crossings."""
    count = 0
    for upper, lower in pairwise(layers):
        rank = {item: i for i, item in enumerate(upper)}
        ends: list[int] = []
        for item in lower:
            for end in sorted(rank[link.above] for link in above.get(item, ())):
                count += len(ends) - bisect_left(ends, end + 1)
            for link in above.get(item, ()):
                insort(ends, rank[link.above])
    return count


# --- coordinates ------------------------------------------------------------------------------------------


def place(
    layers: list[list[Item]],
    lines: Sequence[LayoutEdge],
    above: dict[Item, list[Link]],
    below: dict[Item, list[Link]],
) -> None:
    """Move every column to the mean of its neighbors, as far as the layers allow."""
    found = columns(layers, above, below)
    wished: dict[Item, float] = {}
    for layer in layers:
        put(layer, lambda item: 0.0)
    for _ in range(PLACINGS):
        for column in found:
            wished |= column.at(column.wish(above, below))
        put_all(layers, wished)
        for column in found:  # the other items follow the one that had to move most
            away = max(column.offsets, key=lambda item: abs(item.x - wished[item]))
            wished |= column.at(away.x - column.offsets[away])
        put_all(layers, wished)
    for along_ends in (True, False, False):
        put_all(layers, straighten(lines, along_ends=along_ends))


def put_all(layers: list[list[Item]], wished: dict[Item, float]) -> None:
    for layer in layers:
        put(layer, lambda item: wished.get(item, item.x))


@dataclass(eq=False)
class LayoutColumn:
    """Items to align vertically: each is the only successor of the one above. `offsets` are their positions
    relative to the column."""

    offsets: dict[Item, float]

    def at(self, x: float) -> dict[Item, float]:
        return {item: x + offset for item, offset in self.offsets.items()}

    def wish(self, above: dict[Item, list[Link]], below: dict[Item, list[Link]]) -> float:
        """The mean position of the neighbors outside of the column; long edges hardly count."""
        mean = weight = 0.0
        for item, offset in self.offsets.items():
            for link in above.get(item, ()):
                if link.above not in self.offsets:
                    x = link.above.x + link.above_x - link.below_x - offset
                    mean, weight = mean + x * link.weight, weight + link.weight
            for link in below.get(item, ()):
                if link.below not in self.offsets:
                    x = link.below.x + link.below_x - link.above_x - offset
                    mean, weight = mean + x * link.weight, weight + link.weight
        first = next(iter(self.offsets))
        return mean / weight if weight else first.x


def columns(
    layers: list[list[Item]], above: dict[Item, list[Link]], below: dict[Item, list[Link]]
) -> list[LayoutColumn]:
    """All columns, from the top down; every item is in exactly one."""
    holds: dict[Item, LayoutColumn] = {}
    found: list[LayoutColumn] = []
    straight = {item: onward(item, links) for item, links in below.items()}
    for item in (item for layer in layers for item in layer):
        link = only(above.get(item, []))
        if link is not None and straight[link.above] is link:
            column = holds[link.above]
            column.offsets[item] = column.offsets[link.above] + link.above_x - link.below_x
        else:
            column = LayoutColumn({item: 0.0})
            found.append(column)
        holds[item] = column
    return found


def onward(item: Item, links: list[Link]) -> Link | None:
    """The link to the item directly below: the only short link, or the first one of an entry."""
    whole = [link for link in links if link.short]
    return whole[0] if len(whole) == 1 or (whole and item.is_entry) else None


def only(links: list[Link]) -> Link | None:
    """The only short link among these."""
    whole = [link for link in links if link.short]
    return whole[0] if len(whole) == 1 else None


def straighten(lines: Sequence[LayoutEdge], *, along_ends: bool) -> dict[Item, float]:
    """One position for all lanes of a long edge: that of its outer end, or the outermost position of a
    lane."""
    wished = {}
    for line in lines:
        if line.lanes:
            ends = line.source.x + line.source_x, line.target.x + line.target_x
            xs = [lane.x for lane in line.lanes]
            outer = max if sum(xs) / len(xs) >= sum(ends) / 2 else min
            wished |= dict.fromkeys(line.lanes, outer(ends if along_ends else xs))
    return wished


def put(layer: list[Item], wished: Callable[[Item], float]) -> None:
    """The positions closest to the desired ones, in order and without overlap (isotonic regression)."""
    offset, offsets = 0.0, []
    for i, item in enumerate(layer):
        if i:
            offset += (layer[i - 1].width + item.width) / 2 + GAP_X
        offsets.append(offset)
    blocks: list[list[float]] = []  # mean, weight, length
    for item, off in zip(layer, offsets, strict=True):
        blocks.append([wished(item) - off, LIGHT if item.passing else 1.0, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, weight, length = blocks.pop()
            left = blocks[-1]
            blocks[-1] = [
                (left[0] * left[1] + mean * weight) / (left[1] + weight),
                left[1] + weight,
                left[2] + length,
            ]
    means = [mean for mean, _, length in blocks for _ in range(int(length))]
    for item, mean, off in zip(layer, means, offsets, strict=True):
        item.x = mean + off


def settle(layers: list[list[Item]]) -> tuple[float, float]:
    """Set the heights, and move the left edge to 0. Returns width and height."""
    y = 0.0
    for number, layer in enumerate(layers):
        height = max((item.height for item in layer), default=0.0)
        for item in layer:
            item.y = y if item.passing else y + (height - item.height) / 2
            item.height = height if item.passing else item.height
        y += height + (GAP_Y if number < len(layers) - 1 else 0.0)
    left = min((item.x - item.width / 2 for layer in layers for item in layer), default=0.0)
    for layer in layers:
        for item in layer:
            item.x -= left
    return max((item.x + item.width / 2 for layer in layers for item in layer), default=0.0), y
