"""Count values of class inputs that are missing or not one of the classes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.diagnostics.quoting import VALUES, listed
from dlc.runtime.class_labels import raw_labels
from dlc.runtime.data.columns.classes import MISSING, UNKNOWN
from dlc.runtime.data.columns.conversion import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dlc.compiler.types import Classes, Tensor
    from dlc.runtime.data.source import Column

EXAMPLES = 3
SEARCHED = 1000  # unknown values among which examples are searched


@dataclass(frozen=True)
class UnknownValues:
    """The number of values of an input in `total`, those that are `unknown` (not one of its classes), and
    those that are `missing`. The unknown and missing values are class -1."""

    name: str
    total: int
    unknown: int
    missing: int
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        """`3 of the 40 values of `c` are not among its classes ("purple"), 2 are missing: they count as
        class -1`"""
        parts = []
        if self.unknown:
            shown = f" ({listed(self.examples, VALUES)})" if self.examples else ""
            parts.append((self.unknown, f"not among its classes{shown}"))
        if self.missing:
            parts.append((self.missing, "missing"))
        first, *more = (f"{number} {'is' if number == 1 else 'are'} {what}" for number, what in parts)
        number, _, rest = first.partition(" ")
        counts = ", ".join([f"{number} of the {self.total} values of `{self.name}` {rest}", *more])
        return f"{counts}: {'it counts' if self.unknown + self.missing == 1 else 'they count'} as class -1"


class UnknownCounts:
    """Counts the unknown and missing values of inputs over pieces of rows."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = dict.fromkeys(names).keys()
        self._totals = dict.fromkeys(self.names, 0)
        self._found: dict[str, UnknownValues] = {}

    def add(self, name: str, total: int, indices: np.ndarray | None, shown: tuple[str, ...]) -> None:
        """Add values of an input. `indices` has their class indices, None if all are known; `shown` are
        examples of the unknown ones."""
        self._totals[name] += total
        found = None if indices is None else count(name, indices, shown)
        if found is None:
            return
        before = self._found.get(name, UnknownValues(name, 0, 0, 0))
        more = () if before.unknown >= SEARCHED else found.examples
        self._found[name] = UnknownValues(
            name, 0, before.unknown + found.unknown, before.missing + found.missing,
            tuple(dict.fromkeys(before.examples + more))[:EXAMPLES],
        )  # fmt: skip

    def values(self) -> list[UnknownValues]:
        """What was found in all rows."""
        return [replace(some, total=self._totals[name]) for name in self._totals
                if (some := self._found.get(name))]  # fmt: skip


def examples(columns: Sequence[Column], found: Sequence[np.ndarray]) -> tuple[str, ...]:
    """The first few distinct values that are not one of the classes, as text."""
    texts: dict[str, None] = {}
    for column, indices in zip(columns, found, strict=True):
        for index in np.flatnonzero(indices == UNKNOWN)[:SEARCHED]:
            texts[text_of(column, int(index))] = None
            if len(texts) == EXAMPLES:
                return tuple(texts)
    return tuple(texts)


def with_unknown(indices: np.ndarray, raw: Classes | None = None) -> np.ndarray:
    """The class indices of an input, with `UNKNOWN` for missing values. With `raw`, the labels of these
    classes, which the artifact takes."""
    found = np.maximum(indices, UNKNOWN)
    return found if raw is None else raw_labels(raw)[found]


def without_imputed(indices: np.ndarray, type: Tensor) -> np.ndarray:
    """The class indices, with 0 for missing values if the spec imputes them."""
    return np.where(indices == MISSING, 0, indices) if type.missing else indices


def count(name: str, indices: np.ndarray, shown: tuple[str, ...]) -> UnknownValues | None:
    """The unknown and missing values of an input; None if there are none."""
    unknown, missing = int((indices == UNKNOWN).sum()), int((indices == MISSING).sum())
    return UnknownValues(name, indices.size, unknown, missing, shown) if unknown + missing else None
