"""Values of class inputs that are none of the classes, or missing: how many there are, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.diagnostics.quoting import VALUES, listed
from dlc.runtime.class_labels import raw_labels
from dlc.runtime.data.classes import MISSING, UNKNOWN
from dlc.runtime.data.conversion import text_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.types import Classes, Tensor
    from dlc.runtime.data.source import Column

EXAMPLES = 3


@dataclass(frozen=True)
class Outside:
    """Of the `total` values of an input so many are `unknown`, none of its classes, and so many `missing`.
    All of these are class -1."""

    name: str
    total: int
    unknown: int
    missing: int
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        """`3 of the 40 values of `c` are none of its classes ("purple"), 2 are missing: they count as
        class -1`"""
        parts = []
        if self.unknown:
            shown = f" ({listed(self.examples, VALUES)})" if self.examples else ""
            parts.append((self.unknown, f"none of its classes{shown}"))
        if self.missing:
            parts.append((self.missing, "missing"))
        first, *more = (f"{number} {'is' if number == 1 else 'are'} {what}" for number, what in parts)
        number, _, rest = first.partition(" ")
        told = ", ".join([f"{number} of the {self.total} values of `{self.name}` {rest}", *more])
        return f"{told}: {'it counts' if self.unknown + self.missing == 1 else 'they count'} as class -1"


def examples(columns: Sequence[Column], found: Sequence[np.ndarray]) -> tuple[str, ...]:
    """The first few different values that are none of the classes, as text."""
    texts: dict[str, None] = {}
    for column, places in zip(columns, found, strict=True):
        for place in np.flatnonzero(places == UNKNOWN)[:1000]:
            texts[text_at(column, int(place))] = None
            if len(texts) == EXAMPLES:
                return tuple(texts)
    return tuple(texts)


def counted(places: np.ndarray, raw: Classes | None = None) -> np.ndarray:
    """The places of an input, in which what is missing counts as none of the classes; as the artifact takes
    them, what stands for these classes."""
    found = np.maximum(places, UNKNOWN)
    return found if raw is None else raw_labels(raw)[found]


def lost(places: np.ndarray, type: Tensor) -> np.ndarray:
    """The places, but for missing values that the spec fills in."""
    return np.where(places == MISSING, 0, places) if type.missing else places


def count(name: str, places: np.ndarray, shown: tuple[str, ...]) -> Outside | None:
    """What is outside of the classes; none where nothing is."""
    unknown, missing = int((places == UNKNOWN).sum()), int((places == MISSING).sum())
    return Outside(name, places.size, unknown, missing, shown) if unknown + missing else None
